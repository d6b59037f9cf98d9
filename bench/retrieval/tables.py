"""Figures as the Markdown that docs/benchmarks.md holds."""

from collections.abc import Iterable, Sequence

from bench.retrieval.metrics import Estimate, Measure, difference, estimate

MEASURES: dict[Measure, str] = {
    "mrr": "MRR@10",
    "ndcg": "NDCG@10",
    "r1": "recall@1",
    "r5": "recall@5",
    "r10": "recall@10",
}


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with its rule below the header."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def shown(figure: Estimate) -> str:
    """A mean with its interval."""
    return f"{figure.mean:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def shown_difference(figure: Estimate) -> str:
    """A difference with its interval; bold where zero is outside of it."""
    text = f"{figure.mean:+.3f} ({figure.low:+.3f} to {figure.high:+.3f})"
    return f"**{text}**" if figure.differs else text


def measured(title: str, places: Sequence[int]) -> list[str]:
    """A row with every measure."""
    return [title, *(shown(estimate(places, measure)) for measure in MEASURES)]


def compared(title: str, ours: Sequence[int], theirs: Sequence[int]) -> list[str]:
    """A row with the differences of MRR and NDCG."""
    wanted: tuple[Measure, ...] = ("mrr", "ndcg")
    return [title, *(shown_difference(difference(ours, theirs, measure)) for measure in wanted)]
