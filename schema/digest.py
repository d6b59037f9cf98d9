"""What a snapshot holds, as figures, as a list of gaps, and as one digest.

The digest covers paths, content hashes, skip reasons, chunk ranges and hashes, symbols, references
and which vectors exist; never ids, times or the values of floats. Two complete indexes of the same
commit have the same digest, whatever happened while they were made.
"""

import hashlib
from typing import Any

from sqlalchemy import Connection, text

IN_SNAPSHOT = "IN (SELECT f.blob_id FROM snapshot_files f WHERE f.snapshot_id = :id)"

FILES = text("""
SELECT f.path, encode(b.sha256, 'hex') AS sha256, b.language, f.skip_reason
  FROM snapshot_files f LEFT JOIN blobs b ON b.id = f.blob_id
 WHERE f.snapshot_id = :id ORDER BY f.ordinal
""")

CHUNKS = text(f"""
SELECT encode(b.sha256, 'hex'), b.language, c.ordinal, c.kind, c.name, c.name_path, c.signature,
       c.docstring, c.start_line, c.end_line, c.start_byte, c.end_byte,
       encode(t.sha256, 'hex'), encode(k.sha256, 'hex'), md5(c.lexemes::text),
       EXISTS (SELECT 1 FROM embeddings e WHERE e.model_id = s.text_model_id
                  AND e.space = 'text' AND e.input_id = c.text_id),
       EXISTS (SELECT 1 FROM embeddings e WHERE e.model_id = s.code_model_id
                  AND e.space = 'code' AND e.input_id = c.code_id)
  FROM code_chunks c
  JOIN blobs b ON b.id = c.blob_id
  JOIN embedding_inputs t ON t.id = c.text_id
  JOIN embedding_inputs k ON k.id = c.code_id
 CROSS JOIN snapshots s
 WHERE s.id = :id AND c.blob_id {IN_SNAPSHOT} ORDER BY b.sha256, b.language, c.ordinal
""")

SYMBOLS = text(f"""
SELECT encode(b.sha256, 'hex'), b.language, y.ordinal, y.kind, y.name, y.name_path, y.signature,
       y.start_line, y.end_line, y.start_byte, y.end_byte
  FROM symbols y JOIN blobs b ON b.id = y.blob_id
 WHERE y.blob_id {IN_SNAPSHOT} ORDER BY b.sha256, b.language, y.ordinal
""")

REFERENCES = text(f"""
SELECT encode(b.sha256, 'hex'), b.language, u.ordinal, u.kind, u.name, u.qualifier, u.alias,
       u.scope, u.lines::text
  FROM symbol_references u JOIN blobs b ON b.id = u.blob_id
 WHERE u.blob_id {IN_SNAPSHOT} ORDER BY b.sha256, b.language, u.ordinal
""")

TOTALS = text(f"""
SELECT count(*) AS files, count(DISTINCT f.blob_id) AS blobs,
       (SELECT count(*) FROM symbols y WHERE y.blob_id {IN_SNAPSHOT}) AS symbols,
       (SELECT count(*) FROM symbol_references u WHERE u.blob_id {IN_SNAPSHOT}) AS "references"
  FROM snapshot_files f WHERE f.snapshot_id = :id AND f.blob_id IS NOT NULL
""")

OUTSTANDING = text("""
SELECT count(DISTINCT b.id) FROM snapshot_files f JOIN blobs b ON b.id = f.blob_id
 WHERE f.snapshot_id = :id AND b.state IN ('pending', 'parsed')
""")

# Files of which not everything is there: quarantined, chunks lost, or chunks without a vector.
GAPS = text("""
SELECT f.path, b.state, b.chunk_count, c.chunks, c.without_text, c.without_code
  FROM snapshots s
  JOIN snapshot_files f ON f.snapshot_id = s.id
  JOIN blobs b ON b.id = f.blob_id
 CROSS JOIN LATERAL (
    SELECT count(c.id) AS chunks, count(c.id) FILTER (WHERE t.input_id IS NULL) AS without_text,
           count(c.id) FILTER (WHERE k.input_id IS NULL) AS without_code
      FROM code_chunks c
      LEFT JOIN embeddings t ON t.model_id = s.text_model_id AND t.space = 'text'
                            AND t.input_id = c.text_id
      LEFT JOIN embeddings k ON k.model_id = s.code_model_id AND k.space = 'code'
                            AND k.input_id = c.code_id
     WHERE c.blob_id = b.id) c
 WHERE s.id = :id AND (b.state = 'quarantined' OR b.chunk_count <> c.chunks
                       OR c.without_text > 0 OR c.without_code > 0)
 ORDER BY f.ordinal
""")

DOUBLED = text(f"""
SELECT min(f.path) AS path, c.start_byte FROM code_chunks c
  JOIN snapshot_files f ON f.blob_id = c.blob_id AND f.snapshot_id = :id
 WHERE c.blob_id {IN_SNAPSHOT}
 GROUP BY c.blob_id, c.start_byte HAVING count(DISTINCT c.id) > 1 ORDER BY path, c.start_byte
""")


def manifest(connection: Connection, snapshot_id: int) -> dict[str, str]:
    """What is stored for each path: `sha256:language`, or `skipped: reason`."""
    return {
        row.path: f"skipped: {row.skip_reason}"
        if row.skip_reason
        else f"{row.sha256}:{row.language}"
        for row in connection.execute(FILES, {"id": snapshot_id})
    }


def digest(connection: Connection, snapshot_id: int) -> str:
    """SHA-256 over everything that the snapshot holds, in hexadecimal."""
    whole = hashlib.sha256()
    for part in (FILES, CHUNKS, SYMBOLS, REFERENCES):
        rows = connection.execution_options(yield_per=5_000).execute(part, {"id": snapshot_id})
        for row in rows:
            whole.update(repr(tuple(row)).encode())
        whole.update(b"\0")
    return whole.hexdigest()


def totals(connection: Connection, snapshot_id: int) -> dict[str, int]:
    """How many files, distinct contents, symbols and references the snapshot holds."""
    return dict(connection.execute(TOTALS, {"id": snapshot_id}).mappings().one())


def outstanding(connection: Connection, snapshot_id: int) -> int:
    """How many contents are still being worked on."""
    return int(connection.execute(OUTSTANDING, {"id": snapshot_id}).scalar_one())


def gaps(connection: Connection, snapshot_id: int) -> list[str]:
    """What is missing inside files, a line each."""
    return [_gap(row) for row in connection.execute(GAPS, {"id": snapshot_id})]


def doubled(connection: Connection, snapshot_id: int) -> list[str]:
    """Chunks that stand more than once, a line each."""
    rows = connection.execute(DOUBLED, {"id": snapshot_id})
    return [f"{row.path}: chunk at byte {row.start_byte}" for row in rows]


def _gap(row: Any) -> str:
    if row.state == "quarantined":
        return f"{row.path}: quarantined"
    if row.chunks != row.chunk_count:
        return f"{row.path}: {row.chunks} of {row.chunk_count} chunks"
    return f"{row.path}: {row.without_text} text and {row.without_code} code vectors"
