"""Which commits an answer reads, and how old they are: the same words for every kind of answer."""

from collections.abc import Sequence
from typing import Any

from search.coverage import Coverage
from search.scope import LiveSnapshot


def freshness(
    live: Sequence[LiveSnapshot], covered: Coverage | None = None
) -> list[dict[str, Any]]:
    """The snapshots that an answer reads, as JSON.

    Args:
        live: the snapshots in scope.
        covered: their coverage; each states its own where they differ.
    """
    parts = covered.parts if covered else ()
    shares = [part.to_json() for part in parts]
    differ = any(share != shares[0] for share in shares)
    return [
        {
            "repository": snapshot.repository,
            "ref": snapshot.ref,
            "commit": snapshot.commit,
            "state": snapshot.state,
            "indexed_at": snapshot.indexed_at.isoformat(timespec="seconds"),
            "age_s": max(0, round(snapshot.age_s)),
        }
        | ({"coverage": shares[at]} if differ else {})
        for at, snapshot in enumerate(live)
    ]
