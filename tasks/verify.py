"""Verification: the live snapshot against the source itself, read again from the start."""

from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import text

from config.errors import UnknownRepositoryError
from schema import digest
from schema.runs import Repository, get_repository
from schema.snapshots import count_snapshot
from schema.statistics import refresh_statistics
from tasks.discover.manifest import Entry, scan
from tasks.discover.source import Source, SourceKind
from tasks.runtime import Runtime

LIVE = text("""
SELECT s.id, s.ref, s.commit FROM refs r JOIN snapshots s ON s.id = r.live_snapshot_id
 WHERE r.repository_id = :id AND r.name = coalesce(:ref, :default_ref)
""")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was compared and how it came out."""

    repository: str
    commit: str
    ok: bool
    expected: dict[str, int]
    stored: dict[str, int]
    missing: list[str]
    unexpected: list[str]
    duplicates: list[str]
    outstanding: int
    digest: str

    def to_json(self) -> dict[str, Any]:
        """As `mnemo verify --json` prints it."""
        return {name: getattr(self, name) for name in self.__slots__}


def verify_repository(runtime: Runtime, name: str, ref: str | None = None) -> Verdict:
    """Reads the source of a repository again and compares every path with what is live.

    Raises:
        UnknownRepositoryError: no such repository, or nothing of this ref is indexed.
        BadInputError: the source is gone.
    """
    with runtime.database.reading() as connection:
        repository = get_repository(connection, name)
        live = connection.execute(
            LIVE, {"id": repository.id, "ref": ref, "default_ref": repository.default_ref}
        ).one_or_none()
    if live is None:
        raise UnknownRepositoryError(
            f"nothing is indexed of {name}" + (f" at {ref}" if ref else "")
        )
    expected = _read_source(runtime, repository, live.commit)
    with runtime.database.autocommit() as connection:
        refresh_statistics(connection)
    with runtime.database.reading() as connection:
        stored_paths = digest.manifest(connection, live.id)
        totals = digest.totals(connection, live.id)
        counts = count_snapshot(connection, live.id)
        gaps = digest.gaps(connection, live.id)
        duplicates = digest.doubled(connection, live.id)
        outstanding = digest.outstanding(connection, live.id)
        whole = digest.digest(connection, live.id)
    missing = _differences(expected, stored_paths) + gaps
    unexpected = [path for path in stored_paths if path not in expected]
    return Verdict(
        repository=name,
        commit=live.commit,
        ok=not (missing or unexpected or duplicates or outstanding),
        expected={"files": sum(not value.startswith("skipped") for value in expected.values())},
        stored={
            "files": totals["files"],
            "blobs": totals["blobs"],
            "chunks": counts["chunks"],
            "vectors_text": counts["vectors"]["text"],
            "vectors_code": counts["vectors"]["code"],
            "symbols": totals["symbols"],
            "references": totals["references"],
        },
        missing=missing,
        unexpected=unexpected,
        duplicates=duplicates,
        outstanding=outstanding,
        digest=whole,
    )


def _read_source(runtime: Runtime, repository: Repository, commit: str) -> dict[str, str]:
    """What the source holds now (a folder) or at that commit (git), in the manifest's form."""
    settings = runtime.settings
    kind = cast("SourceKind", repository.source_kind)
    unversioned = commit.startswith("tree:")
    with scan(
        Source(kind, repository.location),
        ref=None if unversioned else commit,
        worktree=unversioned and kind == "git",
        max_file_bytes=settings.max_file_bytes,
        scratch=settings.home / "scratch",
        timeouts=settings.timeouts,
    ) as listing:
        return {entry.path: _stored_form(entry) for entry in listing.entries}


def _stored_form(entry: Entry) -> str:
    if entry.skip is not None or entry.sha256 is None:
        return f"skipped: {entry.skip}"
    return f"{entry.sha256.hex()}:{entry.language}"


def _differences(expected: dict[str, str], stored: dict[str, str]) -> list[str]:
    found = []
    for path, value in expected.items():
        if path not in stored:
            found.append(path)
        elif stored[path] != value:
            found.append(f"{path}: stored {stored[path]}, source has {value}")
    return found
