"""`mnemo index --plan`: what indexing would read, skip, reuse and cost. Writes nothing."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from config.errors import EXIT_DONE
from mnemolite.output import count, line, print_json, seconds, table
from schema import manifests, receipts
from schema.manifests import ManifestFile
from tasks.discover.manifest import scan
from tasks.discover.source import Source
from tasks.discover.stage import pieces
from tasks.parse.languages import PARSER_VERSION
from tasks.runtime import Runtime

BYTES_PER_CHUNK = 700  # measured on the repositories of docs/benchmarks.md
CHUNKS_PER_SECOND = 60.0  # until this index has a rate of its own


@dataclass(slots=True)
class Plan:
    """What a run would find."""

    ref: str = ""
    commit: str = ""
    files: int = 0
    bytes: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    known_blobs: int = 0
    new_blobs: int = 0
    new_bytes: int = 0
    chunks_per_second: float = CHUNKS_PER_SECOND

    @property
    def new_chunks(self) -> int:
        """An estimate."""
        return self.new_bytes // BYTES_PER_CHUNK

    def to_json(self) -> dict[str, Any]:
        """As `--plan --json` prints it."""
        return {
            "ref": self.ref,
            "commit": self.commit,
            "files": {
                "discovered": self.files,
                "to_index": self.files - self.skipped.total(),
                "skipped": dict(sorted(self.skipped.items())),
                "languages": dict(self.languages.most_common()),
            },
            "bytes": self.bytes,
            "blobs": {"known": self.known_blobs, "new": self.new_blobs},
            "estimate": {
                "chunks": self.new_chunks,
                "seconds": round(self.new_chunks / self.chunks_per_second, 1),
            },
        }


def make_plan(runtime: Runtime, source: Source, ref: str | None, worktree: bool) -> Plan:
    """Lists the source and compares it with what is stored.

    Raises:
        BadInputError: the source or the ref.
    """
    settings = runtime.settings
    plan = Plan()
    with scan(
        source,
        ref=ref,
        worktree=worktree,
        max_file_bytes=settings.max_file_bytes,
        scratch=settings.home / "scratch",
        timeouts=settings.timeouts,
    ) as listing:
        seen: set[tuple[bytes | None, str | None]] = set()
        for piece in pieces(listing.entries):
            _add(runtime, plan, piece, seen)
        plan.ref, plan.commit = listing.ref, listing.commit or ""
    with runtime.database.reading() as connection:
        plan.chunks_per_second = receipts.chunk_rate(connection) or CHUNKS_PER_SECOND
    return plan


def _add(
    runtime: Runtime,
    plan: Plan,
    piece: list[ManifestFile],
    seen: set[tuple[bytes | None, str | None]],
) -> None:
    with runtime.database.transaction() as connection:
        known = manifests.known_blobs(connection, piece, PARSER_VERSION)
    for file in piece:
        plan.files += 1
        if file.skip_reason is not None:
            plan.skipped[file.skip_reason] += 1
            continue
        plan.bytes += file.size
        plan.languages[file.language or ""] += 1
        key = (file.sha256, file.language)
        if key in seen:
            continue
        seen.add(key)
        if key in known:
            plan.known_blobs += 1
        else:
            plan.new_blobs += 1
            plan.new_bytes += file.size


def print_plan(plan: Plan, *, as_json: bool) -> int:
    """Prints a plan; returns the exit code."""
    document = plan.to_json()
    if as_json:
        print_json(document)
        return EXIT_DONE
    files = document["files"]
    line(f"{plan.ref} {plan.commit[:12]}: {count(files['to_index'])} files to index")
    table(("language", "files"), files["languages"].items())
    if plan.skipped:
        line()
        table(("skipped because", "files"), files["skipped"].items())
    line()
    line(
        f"content  {count(plan.new_blobs)} new, {count(plan.known_blobs)} known already;"
        f" about {count(plan.new_chunks)} chunks, {seconds(document['estimate']['seconds'])}"
    )
    return EXIT_DONE
