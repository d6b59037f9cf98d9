"""The dense arms: nearest vectors in the text space and in the code space.

Exact below a size, because a scan of one repository's vectors is quick and loses nothing; above it
by HNSW with iterative scans, which go on until enough hits pass the filters.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pgvector import HalfVector
from sqlalchemy import Connection, TextClause, text

from config.settings import Settings
from schema import vector_index
from search.scope import BLOBS, LIVE, Scope, seen
from tasks.embed.vectors import Vectors

EF_SEARCH = 150  # docs/benchmarks.md


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A chunk with its cosine distance, 0 (same direction) to 2."""

    chunk_id: int
    distance: float


SPACE_INPUT = {"text": "c.text_id", "code": "c.code_id"}

EXACT = {
    space: text(f"""
WITH {LIVE}
SELECT c.id, e.vector <=> cast(:query AS halfvec) AS distance
  FROM ({BLOBS}) b
  JOIN code_chunks c USING (blob_id)
  JOIN embeddings e ON e.model_id = :model AND e.space = '{space}' AND e.input_id = {column}
 ORDER BY distance, c.id LIMIT :limit
""")
    for space, column in SPACE_INPUT.items()
}


def usable_indexes(connection: Connection, settings: Settings, chunks: int) -> frozenset[str]:
    """The vector indexes to search by: none where the search is exact.

    Args:
        connection: in a transaction.
        settings: gives the size up to which the search is exact.
        chunks: how many chunks are in scope.
    """
    if chunks <= settings.exact_search_chunks:
        return frozenset()
    return vector_index.prepare_scans(connection, EF_SEARCH)


def search_dense(
    connection: Connection,
    scope: Scope,
    *,
    space: str,
    model_id: int,
    query: Vectors,
    indexes: Collection[str],
    limit: int,
) -> list[Neighbour]:
    """The nearest chunks of one space, nearest first.

    Args:
        connection: in a transaction.
        scope: what may be seen.
        space: text or code.
        model_id: the model whose vectors are compared.
        query: the query's vector, shape (dimensions,).
        indexes: as of `usable_indexes` in the same transaction.
        limit: neighbours at the most.
    """
    parameters = scope.parameters() | {
        "query": HalfVector(query),
        "model": model_id,
        "limit": limit,
    }
    if vector_index.index_name(model_id, space) not in indexes:
        return _neighbours(connection.execute(EXACT[space], parameters))
    width = len(query)
    if scope.whole:  # then nearly every vector is visible: look first, ask afterwards
        near = connection.execute(_nearest(model_id, space, width), parameters)
        found = _neighbours(near)
        if len(found) == limit:
            return found
    return _neighbours(connection.execute(_nearest_visible(model_id, space, width), parameters))


def _neighbours(rows: Iterable[Any]) -> list[Neighbour]:
    return [Neighbour(row.id, float(row.distance)) for row in rows]


def _nearest(model_id: int, space: str, width: int) -> TextClause:
    """By the index; its expression and predicate must be spelled as it was built."""
    return _by_index(model_id, space, width, "true")


def _nearest_visible(model_id: int, space: str, width: int) -> TextClause:
    """The same among what is in scope: the scan goes on until there are enough."""
    chunk = f"SELECT 1 FROM code_chunks c, LATERAL {seen('c.blob_id')}"
    condition = f"EXISTS ({chunk} WHERE {SPACE_INPUT[space]} = e.input_id)"
    return _by_index(model_id, space, width, condition)


@lru_cache(maxsize=64)
def _by_index(model_id: int, space: str, width: int, condition: str) -> TextClause:
    # `distance + 0` keeps PostgreSQL from trusting the relaxed order of the scan
    return text(f"""
WITH {LIVE},
near AS MATERIALIZED (
    SELECT e.input_id, (e.vector::halfvec({width})) <=> cast(:query AS halfvec({width})) AS distance
      FROM embeddings e
     WHERE e.model_id = {int(model_id)} AND e.space = '{space}' AND {condition}
     ORDER BY distance LIMIT :limit)
SELECT c.id, n.distance
  FROM near n
  JOIN code_chunks c ON {SPACE_INPUT[space]} = n.input_id, LATERAL {seen("c.blob_id")}
 WHERE :model = {int(model_id)}
 ORDER BY n.distance + 0, c.id LIMIT :limit
""")
