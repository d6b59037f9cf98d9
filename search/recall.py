"""How often a model's vectors find what a question is after: the measure that models are chosen by.

Recall@10 of one vector arm over the same questions, by an exact scan of each repository, so that
neither an index nor the other arms blur the comparison. Questions are those that people saved, and
docstrings: the first paragraph of one should find its definition. As chunks hold their docstrings,
these are easy questions; they tell models apart all the same, because a repository has many chunks.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from schema import saved_queries
from schema.saved_queries import Question
from search.dense import SPACE_INPUT
from search.scope import FILES, Scope
from tasks.embed.vectors import Vectors
from tasks.runtime import Runtime

TOP = 10
DOCSTRINGS = 200  # one question more or less is then half a percent
ROWS_AT_ONCE = 10_000  # vectors in memory, 15 MB in single precision

# Unique in their repository, or another chunk would answer as well; in an order of no meaning.
DOCUMENTED = text("""
WITH documented AS (
    SELECT p.name AS repository, c.id, d.paragraph,
           count(*) OVER (PARTITION BY p.id, d.paragraph) AS times
      FROM repositories p
      JOIN refs r ON r.repository_id = p.id AND r.name = p.default_ref
      JOIN code_chunks c ON c.blob_id IN (SELECT f.blob_id FROM snapshot_files f
                                           WHERE f.snapshot_id = r.live_snapshot_id)
     CROSS JOIN LATERAL split_part(c.docstring, E'\\n\\n', 1) AS d (paragraph)
     WHERE length(d.paragraph) BETWEEN 20 AND 300)
SELECT repository, id, paragraph FROM documented
 WHERE times = 1 ORDER BY md5(paragraph), id LIMIT :limit
""")

VECTORS = {
    space: text(f"""
WITH {FILES}
SELECT c.id, e.vector
  FROM (SELECT DISTINCT blob_id FROM files) b
  JOIN code_chunks c ON c.blob_id = b.blob_id
  JOIN embeddings e ON e.model_id = :model AND e.space = '{space}' AND e.input_id = {column}
""")
    for space, column in SPACE_INPUT.items()
}


@dataclass(frozen=True, slots=True)
class Recall:
    """How many of the questions of one kind two models find the answer to, in one space."""

    space: str
    questions: str
    asked: int
    live: int
    candidate: int

    @property
    def fall(self) -> float:
        """By how much the candidate is worse, as a share of the questions; negative: better."""
        return (self.live - self.candidate) / self.asked


def measure(runtime: Runtime, models: Mapping[str, tuple[int, int]]) -> list[Recall]:
    """Compares two models in each space; an entry for each kind of question that there is.

    Args:
        runtime: its database and encoders.
        models: the live one and the candidate, by space.

    Raises:
        EncoderUnavailableError: one of them cannot be loaded here.
    """
    with runtime.database.reading() as connection:
        asked = {
            "saved": saved_queries.questions(connection),
            "docstrings": documented(connection),
        }
    # outside of a transaction, which must not lie idle for as long as models take
    texts = {question.query for questions in asked.values() for question in questions}
    encoded = {model_id: _encoded(runtime, model_id, texts) for model_id in _ids(models)}
    with runtime.database.reading() as connection:
        return [
            Recall(
                space,
                kind,
                len(questions),
                *(_found(connection, space, each, questions, encoded[each]) for each in pair),
            )
            for space, pair in models.items()
            for kind, questions in asked.items()
            if questions
        ]


def documented(connection: Connection) -> list[Question]:
    """The first paragraphs of up to `DOCSTRINGS` docstrings, with what they document."""
    rows = connection.execute(DOCUMENTED, {"limit": DOCSTRINGS})
    return [
        Question(row.repository, " ".join(row.paragraph.split()), frozenset([row.id]))
        for row in rows
    ]


def nearest(
    connection: Connection, repository: str, space: str, model_id: int, queries: Vectors
) -> list[list[int]]:
    """The `TOP` chunks of a repository that are nearest to each query, shape (queries, dimensions).

    Compares with every vector, some thousand at a time.
    """
    ids = np.empty((len(queries), 0), dtype=np.int64)
    scores = np.empty((len(queries), 0), dtype=np.float32)
    for chunk_ids, vectors in _vectors(connection, repository, space, model_id):
        here = np.broadcast_to(chunk_ids, (len(queries), len(chunk_ids)))
        ids = np.hstack([ids, here])
        scores = np.hstack([scores, queries @ vectors.T])
        order = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]
        ids = np.take_along_axis(ids, order, axis=1)
        scores = np.take_along_axis(scores, order, axis=1)
    return [list(map(int, row)) for row in ids]


def _vectors(
    connection: Connection, repository: str, space: str, model_id: int
) -> Iterator[tuple[NDArray[np.int64], Vectors]]:
    parameters = Scope(repository=repository).parameters() | {"model": model_id}
    rows = connection.execute(
        VECTORS[space], parameters, execution_options={"yield_per": ROWS_AT_ONCE}
    )
    for part in rows.partitions():
        vectors = np.stack([row.vector.to_numpy() for row in part]).astype(np.float32)
        yield np.array([row.id for row in part], dtype=np.int64), vectors


def _ids(models: Mapping[str, tuple[int, int]]) -> set[int]:
    return {model_id for pair in models.values() for model_id in pair}


def _encoded(runtime: Runtime, model_id: int, texts: Iterable[str]) -> dict[str, Vectors]:
    encoder = runtime.encoder(model_id)
    return {text: encoder.encode_query(text) for text in texts}


def _found(
    connection: Connection,
    space: str,
    model_id: int,
    asked: Sequence[Question],
    encoded: Mapping[str, Vectors],
) -> int:
    """How many of the questions find a chunk that is wanted."""
    repository = attrgetter("repository")
    found = 0
    for name, group in groupby(sorted(asked, key=repository), key=repository):
        questions = list(group)
        queries = np.stack([encoded[question.query] for question in questions])
        best = nearest(connection, name, space, model_id, queries)
        found += sum(
            not question.wanted.isdisjoint(ids)
            for question, ids in zip(questions, best, strict=True)
        )
    return found
