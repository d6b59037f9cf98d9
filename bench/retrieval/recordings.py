"""What each arm found for each query, so that any ranking can be tried without searching again.

Recorded from inside of the real search. Ranking itself is `search.rank`, on what was recorded.
"""

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

import search
from bench.retrieval.judge import TOP, Kind, Query, Span
from bench.retrieval.laboratory import Index
from schema.model_roles import SPACES
from search.candidates import Candidate, at_path, candidates, defining
from search.context import Context
from search.intent import Intent, intent
from search.phrases import put_first, wanted
from search.query import Arms, Searcher
from search.rank import Ranked, fold, fuse, rank
from search.results import Result
from search.scope import Scope
from search.weights import BM25, Weights
from tasks.parse import tokens

Hits = list[tuple[int, float]]
# applied to what was recorded, so they do not decide what is
UNRECORDED = ("rank.py", "weights.py")

CHUNKS = text("""
SELECT c.id, p.name || '/' || f.path AS path, c.start_line, c.end_line, c.kind,
       coalesce(nullif(c.name_path, ''), c.name, '') AS symbol
  FROM repositories p
  JOIN refs r ON r.repository_id = p.id AND r.name = p.default_ref
  JOIN snapshot_files f ON f.snapshot_id = r.live_snapshot_id
  JOIN code_chunks c ON c.blob_id = f.blob_id
 ORDER BY c.id, 2
""")


@dataclass(frozen=True, slots=True)
class Recording:
    """One query: each arm's hits, the chunks that it names, and those that hold what it quotes."""

    hits: Mapping[str, Hits]
    named: Sequence[int]
    pathed: Sequence[int]
    holding: Sequence[int]


@dataclass(frozen=True, slots=True)
class Recordings:
    """All queries of an index, in their order, and what is known of its chunks.

    Attributes:
        queries: what was asked.
        asked: a recording for each.
        known: the facts of every chunk that some arm found, as ranking takes them.
        spans: every chunk at the place that it is shown at.
        symbols: the name of every chunk.
    """

    queries: Sequence[Query]
    asked: Sequence[Recording]
    known: Mapping[int, Candidate]
    spans: Mapping[int, Span]
    symbols: Mapping[int, str]

    def of(self, *kinds: Kind) -> "Recordings":
        """Those of some kinds of queries."""
        chosen = [n for n, query in enumerate(self.queries) if query.kind in kinds]
        return self.only(chosen)

    def only(self, numbers: Sequence[int]) -> "Recordings":
        """Those of some queries."""
        return replace(
            self,
            queries=[self.queries[n] for n in numbers],
            asked=[self.asked[n] for n in numbers],
        )


class Recorder(Searcher):
    """Searches, and keeps what it would have ranked."""

    def __init__(self, index: Index) -> None:
        super().__init__(index.runtime)
        self.known: dict[int, Candidate] = {}
        self.last: Recording | None = None

    def _ranked(
        self,
        connection: Connection,
        asked: Intent,
        scope: Scope,
        arms: Arms,
        limit: int,  # noqa: ARG002 - the base's signature
        context: Context,  # noqa: ARG002 - as above
    ) -> list[Result]:
        assert {*arms.hits} == {"lexical", *SPACES}, arms.degraded
        named = defining(connection, scope, asked)
        pathed = at_path(connection, scope, asked)
        ids = {chunk_id for hits in arms.hits.values() for chunk_id, _ in hits}
        self.known |= candidates(connection, scope, ids | {*named, *pathed, *arms.holding})
        self.last = Recording(arms.hits, named, pathed, arms.holding)
        return []


def ranked(
    recordings: Recordings, number: int, arms: Sequence[str], weights: Weights
) -> list[Ranked]:
    """What a search with these arms and weights answers to a query, best first."""
    found = all_ranked(recordings, number, arms, weights)
    first = {*islice(fold(found, recordings.known), TOP)}
    return [item for item in found if item.chunk_id in first]


def all_ranked(
    recordings: Recordings, number: int, arms: Sequence[str], weights: Weights
) -> list[Ranked]:
    """The same to the end of the list, equal code unfolded."""
    asked = recordings.asked[number]
    understood = _understood(recordings.queries[number].text)
    found = rank(
        fuse({arm: asked.hits[arm] for arm in arms}, understood.kind, weights),
        understood,
        recordings.known,
        defining=asked.named,
        at_path=asked.pathed,
        weights=weights,
    )
    return put_first(found, asked.holding) if "lexical" in arms else found


def answers(recordings: Recordings, arms: Sequence[str], weights: Weights) -> list[list[Span]]:
    """The places that such searches show, for every query."""
    return [
        [recordings.spans[item.chunk_id] for item in ranked(recordings, number, arms, weights)]
        for number in range(len(recordings.queries))
    ]


# asked of the same queries for each set of constants
@lru_cache(maxsize=10_000)
def _understood(query: str) -> Intent:
    return intent(wanted(query).words)


def record(index: Index, cache: Path) -> Recordings:
    """The recordings of an index; made where `cache` lacks them."""
    folder = cache / "recordings"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{index.key[:16]}-{_recipe()[:16]}.json"
    if not file.exists():
        made = file.with_suffix(".part")
        made.write_text(json.dumps(_record(index)))
        made.rename(file)
    return _read(json.loads(file.read_text()), index.corpus.queries)


def _recipe() -> str:
    """Changes whenever another search may find other chunks."""
    digest = hashlib.sha256(Path(tokens.__file__).read_bytes() + repr(BM25).encode())
    for file in sorted(Path(search.__file__).parent.iterdir()):
        if file.is_file() and file.name not in UNRECORDED:
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _record(index: Index) -> dict[str, Any]:
    print(f"searching {index.corpus.name}, names {index.names} …", file=sys.stderr)
    recorder, asked = Recorder(index), []
    for query in index.corpus.queries:
        recorder.search(query.text, scope=Scope(), limit=TOP)
        assert recorder.last is not None
        last = recorder.last
        asked.append([last.hits, last.named, last.pathed, last.holding])
    with index.runtime.database.reading() as connection:
        chunks = [list(row) for row in connection.execute(CHUNKS)]
    known = [list(astuple(known)) for known in recorder.known.values()]
    return {"asked": asked, "known": known, "chunks": chunks}


def _read(document: dict[str, Any], queries: Sequence[Query]) -> Recordings:
    spans: dict[int, Span] = {}
    for chunk_id, path, start, end, *_ in document["chunks"]:
        spans.setdefault(chunk_id, Span(path, start, end))
    return Recordings(
        queries,
        [
            Recording({arm: [(i, m) for i, m in hits] for arm, hits in found.items()}, *chunks)
            for found, *chunks in document["asked"]
        ],
        {row[0]: Candidate(*row) for row in document["known"]},
        spans,
        {row[0]: row[5] for row in document["chunks"]},
    )
