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
    if listing.commit is None:
        return False
    with runtime.database.transaction("discover.attach") as connection:
        ledger.hold(connection, lease)
        identity = _identity(connection, listing.commit)
        newest = snapshots.newest_snapshot(connection, run.repository.id, listing.ref)
        if newest is None or newest.identity != identity:
            return False
        runs.start_run(connection, run.id, newest.id)
        ledger.finish(connection, lease)
    log.info("discover.unchanged", repository=run.repository.name, commit=listing.commit)
    return True


def _list(runtime: Runtime, lease: Lease, keeper: Keeper, run: Run, listing: Scan) -> None:
    snapshot_id = _begin(runtime, lease, run, listing)
    settings = runtime.settings
    ordinal = new_blobs = indexed = 0
    for piece in pieces(listing.entries):
        keeper.check()
        with runtime.database.transaction("discover.piece") as connection:
            ledger.hold(connection, lease)
            new = manifests.write_files(connection, snapshot_id, ordinal, piece, PARSER_VERSION)
            batches.create_batches(
                connection,
                run.id,
                "parse",
                new,
                max_bytes=settings.batch_bytes,
                max_blobs=settings.batch_files,
            )
            runs.announce(connection)
        ordinal += len(piece)
        new_blobs += len(new)
        indexed += sum(file.skip_reason is None for file in piece)
    if not indexed:
        raise NothingToIndexError(_why_nothing(ordinal))
    _finish(runtime, lease, run, listing, snapshot_id, new_blobs)
    log.info("discover.done", repository=run.repository.name, files=ordinal, new=new_blobs)


def _begin(runtime: Runtime, lease: Lease, run: Run, listing: Scan) -> int:
    with runtime.database.transaction("discover.begin") as connection:
        ledger.hold(connection, lease)
        identity = _identity(connection, listing.commit or "")
        snapshots.drop_listing(connection, run.id)
        snapshot_id = snapshots.create_snapshot(
            connection, run.repository.id, listing.ref, identity
        )
        runs.start_run(connection, run.id, snapshot_id)
        runs.set_default_ref(connection, run.repository.id, listing.ref)
    return snapshot_id


def _finish(
    runtime: Runtime, lease: Lease, run: Run, listing: Scan, snapshot_id: int, new_blobs: int
) -> None:
    """Marks the manifest as whole, or drops it where it equals the newest one of its ref."""
    if listing.commit is None:
        raise AssertionError("a listing knows its commit once it was read to its end")
    with runtime.database.transaction("discover.finish") as connection:
        ledger.hold(connection, lease)
        identity = _identity(connection, listing.commit)
        snapshots.lock_ref(connection, run.repository.id, listing.ref)
        newest = snapshots.newest_snapshot(connection, run.repository.id, listing.ref)
        if newest is not None and newest.identity == identity:
            snapshots.follow_instead(connection, run.id, newest.id)
        else:
            snapshots.finish_listing(connection, snapshot_id, listing.commit)
            batch_outstanding(runtime, connection, run.id, snapshot_id)
        runs.add_counts(connection, run.id, {"new_blobs": new_blobs})
        ledger.finish(connection, lease)
        runs.announce(connection)


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
        path_lexemes=TsVector(positions),
    )


def _why_nothing(files: int) -> str:
    if not files:
        return "the source is empty: there is nothing to index"
    return f"none of the {files} files can be indexed: see the reasons with --plan"
