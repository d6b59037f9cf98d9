"""Everything that failed, as one list: embeddings, quarantined files, runs. Reads only.

Filters are SQL over all that matches, so counting, listing and changing see the same things.
"""

from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from config.errors import BadInputError
from config.scrub import scrub
from config.signature import signature

# Content fails once, however many files hold it; its places are those of manifests that are live
# or newer than the live one. A failed run counts until a later one of its ref is asked for,
# unless that was cancelled.
FOUND = """
WITH found AS (
    SELECT 'embed-' || x.id AS id, 'embed' AS stage, x.state, x.error_class,
           x.last_error AS message, x.retry_count::int AS attempts, x.next_attempt_at, b.language,
           c.start_line, c.end_line, x.space, x.created_at, x.updated_at AS failed_at,
           c.blob_id, NULL::bigint AS repository_id, c.name_path, x.id AS key, NULL::uuid AS run_id
      FROM failed_embeddings x
      JOIN code_chunks c ON c.id = x.chunk_id JOIN blobs b ON b.id = c.blob_id
     UNION ALL
    SELECT 'parse-' || b.id, 'parse',
           CASE WHEN b.discarded_at IS NULL THEN 'quarantined' ELSE 'discarded' END,
           b.error_class, b.last_error, b.attempts, NULL, b.language, NULL, NULL, NULL,
           b.created_at, coalesce(b.quarantined_at, b.created_at), b.id, NULL, NULL, b.id, NULL
      FROM blobs b WHERE b.state = 'quarantined'
     UNION ALL
    SELECT 'run-' || n.id, 'discover',
           CASE WHEN n.discarded_at IS NULL THEN n.state ELSE 'discarded' END,
           n.error_class, n.last_error, NULL, NULL, NULL, NULL, NULL, NULL, n.requested_at,
           coalesce(n.finished_at, n.requested_at), NULL, n.repository_id, NULL, NULL, n.id
      FROM index_runs n
     WHERE n.state = 'failed'
       AND NOT EXISTS (SELECT 1 FROM index_runs later
                        WHERE later.repository_id = n.repository_id
                          AND later.ref IS NOT DISTINCT FROM n.ref
                          AND later.state <> 'cancelled' AND later.model_id IS NULL
                          AND later.requested_at > n.requested_at)),
matched AS (
    SELECT found.*, place.repository, place.path
      FROM found JOIN LATERAL (
        SELECT p.name AS repository, f.path, s.id AS snapshot_id
          FROM snapshot_files f JOIN snapshots s ON s.id = f.snapshot_id
          JOIN refs r ON r.repository_id = s.repository_id AND r.name = s.ref
                     AND s.id >= r.live_snapshot_id
          JOIN repositories p ON p.id = s.repository_id
         WHERE f.blob_id = found.blob_id
           AND (cast(:repo AS text) IS NULL OR p.name = :repo)
           AND (cast(:path AS text) IS NULL OR f.path LIKE :path
                OR '/' || f.path LIKE '%/' || :path)
         UNION ALL
        SELECT p.name, NULL, NULL FROM repositories p
         WHERE p.id = found.repository_id AND cast(:path AS text) IS NULL
           AND (cast(:repo AS text) IS NULL OR p.name = :repo)
         ORDER BY repository, snapshot_id, path LIMIT 1) place ON true
     WHERE (cast(:id AS text) IS NULL OR found.id = :id)
       AND (cast(:stage AS text) IS NULL OR found.stage = :stage)
       AND found.state = coalesce(cast(:state AS text), nullif(found.state, 'discarded'))
       AND (cast(:error_class AS text) IS NULL OR found.error_class = :error_class)
       AND (cast(:lang AS text) IS NULL OR found.language = :lang)
       AND (cast(:since AS timestamptz) IS NULL OR found.failed_at >= :since)
       AND (cast(:until AS timestamptz) IS NULL OR found.failed_at <= :until)
       AND (cast(:text AS text) IS NULL OR strpos(lower(found.message), lower(:text)) > 0))
"""

LIST = text(f"""{FOUND}
SELECT id, stage, state, error_class, message, attempts, next_attempt_at, repository, path,
       language, start_line, end_line, space, created_at, failed_at
  FROM matched ORDER BY failed_at DESC, stage, key, id LIMIT :limit
""")

COUNT = text(f"""{FOUND}
SELECT stage, error_class, count(*) AS count FROM matched GROUP BY 1, 2 ORDER BY 1, 2
""")

MESSAGES = text(f"""{FOUND}
SELECT stage, error_class, coalesce(message, '') AS message, count(*) AS number,
       min(created_at) AS first_seen, max(failed_at) AS last_seen, min(id) AS sample_id,
       (array_agg(repository || coalesce(':' || path, '') ORDER BY id))[1] AS sample
  FROM matched GROUP BY 1, 2, 3 ORDER BY last_seen DESC
""")

KEYS = text(f"{FOUND} SELECT stage, key, run_id FROM matched ORDER BY stage, key, run_id")

