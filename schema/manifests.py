"""Writing a manifest: the paths of a snapshot, and the blobs that are new to the fleet.

Rows arrive in pieces, one fenced transaction each, so that work on the first files starts while the
rest is still being listed. Blobs are content: two repositories that list the same file at the same
time meet at the unique key and share one row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from config.errors import ConflictError
from schema.batches import BlobWork
from schema.copying import stage
from schema.tsvector import TsVector


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """One path: its content (`sha256`, `language`, `source`) or the reason it was skipped.

    `seconds` is what reading the content took.
    """

    path: str
    mode: int
    size: int
    skip_reason: str | None
    sha256: bytes | None = None
    language: str | None = None
    source: str | None = None
    secrets: int = 0
    seconds: float = 0.0
    path_lexemes: TsVector | None = None


STAGED = (
    ("ordinal", "int8"),
    ("path", "text"),
    ("mode", "int8"),
    ("size", "int8"),
    ("skip_reason", "text"),
    ("sha256", "bytea"),
    ("language", "text"),
    ("source", "text"),
    ("secrets", "int4"),
    ("seconds", "float8"),
    ("path_lexemes", "tsvector"),
)

# The key-share lock keeps the collector from deleting a known blob before it is named.
KNOWN = text("""
SELECT sha256, language FROM blobs
 WHERE parser_version = :version AND sha256 = ANY(:digests) ORDER BY id FOR KEY SHARE
""")

# Ordered by key, so that two listings lock in the same order and cannot deadlock.
INSERT_BLOBS = text("""
INSERT INTO blobs (sha256, language, parser_version, size, secrets, spent_seconds)
SELECT DISTINCT ON (sha256, language) sha256, language, :version, size, secrets, seconds
  FROM staged_files WHERE source IS NOT NULL ORDER BY sha256, language
ON CONFLICT DO NOTHING RETURNING id, size
""")

INSERT_SOURCES = text("""
INSERT INTO blob_sources (blob_id, source)
SELECT DISTINCT ON (b.id) b.id, s.source
  FROM staged_files s
  JOIN blobs b USING (sha256, language)
 WHERE b.id = ANY(:ids) AND b.parser_version = :version ORDER BY b.id
""")

INSERT_FILES = text("""
INSERT INTO snapshot_files
       (snapshot_id, ordinal, path, mode, size, blob_id, skip_reason, path_lexemes)
SELECT :snapshot_id, s.ordinal, s.path, s.mode, s.size, b.id, s.skip_reason, s.path_lexemes
  FROM staged_files s
  LEFT JOIN blobs b ON b.sha256 = s.sha256 AND b.language = s.language
                   AND b.parser_version = :version AND s.skip_reason IS NULL
 WHERE s.skip_reason IS NOT NULL OR b.id IS NOT NULL
""")


def write_files(
    connection: Connection,
    snapshot_id: int,
    first_ordinal: int,
    files: Sequence[ManifestFile],
    parser_version: int,
) -> list[BlobWork]:
    """Adds `files` to the manifest, numbered from `first_ordinal`; returns the blobs that are new.

    Raises:
        ConflictError: a known blob was collected meanwhile; write again.
    """
    known = known_blobs(connection, files, parser_version)
    stage(
        connection,
        "staged_files",
        STAGED,
        (
            _row(ordinal, file, send_source=(file.sha256, file.language) not in known)
            for ordinal, file in enumerate(files, first_ordinal)
        ),
    )
    version = {"version": parser_version}
    rows = connection.execute(INSERT_BLOBS, version)
    new = [BlobWork(row.id, row.size) for row in rows]
    connection.execute(INSERT_SOURCES, version | {"ids": [blob.id for blob in new]})
    inserted = connection.execute(INSERT_FILES, version | {"snapshot_id": snapshot_id})
    if inserted.rowcount != len(files):
        raise ConflictError("a blob was collected while its file was being listed")
    return new


def known_blobs(
    connection: Connection, files: Sequence[ManifestFile], parser_version: int
) -> set[tuple[bytes | None, str | None]]:
    """The (sha256, language) of those `files` whose content is stored already."""
    digests = [file.sha256 for file in files if file.skip_reason is None]
    rows = connection.execute(KNOWN, {"version": parser_version, "digests": digests})
    return {(bytes(row.sha256), row.language) for row in rows}


def _row(ordinal: int, file: ManifestFile, *, send_source: bool) -> tuple[object, ...]:
    source = file.source if send_source and file.skip_reason is None else None
    return (
        ordinal,
        file.path,
        file.mode,
        file.size,
        file.skip_reason,
        file.sha256,
        file.language,
        source,
        file.secrets,
        file.seconds,
        file.path_lexemes,
    )
