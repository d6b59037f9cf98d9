"""The dense arms: nearest vectors in the text space and in the code space.

Exact below a size, because a scan of one repository's vectors is quick and loses nothing; above it
by HNSW with iterative scans, which go on until enough hits pass the filters.
"""

from dataclasses import dataclass

from pgvector import HalfVector
from sqlalchemy import Connection, TextClause, text

from config.settings import Settings
from schema import vector_index
from search.scope import FILES, Scope
from tasks.embed.vectors import Vectors

EF_SEARCH = 100  # recall@10 of 0.98 and more against exact search in published figures


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A chunk with its cosine distance, 0 (same direction) to 2."""

    chunk_id: int
    distance: float


SPACE_INPUT = {"text": "c.text_id", "code": "c.code_id"}

EXACT = {
    space: text(f"""
WITH {FILES}
SELECT c.id, min(e.vector <=> cast(:query AS halfvec)) AS distance
  FROM (SELECT DISTINCT blob_id FROM files) b
  JOIN code_chunks c ON c.blob_id = b.blob_id
  JOIN embeddings e ON e.model_id = :model AND e.space = '{space}' AND e.input_id = {column}
 GROUP BY c.id ORDER BY distance, c.id LIMIT :limit
""")
    for space, column in SPACE_INPUT.items()
}


def search_dense(
    connection: Connection,
    settings: Settings,
    scope: Scope,
    *,
    space: str,
    model_id: int,
    query: Vectors,
    chunks: int,
    limit: int,
) -> list[Neighbour]:
    """The nearest chunks of one space, nearest first.

    Args:
        connection: in a transaction.
        settings: gives the size up to which the search is exact.
        scope: what may be seen.
        space: text or code.
        model_id: the model whose vectors are compared.
        query: the query's vector, shape (dimensions,).
        chunks: how many chunks are in scope.
        limit: neighbours at the most.
    """
    parameters = scope.parameters() | {
        "query": HalfVector(query).to_text(),
        "model": model_id,
        "limit": limit,
    }
    exact = chunks <= settings.exact_search_chunks
    if exact or not vector_index.has_index(connection, model_id, space):
        rows = connection.execute(EXACT[space], parameters)
    else:
        connection.execute(text(f"SET LOCAL hnsw.ef_search = {EF_SEARCH}"))
        connection.execute(text("SET LOCAL hnsw.iterative_scan = 'relaxed_order'"))
        rows = connection.execute(_indexed(model_id, space, len(query)), parameters)
    return [Neighbour(row.id, float(row.distance)) for row in rows]


def _indexed(model_id: int, space: str, width: int) -> TextClause:
    """The same by the index; its expression and predicate must be spelled as it was built."""
    return text(f"""
WITH {FILES},
near AS MATERIALIZED (
    SELECT e.input_id, (e.vector::halfvec({width})) <=> cast(:query AS halfvec({width})) AS distance
      FROM embeddings e
     WHERE e.model_id = {int(model_id)} AND e.space = '{space}'
       AND EXISTS (SELECT 1 FROM code_chunks c JOIN files USING (blob_id)
                    WHERE {SPACE_INPUT[space]} = e.input_id)
     ORDER BY distance LIMIT :limit)
SELECT c.id, n.distance
  FROM near n
  JOIN code_chunks c ON {SPACE_INPUT[space]} = n.input_id
 WHERE EXISTS (SELECT 1 FROM files WHERE files.blob_id = c.blob_id) AND :model = {int(model_id)}
 ORDER BY n.distance + 0, c.id LIMIT :limit
""")
