"""One search from question to answer: arms, fusion, and what the answer could not draw on.

All statements read one moment (REPEATABLE READ), so an answer never mixes two commits.
"""

from collections import OrderedDict
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any, Literal

from sqlalchemy import Connection

from config.errors import BadInputError, DegradedError, EncoderUnavailableError
from schema.database import moment_of
from schema.model_roles import SPACES, Registered
from search.candidates import at_path, candidates, defining
from search.context import Context, widened
from search.coverage import Coverage, coverage
from search.dense import search_dense, usable_indexes
from search.freshness import freshness
from search.intent import Intent, intent
from search.lexical import search_lexical
from search.phrases import Wanted, put_first, search_phrases, wanted
from search.rank import fold, fuse, rank
from search.results import Result, results
from search.scope import LiveSnapshot, Scope, live_snapshots, storable
from search.shared_vectors import SharedVectors
from search.weights import DEFAULT, Weights
from search.words import Vocabulary
from tasks.embed.models import is_hash
from tasks.embed.vectors import Vectors
from tasks.runtime import Runtime

Mode = Literal["hybrid", "lexical", "vector"]
MAX_LIMIT = 200
MAX_QUERY_CHARS = 4_000
DEPTH = 3  # each arm gives this many times the hits that are asked for; five (semble) found no more
MIN_DEPTH = 30  # a short list is ranked as well as the top of a long one
SHARED_DEFINITIONS = 3  # so many chunks are looked at for each definition that is asked for
QUERY_VECTORS = 1_024  # kept, at 1.5 kB each


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

    def __or__(self, other: "Arms") -> "Arms":
        return Arms(
            self.hits | other.hits,
            self.holding + other.holding,
            self.models | other.models,
            self.degraded + other.degraded,
        )


@dataclass(frozen=True, slots=True)
class Question:
    """What a search asks its arms, and of what."""

    asked: Wanted
    meant: Intent
    mode: Mode
    scope: Scope
    live: list[LiveSnapshot]
    covered: Coverage
    depth: int


class Searcher:
    """Answers searches over one database; holds the encoders, which are costly to load."""

    def __init__(self, runtime: Runtime, weights: Weights = DEFAULT) -> None:
        self._runtime = runtime
        self._weights = weights
        self._vectors: OrderedDict[tuple[int, str], Vectors] = OrderedDict()
        self._vocabulary = Vocabulary()
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
            question = Question(asked, meant, mode, scope, live, covered, depth)
            arms = self._arms(connection, question)
            found = self._ranked(connection, meant, scope, arms, limit, context)
        return Answer(
            query[:MAX_QUERY_CHARS],
            mode,
            covered.to_json(),
            _cut(query) + arms.degraded + _warnings(covered, mode) + _nonsense(arms),
            {snapshot.repository: snapshot.commit for snapshot in live},
            freshness(live, covered),
            found,
            arms.models,
        )

    def _arms(self, connection: Connection, question: Question) -> Arms:
        """What the arms of the mode find: at once where a connection can be spared."""
        if question.mode == "lexical":
            return self._by_words(connection, question)
        if question.mode == "vector":
            return self._by_vectors(connection, question)
        moment = moment_of(connection)
        with ThreadPoolExecutor(1) as thread:  # left when both have ended, whatever happens
            asking = thread.submit(copy_context().run, self._by_words_beside, moment, question)
            vectors = self._by_vectors(connection, question)
            words = asking.result()
        return (words or self._by_words(connection, question)) | vectors

    def _by_words_beside(self, moment: str, question: Question) -> Arms | None:
        """The same as `_by_words` on another connection; None where there is none to spare."""
        with self._runtime.database.beside(moment) as second:
            return None if second is None else self._by_words(second, question)

    def _by_words(self, connection: Connection, question: Question) -> Arms:
        """What has the words of the query."""
        asked, scope, depth = question.asked, question.scope, question.depth
        hits = search_lexical(
            connection,
            self._vocabulary,
            asked.words,
            question.meant.kind,
            scope,
            depth,
            chunks=question.covered.chunks,
        )
        holding = search_phrases(connection, asked, scope, depth)
        missing = [asked.missing()] if asked.phrases and not holding else []
        found = {"lexical": [(hit.chunk_id, hit.score) for hit in hits]}
        return Arms(found, holding, degraded=missing)

    def _by_vectors(self, connection: Connection, question: Question) -> Arms:
        """What is near to the query in each space.

        Raises:
            DegradedError: in mode vector, where the vectors of a space cannot be searched now.
        """
        arms = Arms()
        indexes = usable_indexes(connection, self._runtime.settings, question.covered.chunks)
        for space in SPACES:
            try:
                self._nearest(connection, arms, question, space, indexes)
            except DegradedError as exc:
                if question.mode == "vector":
                    raise
                arms.degraded.append(f"{space} vectors were not searched: {exc}")
        return arms

    def _nearest(
        self,
        connection: Connection,
        arms: Arms,
        question: Question,
        space: str,
        indexes: Collection[str],
    ) -> None:
        """Adds what is near to the query in `space`.

        Raises:
            DegradedError: the vectors cannot be searched now.
        """
        model = self._model(connection, question.live, space)
        arms.hits[space] = []
        if model is None:
            return
        arms.models[space] = model.name
        if question.covered.chunks:
            near = search_dense(
                connection,
                question.scope,
                space=space,
                model_id=model.id,
                query=self._vector(question.asked.words, model),
                indexes=indexes,
                limit=question.depth,
            )
            arms.hits[space] = [(hit.chunk_id, hit.distance) for hit in near]

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
        found = results(connection, scope, ranked, folded)
        if context == "symbol":
            found = widened(connection, [item.chunk_id for item in ranked], found)
        return found[:limit]

    def _model(
        self, connection: Connection, live: list[LiveSnapshot], space: str
    ) -> Registered | None:
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
        return self._runtime.model(ids.pop(), connection) if ids else None

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


def _cut(query: str) -> list[str]:
    if len(query) <= MAX_QUERY_CHARS:
        return []
    return [f"only the first {MAX_QUERY_CHARS:,} characters were read"]


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