PLACES = text("""
SELECT p.name AS repository, s.ref, s.commit, f.path, r.live_snapshot_id = s.id AS live,
       (SELECT n.id::text FROM index_runs n WHERE n.snapshot_id = s.id
         ORDER BY n.requested_at DESC LIMIT 1) AS run_id,
       (SELECT n.correlation_id FROM index_runs n WHERE n.snapshot_id = s.id
         ORDER BY n.requested_at DESC LIMIT 1) AS correlation_id
  FROM snapshot_files f JOIN snapshots s ON s.id = f.snapshot_id
  JOIN refs r ON r.repository_id = s.repository_id AND r.name = s.ref
             AND s.id >= r.live_snapshot_id
  JOIN repositories p ON p.id = s.repository_id
 WHERE f.blob_id = :blob_id ORDER BY p.name, s.id, f.path LIMIT 100
""")

ONE = text(f"""{FOUND}
SELECT m.id, m.stage, m.state, m.error_class, m.message, m.attempts, m.next_attempt_at,
       m.repository, m.language, m.start_line, m.end_line, m.space, m.name_path, m.created_at,
       m.failed_at, m.blob_id, m.run_id::text AS run_id,
       (SELECT n.correlation_id FROM index_runs n WHERE n.id = m.run_id) AS correlation_id
  FROM matched m
""")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which failures are meant; None means any. `state` None: all that were not discarded.

    `path` is a LIKE pattern of a whole path or of its end, from a folder on.
    """

    id: str | None = None
    stage: str | None = None
    state: str | None = None
    error_class: str | None = None
    repo: str | None = None
    lang: str | None = None
    path: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None

    def named(self) -> dict[str, Any]:
        """Only what was asked for."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that failed, and one of its places."""

    id: str
    stage: str
    state: str
    error_class: str | None
    message: str | None
    attempts: int | None
    next_attempt_at: datetime | None
    repository: str
    path: str | None
    language: str | None
    start_line: int | None
    end_line: int | None
    space: str | None
    created_at: datetime
    failed_at: datetime


@dataclass(slots=True)
class Group:
    """Failures of one signature."""

    stage: str
    signature: str
    count: int
    first_seen: datetime
    last_seen: datetime
    sample_id: str
    sample: str


def list_failures(
    connection: Connection, wanted: Filter | None = None, *, limit: int = 100
) -> list[Failure]:
    """What failed, newest first, messages scrubbed."""
    rows = connection.execute(LIST, asdict(wanted or Filter()) | {"limit": limit})
    return [Failure(**_scrubbed(dict(row))) for row in rows.mappings()]


def count_failures(connection: Connection, wanted: Filter) -> list[dict[str, Any]]:
    """How many match, per stage and error class."""
    return [dict(row) for row in connection.execute(COUNT, asdict(wanted)).mappings()]


def group_failures(connection: Connection, wanted: Filter) -> list[Group]:
    """What failed by stage and signature, most frequent first."""
    groups: dict[tuple[str, str], Group] = {}
    for row in connection.execute(MESSAGES, asdict(wanted)):
        key = row.stage, signature(row.error_class or "unknown", row.message)
        found = groups.get(key)
        if found is None:
            seen = row.number, row.first_seen, row.last_seen, row.sample_id, row.sample
            groups[key] = Group(*key, *seen)
            continue
        found.count += row.number
        found.first_seen = min(found.first_seen, row.first_seen)
        found.last_seen = max(found.last_seen, row.last_seen)
    return sorted(groups.values(), key=lambda group: (-group.count, group.stage, group.signature))


def matching_keys(connection: Connection, wanted: Filter) -> dict[str, list[Any]]:
    """The keys of all that match by stage: of failed embeddings, of blobs, of runs."""
    keys: dict[str, list[Any]] = {}
    for row in connection.execute(KEYS, asdict(wanted)):
        keys.setdefault(row.stage, []).append(row.run_id or row.key)
    return keys


def show_failure(connection: Connection, failure_id: str) -> dict[str, Any]:
    """All that is known of one failure.

    Raises:
        BadInputError: there is none of this id.
    """
    for state in (None, "discarded"):
        wanted = asdict(Filter(id=failure_id, state=state))
        row = connection.execute(ONE, wanted).mappings().one_or_none()
        if row is not None:
            break
    else:
        raise BadInputError(f"there is no failure {failure_id}: see `mnemo failed list`")
    found = _scrubbed(dict(row))
    places = connection.execute(PLACES, {"blob_id": found.pop("blob_id")}).mappings()
    group = signature(found["error_class"] or "unknown", found["message"] or "")
    return found | {"signature": group, "places": [dict(place) for place in places]}


def filter_names() -> tuple[str, ...]:
    """What can be filtered by, as the command line calls it."""
    return tuple("class" if f.name == "error_class" else f.name for f in fields(Filter))


def _scrubbed(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"message": None if row["message"] is None else scrub(row["message"])}
