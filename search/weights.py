"""Every constant of ranking, in one table, each with its source; apart, so that one can be tried.

Most come from semble 0.7 (MIT), whose ranking lifts plain BM25 from an NDCG@10 of 0.69 to 0.84 on
63 repositories. They were taken as they are: no set of our own has confirmed them yet.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

QueryKind = Literal["identifier", "path", "error", "natural"]

_EVEN = {"lexical": 0.5, "text": 0.25, "code": 0.25}
# names and messages are spelled, not described: semble gives vectors 0.3 for them, else 0.5
_SPELLED = {"lexical": 0.7, "text": 0.15, "code": 0.15}
ARMS: Mapping[QueryKind, Mapping[str, float]] = {
    "identifier": _SPELLED,
    "path": _SPELLED,
    "error": _SPELLED,
    "natural": _EVEN,
}


@dataclass(frozen=True, slots=True)
class Weights:
    """What a hit gains and loses. Gains are shares of the best fused score; losses are factors."""

    # Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual
    # Rank Learning Methods", SIGIR 2009
    rrf_k: int = 60
    arms: Mapping[QueryKind, Mapping[str, float]] = field(default_factory=lambda: ARMS)
    definition: float = 3.0  # semble: the chunk defines the name that is asked for
    definition_in_prose: float = 0.5  # semble: of it, where the name stands in a sentence
    definition_in_own_file: float = 1.5  # semble: more, where the file has the name too
    named_path: float = 3.0  # ours, as for a definition: the path that is asked for
    path: float = 1.0  # semble: times the share of the query's words that the path has
    file: float = 0.2  # semble: to the best chunk of the file that gathers the highest scores
    tests: float = 0.3  # semble: tests, examples, compatibility layers
    reexports: float = 0.5  # semble: `__init__.py`, which mostly passes names on
    declarations: float = 0.7  # semble: `.d.ts`, which declares what is written elsewhere
    same_file: float = 0.5  # semble: to the power of the better chunks of the same file


DEFAULT = Weights()
RAW = Weights(
    definition=0,
    named_path=0,
    path=0,
    file=0,
    tests=1,
    reexports=1,
    declarations=1,
    same_file=1,
)
"""Fusion alone, to compare with."""
