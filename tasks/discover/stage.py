"""The discover stage: from a source to a manifest in the database, and batches for what is new.

Pieces of the listing are committed as they come, so that the first files are parsed while the last
are still being read. An attempt that dies leaves a manifest in state `listing`, which the next one
replaces; blobs and batches that it made are content, and stay.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import cast

from sqlalchemy import Connection

from config.errors import NothingToIndexError
from config.logging import get_logger
from schema import batches, ledger, manifests, model_roles, runs, snapshots
from schema.ledger import Lease
from schema.manifests import ManifestFile
from schema.runs import Run
from schema.snapshots import Identity
from schema.tsvector import TsVector
from tasks.discover.manifest import POLICY_VERSION, Entry, Scan, scan
from tasks.discover.source import Source, SourceKind
from tasks.lease import Keeper
from tasks.parse.languages import PARSER_VERSION
from tasks.parse.tokens import tokens
from tasks.runtime import Runtime
from tasks.settle import batch_outstanding, settle

PIECE_FILES = 500
PIECE_BYTES = 8 << 20
FINGERPRINT = f"parser {PARSER_VERSION}, policy {POLICY_VERSION}"
log = get_logger("discover")


def discover_run(runtime: Runtime, lease: Lease, keeper: Keeper) -> None:
    """Lists what the run asks for, and ends or starts its work.

    Raises:
        BadInputError: the source, the ref or its contents; the run fails with this message.
        RemoteUnavailableError: the remote does not answer; worth another attempt.
        CircuitOpenError: it kept failing and is not asked for a while.
        LeaseLostError: another worker owns the batch.
    """
    runtime.begin_models()
    with runtime.database.reading() as connection:
        run = runs.get_run(connection, lease.run_id)
    settings = runtime.settings
    source = Source(cast("SourceKind", run.repository.source_kind), run.repository.location)
    with (
        _guarded(runtime, source),
        scan(
            source,
            ref=run.ref,
            worktree=run.worktree,
            max_file_bytes=settings.max_file_bytes,
            scratch=settings.home / "scratch",
            timeouts=settings.timeouts,
        ) as listing,
    ):
        if not _attach(runtime, lease, run, listing):
            _list(runtime, lease, keeper, run, listing)
    settle(runtime)


def _guarded(runtime: Runtime, source: Source) -> AbstractContextManager[None]:
    if source.kind == "url":
        return runtime.breakers.remote(source.location).guard()
    return nullcontext()


def _identity(connection: Connection, commit: str) -> Identity:
    """Of the commit with the live models, which stay live until this transaction ends."""
    model_roles.hold(connection)
    roles = model_roles.roles(connection)
    return Identity(commit, FINGERPRINT, roles["text"].live, roles["code"].live)


def _attach(runtime: Runtime, lease: Lease, run: Run, listing: Scan) -> bool:
    """Ties the run to a snapshot that holds exactly this already; False where none does."""
    commit = listing.commit
    if commit is None:
        return False

    def attach(connection: Connection) -> bool:
        ledger.hold(connection, lease)
        identity = _identity(connection, commit)
        newest = snapshots.newest_snapshot(connection, run.repository.id, listing.ref)
        if newest is None or newest.identity != identity:
            return False
        runs.start_run(connection, run.id, newest.id)
        if newest.state != "complete":
            new_blobs = _take_up(runtime, connection, run, newest.id)
            runs.add_counts(connection, run.id, {"new_blobs": new_blobs})
        ledger.finish(connection, lease)
        return True

    attached = runtime.transact("discover.attach", attach)
    if attached:
        log.info("discover.unchanged", repository=run.repository.name, commit=listing.commit)
    return attached


def _take_up(runtime: Runtime, connection: Connection, run: Run, snapshot_id: int) -> int:
    """Makes the run work on what nobody does, as after a cancelled run; returns how many files."""
    found = batch_outstanding(runtime, connection, run.id, snapshot_id)
    runs.announce(connection)
    return sum(len(work.blobs) for work in found if work.stage == "parse")


def _list(runtime: Runtime, lease: Lease, keeper: Keeper, run: Run, listing: Scan) -> None:
    snapshot_id = _begin(runtime, lease, run, listing)
    ordinal = new_blobs = indexed = 0
    for piece in pieces(listing.entries):
        keeper.check()
        new_blobs += _write_piece(runtime, lease, snapshot_id, ordinal, piece)
        ordinal += len(piece)
        indexed += sum(file.skip_reason is None for file in piece)
    if not indexed:
        raise NothingToIndexError(_why_nothing(ordinal))
    _finish(runtime, lease, run, listing, snapshot_id, new_blobs)
    log.info("discover.done", repository=run.repository.name, files=ordinal, new=new_blobs)


def _begin(runtime: Runtime, lease: Lease, run: Run, listing: Scan) -> int:
    def begin(connection: Connection) -> int:
        ledger.hold(connection, lease)
        identity = _identity(connection, listing.commit or "")
        snapshots.drop_listing(connection, run.id)
        snapshot_id = snapshots.create_snapshot(
            connection, run.repository.id, listing.ref, identity
        )
        runs.start_run(connection, run.id, snapshot_id)
        runs.set_default_ref(connection, run.repository.id, listing.ref)
        return snapshot_id

    return runtime.transact("discover.begin", begin)


def _write_piece(
    runtime: Runtime, lease: Lease, snapshot_id: int, ordinal: int, piece: list[ManifestFile]
) -> int:
    """Writes some files of the manifest; returns how many contents are new."""
    settings = runtime.settings

    def write(connection: Connection) -> int:
        ledger.hold(connection, lease)
        new = manifests.write_files(connection, snapshot_id, ordinal, piece, PARSER_VERSION)
        batches.create_batches(
            connection,
            lease.run_id,
            "parse",
            new,
            max_bytes=settings.batch_bytes,
            max_blobs=settings.batch_files,
        )
        runs.announce(connection)
        return len(new)

    return runtime.transact("discover.piece", write)


def _finish(
    runtime: Runtime, lease: Lease, run: Run, listing: Scan, snapshot_id: int, new_blobs: int
) -> None:
    """Marks the manifest as whole, or drops it where it equals the newest one of its ref."""
    commit = listing.commit
    if commit is None:
        raise AssertionError("a listing knows its commit once it was read to its end")

    def finish(connection: Connection) -> None:
        ledger.hold(connection, lease)
        identity = _identity(connection, commit)
        snapshots.lock_ref(connection, run.repository.id, listing.ref)
        newest = snapshots.newest_snapshot(connection, run.repository.id, listing.ref)
        if newest is not None and newest.identity == identity:
            snapshots.follow_instead(connection, run.id, newest.id)
            followed = newest.id if newest.state != "complete" else None
        else:
            snapshots.finish_listing(connection, snapshot_id, identity.commit)
            followed = snapshot_id
        taken = _take_up(runtime, connection, run, followed) if followed else 0
        runs.add_counts(connection, run.id, {"new_blobs": new_blobs + taken})
        ledger.finish(connection, lease)
        runs.announce(connection)

    runtime.transact("discover.finish", finish)


def pieces(entries: Iterator[Entry]) -> Iterator[list[ManifestFile]]:
    """Cuts a listing into what one transaction writes."""
    piece: list[ManifestFile] = []
    size = 0
    for entry in entries:
        piece.append(_manifest_file(entry))
        size += len(entry.text or "")
        if len(piece) >= PIECE_FILES or size >= PIECE_BYTES:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def _manifest_file(entry: Entry) -> ManifestFile:
    words = tokens(entry.path)
    positions = {word: [n] for n, word in enumerate(dict.fromkeys(words), 1)}
    return ManifestFile(
        path=entry.path,
        mode=entry.mode,
        size=entry.size,
        skip_reason=entry.skip,
        sha256=entry.sha256,
        language=entry.language,
        source=entry.text,
        secrets=entry.secrets,
        seconds=entry.seconds,
        path_lexemes=TsVector(positions),
    )


def _why_nothing(files: int) -> str:
    if not files:
        return "the source is empty: there is nothing to index"
    return f"none of the {files} files can be indexed: see the reasons with --plan"
