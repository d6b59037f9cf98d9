"""Vectors of chunks: which are missing, storing those that were made, recording the rest.

Apart from `index.py`, because vectors belong to content and models, not to blobs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pgvector import HalfVector
from sqlalchemy import Connection, text

from config import failpoints
from schema.copying import stage


@dataclass(frozen=True, slots=True)
class MissingVector:
    """A chunk without a vector in one space, and what its embed input is made of."""

    chunk_id: int
    blob_id: int
    language: str
    space: str
    model_id: int
    input_id: int
    kind: str
    name_path: str
    signature: str
    docstring: str
    start_byte: int
    end_byte: int


VECTOR_COLUMNS = (("input_id", "int8"), ("vector", "halfvec"))


# What a batch's chunks want and lack: a vector per space, by the models that the run's snapshot has
# now, or by the run's own one, in the spaces that it is the candidate of by now.
MISSING = """
WITH wanted AS (
    SELECT c.id AS chunk_id, b.language, want.*
      FROM batches w
      JOIN index_runs r ON r.id = w.run_id
      JOIN snapshots s ON s.id = r.snapshot_id
      JOIN blobs b ON b.batch_id = w.id AND b.state = 'parsed'
      JOIN code_chunks c ON c.blob_id = b.id
     CROSS JOIN LATERAL (VALUES ('text', s.text_model_id, c.text_id),
                                ('code', s.code_model_id, c.code_id))
           want (space, model_id, input_id)
     WHERE w.id = :batch_id AND w.blob_ids IS NULL
     UNION ALL
    SELECT c.id, b.language, m.space, m.candidate_model_id,
           CASE m.space WHEN 'text' THEN c.text_id ELSE c.code_id END
      FROM batches w
      JOIN index_runs r ON r.id = w.run_id
      JOIN model_roles m ON m.candidate_model_id = r.model_id
     CROSS JOIN LATERAL unnest(w.blob_ids) named (blob_id)
      JOIN blobs b ON b.id = named.blob_id AND b.state IN ('parsed', 'sealed')
      JOIN code_chunks c ON c.blob_id = b.id
     WHERE w.id = :batch_id),
missing AS (
    SELECT wanted.* FROM wanted
      LEFT JOIN embeddings e ON e.model_id = wanted.model_id AND e.space = wanted.space
                            AND e.input_id = wanted.input_id
     WHERE e.input_id IS NULL)
"""

MISSING_VECTORS = text(f"""{MISSING}
SELECT m.chunk_id, c.blob_id, m.language, m.space, m.model_id, m.input_id, c.kind, c.name_path,
       c.signature, c.docstring, c.start_byte, c.end_byte
  FROM missing m JOIN code_chunks c ON c.id = m.chunk_id ORDER BY m.chunk_id
""")

INSERT_VECTORS = text("""
INSERT INTO embeddings (model_id, space, input_id, vector)
SELECT :model_id, :space, input_id, vector FROM staged_vectors ORDER BY input_id
ON CONFLICT DO NOTHING
""")

RECORD_FAILURES = text(f"""{MISSING}
INSERT INTO failed_embeddings (chunk_id, model_id, space, error_class, last_error)
SELECT m.chunk_id, m.model_id, m.space, :error_class, coalesce(
         (SELECT k.message FROM unnest(cast(:ids AS bigint[]), cast(:messages AS text[]))
                                AS k (input_id, message) WHERE k.input_id = m.input_id),
         :message)
  FROM missing m WHERE cast(:models AS bigint[]) IS NULL OR m.model_id = ANY(:models)
 ORDER BY m.chunk_id, m.space
ON CONFLICT (chunk_id, model_id, space) DO NOTHING
""")


def missing_vectors(connection: Connection, batch_id: int) -> list[MissingVector]:
    """What the parsed chunks of a batch still need embedded."""
    rows = connection.execute(MISSING_VECTORS, {"batch_id": batch_id})
    return [MissingVector(*row) for row in rows]


def sources_of(connection: Connection, blob_ids: Iterable[int]) -> dict[int, bytes]:
    """The UTF-8 sources of blobs, by id; chunk ranges are offsets into them."""
    rows = connection.execute(
        text("SELECT blob_id, source FROM blob_sources WHERE blob_id = ANY(:ids)"),
        {"ids": sorted(set(blob_ids))},
    )
    return {row.blob_id: row.source.encode() for row in rows}


def store_vectors(
    connection: Connection, model_id: int, space: str, vectors: Sequence[tuple[int, HalfVector]]
) -> None:
    """Adds vectors by input id. Those that exist already stay as they are: same key, same value."""
    stage(connection, "staged_vectors", VECTOR_COLUMNS, vectors)
    connection.execute(INSERT_VECTORS, {"model_id": model_id, "space": space})
    connection.execute(text("DELETE FROM staged_vectors"))
    failpoints.reach("store_vectors")


def record_failures(
    connection: Connection,
    batch_id: int,
    error: BaseException,
    known: Mapping[int, str] | None = None,
    models: Iterable[int] | None = None,
) -> int:
    """Puts every chunk of the batch that has no vector on the list of failed embeddings.

    Args:
        connection: in a transaction that holds the batch.
        batch_id: the batch.
        error: why.
        known: messages of inputs that failed for a reason of their own, by input id.
        models: those that were tried; None: all that the batch wants by now.
    """
    known = known or {}
    parameters = {
        "batch_id": batch_id,
        "error_class": type(error).__name__,
        "message": str(error),
        "ids": list(known),
        "messages": list(known.values()),
        "models": None if models is None else list(models),
    }
    return connection.execute(RECORD_FAILURES, parameters).rowcount
