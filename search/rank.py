"""Fusion: one order out of several arms, by reciprocal rank.

Source: Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual
Rank Learning Methods", SIGIR 2009.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

RRF_K = 60  # the paper's value


@dataclass(slots=True)
class Ranked:
    """A chunk with its fused score and what each arm said."""

    chunk_id: int
    score: float = 0.0
    signals: dict[str, dict[str, float]] = field(default_factory=dict)


def fuse(arms: Mapping[str, Sequence[tuple[int, float]]]) -> list[Ranked]:
    """Sums 1 / (K + rank) over the arms; best first.

    Args:
        arms: per arm its (chunk id, own measure) pairs, best first.
    """
    ranked: dict[int, Ranked] = {}
    for arm, hits in arms.items():
        for rank, (chunk_id, measure) in enumerate(hits, 1):
            item = ranked.setdefault(chunk_id, Ranked(chunk_id))
            item.score += 1 / (RRF_K + rank)
            item.signals[arm] = {"rank": rank, "value": round(measure, 6)}
    return sorted(ranked.values(), key=lambda item: (-item.score, item.chunk_id))
