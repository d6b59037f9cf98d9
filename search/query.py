"""One search from question to answer: arms, fusion, and what the answer could not draw on.

All statements read one moment (REPEATABLE READ), so an answer never mixes two commits.
"""

from collections import OrderedDict
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any, Literal

from sqlalchemy import Connection, text

from config.errors import BadInputError, DegradedError, EncoderUnavailableError
from schema.model_roles import SPACES, Registered
from search.candidates import at_path, candidates, defining
from search.context import Context, widened
from search.coverage import Coverage, coverage
from search.dense import Neighbour, search_dense
from search.freshness import freshness
from search.intent import Intent, intent
from search.lexical import search_lexical
from search.phrases import put_first, search_phrases, wanted
from search.rank import Ranked, fold, fuse, rank
from search.scope import LiveSnapshot, Scope, files, live_snapshots, storable
from search.shared_vectors import SharedVectors
from search.weights import DEFAULT, Weights
from tasks.embed.models import is_hash
from tasks.embed.vectors import Vectors
from tasks.runtime import Runtime

Mode = Literal["hybrid", "lexical", "vector"]
MAX_LIMIT = 200
MAX_QUERY_CHARS = 4_000
DEPTH = 5  # each arm gives this many times the hits that are asked for (semble)
MIN_DEPTH = 50  # a short list is ranked as well as the top of a long one
MAX_OTHERS = 10
SHARED_DEFINITIONS = 3  # so many chunks are looked at for each definition that is asked for
QUERY_VECTORS = 1_024  # kept, at 1.5 kB each


