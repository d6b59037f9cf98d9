"""Writing the index: parsed blobs, vectors, and the seal that ends a blob's way.

Every function here runs inside a transaction whose batch is held (`ledger.hold`), so a reader sees
all of a blob's chunks and symbols or none of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, text

from config import failpoints
from config.errors import ConflictError, StaleReadError
from schema.copying import load, stage
from schema.tsvector import TsVector


class ChunkRow(NamedTuple):
    """A chunk in column order; `text_sha` and `code_sha` digest its two embed inputs."""

    blob_id: int
    ordinal: int
    kind: str
    name: str | None
    name_path: str
    signature: str
    docstring: str
    start_line: int
    end_line: int
    start_byte: int
    end_byte: int
    text_sha: bytes
    code_sha: bytes
    lexemes: TsVector
    length: int


class SymbolRow(NamedTuple):
    """A definition in column order."""

    blob_id: int
    ordinal: int
    kind: str
    name: str
    name_path: str
    signature: str
    start_line: int
    end_line: int
    start_byte: int
    end_byte: int


class ReferenceRow(NamedTuple):
    """A use of a name in column order."""

    blob_id: int
    ordinal: int
    kind: str
    name: str
    qualifier: str
    alias: str
    scope: str
    lines: list[int]


@dataclass(frozen=True, slots=True)
class ParsedBlob:
    """Everything that parsing one blob gave, and how long it took."""

    blob_id: int
    has_errors: bool
    chunks: Sequence[ChunkRow]
    symbols: Sequence[SymbolRow]
    references: Sequence[ReferenceRow]
    seconds: float


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a blob that is to be parsed, and what was spent on it so far."""

    blob_id: int
    language: str
    text: str
    spent_seconds: float


CHUNK_COLUMNS = (
    ("blob_id", "int8"),
    ("ordinal", "int4"),
    ("kind", "text"),
    ("name", "text"),
    ("name_path", "text"),
    ("signature", "text"),
    ("docstring", "text"),
    ("start_line", "int4"),
    ("end_line", "int4"),
    ("start_byte", "int4"),
    ("end_byte", "int4"),
    ("text_sha", "bytea"),
    ("code_sha", "bytea"),
    ("lexemes", "tsvector"),
    ("length", "int4"),
)
SYMBOL_COLUMNS = (
    ("blob_id", "int8"),
    ("ordinal", "int4"),
    ("kind", "text"),
    ("name", "text"),
    ("name_path", "text"),
    ("signature", "text"),
    ("start_line", "int4"),
    ("end_line", "int4"),
    ("start_byte", "int4"),
    ("end_byte", "int4"),
)
REFERENCE_COLUMNS = (
    ("blob_id", "int8"),
    ("ordinal", "int4"),
    ("kind", "text"),
    ("name", "text"),
    ("qualifier", "text"),
    ("alias", "text"),
    ("scope", "text"),
    ("lines", "int4[]"),
)
PENDING_SOURCES = text("""
SELECT b.id AS blob_id, b.language, s.source AS text, b.spent_seconds
  FROM blobs b JOIN blob_sources s ON s.blob_id = b.id
 WHERE b.batch_id = :batch_id AND b.state = 'pending' ORDER BY b.id
""")

MARK_PARSED = text("""
UPDATE blobs b SET state = 'parsed', parsed_at = now(), error_class = NULL, last_error = NULL,
       chunk_count = p.chunks, has_errors = p.has_errors,
       spent_seconds = b.spent_seconds + p.seconds
  FROM unnest(cast(:ids AS bigint[]), cast(:chunks AS int[]), cast(:errors AS boolean[]),
              cast(:seconds AS float[])) AS p (id, chunks, has_errors, seconds)
 WHERE b.id = p.id AND b.state = 'pending'
""")

# Ordered, so that two batches that share inputs lock them in the same order.
INSERT_INPUTS = text("""
INSERT INTO embedding_inputs (sha256)
SELECT sha FROM (SELECT text_sha AS sha FROM staged_chunks
                 UNION SELECT code_sha FROM staged_chunks) inputs ORDER BY sha
ON CONFLICT DO NOTHING
""")

INSERT_CHUNKS = text("""
INSERT INTO code_chunks (blob_id, ordinal, kind, name, name_path, signature, docstring,
       start_line, end_line, start_byte, end_byte, text_id, code_id, lexemes, length)
SELECT s.blob_id, s.ordinal, s.kind, s.name, s.name_path, s.signature, s.docstring,
       s.start_line, s.end_line, s.start_byte, s.end_byte, t.id, k.id, s.lexemes, s.length
  FROM staged_chunks s
  JOIN embedding_inputs t ON t.sha256 = s.text_sha
  JOIN embedding_inputs k ON k.sha256 = s.code_sha
 ORDER BY s.blob_id, s.ordinal
""")

SEAL = text("""
UPDATE blobs SET state = 'sealed', sealed_at = now() WHERE batch_id = :batch_id AND state = 'parsed'
""")


def pending_sources(connection: Connection, batch_id: int) -> list[Source]:
    """The blobs of a batch that are still to be parsed, with their text."""
    rows = connection.execute(PENDING_SOURCES, {"batch_id": batch_id})
    return [Source(*row) for row in rows]


def store_parsed(connection: Connection, blobs: Sequence[ParsedBlob]) -> None:
    """Writes chunks, symbols and references, and marks the blobs as parsed.

    Raises:
        StaleReadError: a blob is no longer pending.
        ConflictError: an input was collected meanwhile; write again.
    """
    marked = connection.execute(
        MARK_PARSED,
        {
            "ids": [blob.blob_id for blob in blobs],
            "chunks": [len(blob.chunks) for blob in blobs],
            "errors": [blob.has_errors for blob in blobs],
            "seconds": [blob.seconds for blob in blobs],
        },
    )
    if marked.rowcount != len(blobs):
        raise StaleReadError("a blob of this batch was parsed or collected by somebody else")
    failpoints.reach("store_parsed")
    stage(connection, "staged_chunks", CHUNK_COLUMNS, (row for b in blobs for row in b.chunks))
    connection.execute(INSERT_INPUTS)
    inserted = connection.execute(INSERT_CHUNKS).rowcount
    if inserted != sum(len(blob.chunks) for blob in blobs):
        raise ConflictError("an embed input was collected while its chunk was being written")
    load(connection, "symbols", SYMBOL_COLUMNS, (row for b in blobs for row in b.symbols))
    load(
        connection,
        "symbol_references",
        REFERENCE_COLUMNS,
        (row for b in blobs for row in b.references),
    )


def seal(connection: Connection, batch_id: int) -> int:
    """Ends the way of the batch's blobs; returns how many."""
    sealed = connection.execute(SEAL, {"batch_id": batch_id}).rowcount
    failpoints.reach("seal")
    return sealed
