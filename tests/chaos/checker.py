"""What must hold at every instant, and what must hold at the end: read from the database alone.

Modelled on Jepsen's `total-queue` checker: what went in is compared with what came out; lost and
unexpected must both be empty. Each reading is one REPEATABLE READ transaction, so it sees what any
search could see.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection, text

from config.errors import DatabaseUnavailableError
from schema import digest
from schema.database import Database

# A run that was cancelled leaves files behind, a repository that was removed even without a batch.
ABANDONED = "(w.id IS NULL OR coalesce(w.error_class, '') = 'RunCancelledError')"
# Each statement finds violations; its first column says where.
ALWAYS = {
    "a file is there in part": """
SELECT format('blob %s is %s with %s of %s chunks', b.id, b.state, count(c.id), b.chunk_count)
  FROM blobs b LEFT JOIN code_chunks c ON c.blob_id = b.id
 GROUP BY b.id
HAVING count(c.id) <> CASE WHEN b.state IN ('parsed', 'sealed') THEN b.chunk_count ELSE 0 END
    OR coalesce(max(c.ordinal) + 1, 0) <> count(c.id)""",
    "symbols of a file that is not parsed": """
SELECT format('blob %s', b.id) FROM blobs b WHERE b.state = 'pending'
   AND (EXISTS (SELECT 1 FROM symbols y WHERE y.blob_id = b.id)
        OR EXISTS (SELECT 1 FROM symbol_references u WHERE u.blob_id = b.id))""",
    "a chunk is there twice": """
SELECT format('blob %s, chunk %s', blob_id, ordinal) FROM code_chunks
 GROUP BY blob_id, ordinal HAVING count(*) > 1
 UNION ALL
SELECT format('blob %s, bytes %s-%s', blob_id, start_byte, end_byte) FROM code_chunks
 GROUP BY blob_id, start_byte, end_byte HAVING count(*) > 1""",
    "a vector is there twice": """
SELECT format('input %s', input_id) FROM embeddings
 GROUP BY model_id, space, input_id HAVING count(*) > 1""",
    "a content is there twice": """
SELECT encode(sha256, 'hex') FROM blobs
 GROUP BY sha256, language, parser_version HAVING count(*) > 1""",
    "a path is there twice": """
SELECT format('snapshot %s, %s', snapshot_id, path) FROM snapshot_files
 GROUP BY snapshot_id, path HAVING count(*) > 1""",
    "a manifest has a hole": """
SELECT format('snapshot %s', snapshot_id) FROM snapshot_files
 GROUP BY snapshot_id HAVING max(ordinal) + 1 <> count(*)""",
    "a lease makes no sense": """
SELECT format('batch %s is %s, attempt %s, until %s', id, state, attempt, lease_until)
  FROM batches WHERE (state = 'leased') <> (lease_token IS NOT NULL AND lease_until IS NOT NULL)
   OR (state = 'leased' AND (attempt < 1 OR lease_until > now() + interval '61 s'))""",
    "a lease is held twice": """
SELECT lease_token::text FROM batches WHERE lease_token IS NOT NULL
 GROUP BY lease_token HAVING count(*) > 1""",
    "half a manifest replaced a whole one": """
SELECT format('ref %s of repository %s', r.name, r.repository_id)
  FROM refs r JOIN snapshots s ON s.id = r.live_snapshot_id
 WHERE s.state IN ('listing', 'building') AND EXISTS (
    SELECT 1 FROM snapshots older WHERE older.repository_id = s.repository_id
       AND older.ref = s.ref AND older.id < s.id AND older.state IN ('lexical', 'complete'))""",
    "a ref has two live snapshots": """
SELECT format('ref %s of repository %s', name, repository_id) FROM refs
 GROUP BY repository_id, name HAVING count(DISTINCT live_snapshot_id) > 1""",
    "a snapshot is called searchable too early": """
SELECT DISTINCT format('snapshot %s is %s, blob %s is %s', s.id, s.state, b.id, b.state)
  FROM snapshots s JOIN snapshot_files f ON f.snapshot_id = s.id JOIN blobs b ON b.id = f.blob_id
 WHERE (s.state IN ('lexical', 'complete') AND b.state = 'pending')
    OR (s.state = 'complete' AND b.state = 'parsed')""",
    "a live snapshot is not of the live models": """
SELECT format('snapshot %s: %s and %s', s.id, s.text_model_id, s.code_model_id)
  FROM refs r JOIN snapshots s ON s.id = r.live_snapshot_id
 WHERE s.text_model_id <> (SELECT live_model_id FROM model_roles WHERE space = 'text')
    OR s.code_model_id <> (SELECT live_model_id FROM model_roles WHERE space = 'code')""",
    "a file that nobody works on": f"""