@dataclass(frozen=True, slots=True)
class Result:
    """A piece of code that answers, and why it stands where it does.

    `also` names up to `MAX_OTHERS` other places of the same code, in forks and copies. `matched` is
    empty for a chunk; for a definition it has the first and last line of each chunk found in it.
    """

    repository: str
    path: str
    start_line: int
    end_line: int
    language: str
    kind: str
    symbol: str | None
    score: float
    signals: dict[str, Any]
    content: str
    also: list[dict[str, str]]
    matched: list[list[int]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As `mnemo search --json` prints it."""
        document = asdict(self)
        if not self.matched:
            del document["matched"]
        return document


@dataclass(frozen=True, slots=True)
class Answer:
    """The results of a search and the state of the index that they come from.

    `models` names the model of each vector arm that was searched.
    """

    query: str
    mode: Mode
    coverage: dict[str, float]
    degraded: list[str]
    commits: dict[str, str]
    snapshots: list[dict[str, Any]]
    results: list[Result]
    models: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As `mnemo search --json` prints it."""
        return asdict(self) | {"results": [result.to_json() for result in self.results]}


@dataclass(slots=True)
class Arms:
    """What each arm found, the chunks that hold what was quoted, and why something is missing."""

    hits: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    holding: list[int] = field(default_factory=list)
    models: dict[str, str] = field(default_factory=dict)
    degraded: list[str] = field(default_factory=list)


# Each chunk at its first place, with the first of all the places that its equals stand at.
RESULTS = text(f"""
WITH {files("f.blob_id IN (SELECT blob_id FROM code_chunks WHERE id = ANY(:all_ids))")},
asked AS (SELECT * FROM unnest(cast(:ids AS bigint[]), cast(:leaders AS bigint[])) a (id, leader)),
standing AS (
    SELECT a.leader, files.repository, files.path,
           row_number() OVER (PARTITION BY a.leader
                              ORDER BY a.id <> a.leader, files.repository, files.path) AS place
      FROM asked a JOIN code_chunks c ON c.id = a.id JOIN files ON files.blob_id = c.blob_id)
SELECT c.id, f.repository, f.path, b.language, c.start_line, c.end_line, c.kind, c.name,
       c.name_path, c.start_byte, c.end_byte, s.source,
       (SELECT coalesce(json_agg(json_build_object('repository', o.repository, 'path', o.path)
                                 ORDER BY o.place), '[]')
          FROM standing o
         WHERE o.leader = c.id AND o.place BETWEEN 2 AND 1 + {MAX_OTHERS}) AS also
  FROM standing f
  JOIN code_chunks c ON c.id = f.leader
  JOIN blobs b ON b.id = c.blob_id
  JOIN blob_sources s ON s.blob_id = c.blob_id
 WHERE f.place = 1
""")


class Searcher:
    """Answers searches over one database; holds the encoders, which are costly to load."""

    def __init__(self, runtime: Runtime, weights: Weights = DEFAULT) -> None:
        self._runtime = runtime
        self._weights = weights
        self._vectors: OrderedDict[tuple[int, str], Vectors] = OrderedDict()
        self._shared = SharedVectors(runtime.settings, runtime.breakers.cache())

    def search(
        self,
        query: str,
        *,
        scope: Scope,
        mode: Mode = "hybrid",
        limit: int = 10,
        context: Context = "chunk",
    ) -> Answer:
        """The best pieces of code for `query`: chunks, or the definitions around them.

        Raises:
            BadInputError: the query is empty, or a filter names something that does not exist.
            EncoderUnavailableError: in mode vector, where the model cannot be used.
            DatabaseUnavailableError: PostgreSQL does not answer.
        """
        query = _checked(query, limit)
        asked = wanted(query[:MAX_QUERY_CHARS])
        meant = intent(asked.words)
        depth = max(DEPTH * limit, MIN_DEPTH)
        with self._runtime.database.reading() as connection:
            live = live_snapshots(connection, scope)
            covered = coverage(connection, live)
            arms = Arms()
            if len(query) > MAX_QUERY_CHARS:
                arms.degraded.append(f"only the first {MAX_QUERY_CHARS:,} characters were read")
            if mode in ("hybrid", "lexical"):
                hits = search_lexical(
                    connection, asked.words, meant.kind, scope, depth, chunks=covered.chunks
                )
                arms.hits["lexical"] = [(hit.chunk_id, hit.score) for hit in hits]
                arms.holding = search_phrases(connection, asked, scope, depth)
                if asked.phrases and not arms.holding:
                    arms.degraded.append(asked.missing())
            for space in SPACES if mode in ("hybrid", "vector") else ():
                try:
                    model = self._model(live, space)
                    near = self._near(connection, asked.words, scope, space, model, covered, depth)
                except DegradedError as exc:
                    if mode == "vector":
                        raise
                    arms.degraded.append(f"{space} vectors were not searched: {exc}")
                else:
                    arms.hits[space] = [(hit.chunk_id, hit.distance) for hit in near]
                    if model is not None:
                        arms.models[space] = model.name
            results = self._ranked(connection, meant, scope, arms, limit, context)
        return Answer(
            query[:MAX_QUERY_CHARS],
            mode,
            covered.to_json(),
            arms.degraded + _warnings(covered, mode) + _nonsense(arms),
            {snapshot.repository: snapshot.commit for snapshot in live},
            freshness(live, covered),
            results,
            arms.models,
        )

    def _ranked(
        self,
        connection: Connection,
        asked: Intent,
        scope: Scope,
        arms: Arms,
        limit: int,
        context: Context,
    ) -> list[Result]:
        fused = fuse(arms.hits, asked.kind, self._weights)
        named = defining(connection, scope, asked)
        pathed = at_path(connection, scope, asked)
        ids = {i.chunk_id for i in fused} | {*named, *pathed, *arms.holding}
        known = candidates(connection, scope, ids)
        ranked = rank(fused, asked, known, defining=named, at_path=pathed, weights=self._weights)
        ranked = put_first(ranked, arms.holding)
        many = limit if context == "chunk" else SHARED_DEFINITIONS * limit
        folded = dict(islice(fold(ranked, known).items(), many))
        ranked = [item for item in ranked if item.chunk_id in folded]
        results = _results(connection, scope, ranked, folded)
        if context == "symbol":
            results = widened(connection, [item.chunk_id for item in ranked], results)
        return results[:limit]

    def _model(self, live: list[LiveSnapshot], space: str) -> Registered | None:
        """The one model whose vectors of `space` the snapshots have; None without snapshots.

        Raises:
            EncoderUnavailableError: they have several, which cannot be compared.
        """
        ids = {snapshot.model_id(space) for snapshot in live}
        if len(ids) > 1:
            raise EncoderUnavailableError(
                "the repositories in scope hold vectors of different models: index them again,"
                " or search them one by one"
            )
        return self._runtime.model(ids.pop()) if ids else None

    def _vector(self, query: str, model: Registered) -> Vectors:
        """The query's vector; the same question is encoded once."""
        key = (model.id, query)
        if key not in self._vectors:
            shared = self._shared.get(model.key, query)
            if shared is None:
                shared = self._runtime.encoder(model.id).encode_query(query)
                self._shared.put(model.key, query, shared)
            self._vectors[key] = shared
            if len(self._vectors) > QUERY_VECTORS:
                self._vectors.popitem(last=False)
        self._vectors.move_to_end(key)
        return self._vectors[key]

    def _near(
        self,
        connection: Connection,
        query: str,
        scope: Scope,
        space: str,
        model: Registered | None,
        covered: Coverage,
        limit: int,
    ) -> list[Neighbour]:
        if not covered.chunks or model is None:
            return []
        return search_dense(
            connection,
            self._runtime.settings,
            scope,
            space=space,
            model_id=model.id,
            query=self._vector(query, model),
            chunks=covered.chunks,
            limit=limit,
        )


def _warnings(covered: Coverage, mode: Mode) -> list[str]:
    """What makes this answer less than it could be, in words."""
    warnings = []
    if covered.lexical < 1 and covered.chunks:
        warnings.append(f"{covered.lexical:.1%} of the files are parsed so far")
    for space in SPACES if mode != "lexical" else ():
        share = getattr(covered, space)
        if share < 1 and covered.chunks:
            warnings.append(f"{share:.1%} of the chunks have a {space} vector")
    return warnings


def _nonsense(arms: Arms) -> list[str]:
    if any(map(is_hash, arms.models.values())):
        return ["MNEMO_ENCODER=hash: vectors carry no meaning, it is for tests only"]
    return []


def _checked(query: str, limit: int) -> str:
    query = storable(query).strip()
    if not query:
        raise BadInputError("the query is empty")
    if not 1 <= limit <= MAX_LIMIT:
        raise BadInputError(f"--limit must be between 1 and {MAX_LIMIT}")
    return query


def _results(
    connection: Connection, scope: Scope, ranked: list[Ranked], equals: dict[int, list[int]]
) -> list[Result]:
    pairs = [(i, leader) for leader, others in equals.items() for i in (leader, *others)]
    ids, leaders = [i for i, _ in pairs], [leader for _, leader in pairs]
    parameters = scope.parameters() | {"ids": ids, "leaders": leaders, "all_ids": ids}
    rows = {row.id: row for row in connection.execute(RESULTS, parameters)}
    results = []
    for item in ranked:
        row = rows[item.chunk_id]
        body = row.source.encode()[row.start_byte : row.end_byte].decode(errors="replace")
        results.append(
            Result(
                row.repository,
                row.path,
                row.start_line,
                row.end_line,
                row.language,
                row.kind,
                row.name_path or row.name,
                round(item.score, 6),
                item.signals,
                body,
                row.also,
            )
        )
    return results