SELECT format('blob %s is %s, its batch is %s', b.id, b.state, coalesce(w.state, 'none'))
  FROM blobs b LEFT JOIN batches w ON w.id = b.batch_id
 WHERE b.state IN ('pending', 'parsed')
   AND coalesce(w.state, 'none') IN ('none', 'done', 'failed')
   AND (NOT {ABANDONED} OR EXISTS (
        SELECT 1 FROM snapshot_files f JOIN snapshots s ON s.id = f.snapshot_id
          JOIN index_runs r ON r.snapshot_id = s.id
         WHERE f.blob_id = b.id AND r.state = 'indexing' AND s.state <> 'listing'))""",
    "a batch of a cancelled run goes on": """
SELECT format('batch %s is %s', b.id, b.state)
  FROM batches b JOIN index_runs r ON r.id = b.run_id
 WHERE r.state = 'cancelled' AND b.state IN ('pending', 'leased')""",
    "a manifest that nobody writes": """
SELECT format('snapshot %s', s.id) FROM snapshots s WHERE s.state = 'listing' AND NOT EXISTS (
    SELECT 1 FROM index_runs r WHERE r.snapshot_id = s.id AND r.state = 'indexing')""",
    "a chunk has neither vector nor failure": """
SELECT format('blob %s, chunk %s, %s', b.id, c.ordinal, want.space)
  FROM snapshots s JOIN snapshot_files f ON f.snapshot_id = s.id
  JOIN blobs b ON b.id = f.blob_id AND b.state = 'sealed' JOIN code_chunks c ON c.blob_id = b.id
 CROSS JOIN LATERAL (VALUES ('text', s.text_model_id, c.text_id),
                            ('code', s.code_model_id, c.code_id)) want (space, model_id, input_id)
 WHERE s.state = 'complete'
   AND NOT EXISTS (SELECT 1 FROM embeddings e WHERE e.model_id = want.model_id
                      AND e.space = want.space AND e.input_id = want.input_id)
   AND NOT EXISTS (SELECT 1 FROM failed_embeddings x WHERE x.chunk_id = c.id
                      AND x.model_id = want.model_id AND x.space = want.space)""",
}

AT_THE_END = {
    "a run has not ended": """
SELECT format('run %s is %s', id, state) FROM index_runs WHERE state IN ('pending', 'indexing')""",
    "a batch has not ended": """
SELECT format('batch %s is %s at %s', id, state, stage) FROM batches
 WHERE state IN ('pending', 'leased')""",
    "a file has not ended": f"""
SELECT format('blob %s is %s', b.id, b.state) FROM blobs b LEFT JOIN batches w ON w.id = b.batch_id
 WHERE b.state IN ('pending', 'parsed') AND (NOT {ABANDONED} OR EXISTS (
        SELECT 1 FROM snapshot_files f JOIN refs r ON r.live_snapshot_id = f.snapshot_id
         WHERE f.blob_id = b.id))""",
    "a file was quarantined": """
SELECT format('blob %s: %s', id, last_error) FROM blobs WHERE state = 'quarantined'""",
    "an embedding failed": """
SELECT format('chunk %s is %s: %s', chunk_id, state, last_error) FROM failed_embeddings""",
    "a live snapshot is not complete": """
SELECT format('snapshot %s is %s', s.id, s.state)
  FROM refs r JOIN snapshots s ON s.id = r.live_snapshot_id WHERE s.state <> 'complete'""",
}
LIVE = text("""
SELECT r.live_snapshot_id FROM refs r JOIN repositories p ON p.id = r.repository_id
 WHERE p.name = :name AND r.name = p.default_ref
""")
FIRST = 3  # violations of a kind that are told


def violations(database: Database) -> list[str]:
    """What is wrong at this instant; empty when all is well."""
    with database.reading() as connection:
        return _found(connection, ALWAYS)


def unfinished(database: Database) -> list[str]:
    """What is wrong now that everything should have ended; empty when all is well."""
    with database.reading() as connection:
        return _found(connection, ALWAYS | AT_THE_END)


def digest_of(database: Database, repository: str) -> str:
    """The digest of a repository's live snapshot."""
    with database.reading() as connection:
        snapshot_id = connection.execute(LIVE, {"name": repository}).scalar_one()
        return digest.digest(connection, snapshot_id)


def _found(connection: Connection, statements: dict[str, str]) -> list[str]:
    return [
        f"{what}: {row[0]}"
        for what, statement in statements.items()
        for row in connection.execute(text(f"SELECT * FROM ({statement}) v LIMIT {FIRST}"))
    ]


@dataclass(slots=True)
class Watch:
    """What a checker saw while the work went on."""

    readings: int = 0
    found: list[str] = field(default_factory=list)


@contextmanager
def watching(database: Database, pause: float = 0.05) -> Iterator[Watch]:
    """Checks again and again, beside what happens in the block; an outage is waited out."""
    watch, stop = Watch(), threading.Event()

    def run() -> None:
        while not stop.wait(pause) and not watch.found:
            try:
                watch.found = violations(database)
            except DatabaseUnavailableError:
                continue  # a fault of the test: nobody can read anything now
            watch.readings += 1

    thread = threading.Thread(target=run, name="checker")
    thread.start()
    try:
        yield watch
    finally:
        stop.set()
        thread.join()
