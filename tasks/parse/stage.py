"""The parse stage: every file of a batch through the sandbox, then one transaction for all.

A file that defeats the parser leaves the batch, so that its neighbours finish; it is tried again
alone, and quarantined when its attempts are used up, or its budget of time: what reading it and all
attempts at it took, killed ones included.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from config.errors import ParseError
from config.logging import get_logger
from schema import batches, failures, index, ledger, snapshots
from schema.index import ChunkRow, ParsedBlob, ReferenceRow, Source, SymbolRow
from schema.ledger import Lease
from schema.tsvector import TsVector
from tasks.embed.inputs import digest, text_input
from tasks.lease import Keeper
from tasks.parse.document import Chunk, ParsedFile
from tasks.retry import FILE
from tasks.runtime import Runtime

TIME_SHARE = 0.5  # of the task's hard limit; what is not parsed by then becomes a batch of its own
log = get_logger("parse")


@dataclass(slots=True)
class Outcome:
    """What became of the files of one batch; of the failed, why and after how many seconds."""

    parsed: list[ParsedBlob] = field(default_factory=list)
    failed: list[tuple[int, ParseError, float]] = field(default_factory=list)
    unread: list[int] = field(default_factory=list)


def parse_batch(runtime: Runtime, lease: Lease, keeper: Keeper) -> None:
    """Parses the pending blobs of a batch and hands it on to embed.

    Raises:
        LeaseLostError: another worker owns the batch; nothing was written.
    """
    with runtime.database.reading() as connection:
        sources = index.pending_sources(connection, lease.batch_id)
    outcome = _parse_all(runtime, sources, keeper)
    budget = runtime.settings.timeouts.index_file
    chunks = runtime.transact(
        "parse.commit",
        lambda connection: _store(connection, lease, outcome, budget),
        repeatable=True,
    )
    # in a transaction of its own: of two batches that end together, the later one sees both
    runtime.transact("parse.settle", lambda connection: _go_live(connection, lease))
    log.info("parse.done", batch=lease.batch_id, files=len(outcome.parsed), chunks=chunks)


def _parse_all(runtime: Runtime, sources: Sequence[Source], keeper: Keeper) -> Outcome:
    outcome = Outcome()
    budget = runtime.settings.timeouts.index_file
    deadline = time.monotonic() + TIME_SHARE * runtime.settings.timeouts.parse_task
    for source in sources:
        keeper.check()
        if time.monotonic() > deadline:
            outcome.unread.append(source.blob_id)
            continue
        try:
            left = budget - source.spent_seconds
            parsed = runtime.sandbox.parse(source.text, source.language, left)
        except ParseError as exc:
            log.warning("parse.file_failed", blob=source.blob_id, error=str(exc))
            runtime.errors.record("parse.file", exc, blob=source.blob_id, language=source.language)
            outcome.failed.append((source.blob_id, exc, runtime.sandbox.spent_seconds))
        else:
            outcome.parsed.append(rows_of(source, parsed, runtime.sandbox.spent_seconds))
    return outcome


def _store(connection: Connection, lease: Lease, outcome: Outcome, budget: float) -> int:
    """Writes what became of the files; returns how many chunks they have."""
    ledger.hold(connection, lease)
    index.store_parsed(connection, outcome.parsed)
    for blob_id, error, seconds in outcome.failed:
        failures.isolate(
            connection,
            lease,
            blob_id,
            error,
            seconds,
            max_attempts=FILE.attempts,
            budget=budget,
            delay=FILE.wait(1),
        )
    if outcome.unread:
        batches.create_batch(connection, lease.run_id, "parse", blob_ids=outcome.unread)
    chunks = sum(len(blob.chunks) for blob in outcome.parsed)
    ledger.advance(connection, lease, "embed", {"chunks": chunks})
    return chunks


def _go_live(connection: Connection, lease: Lease) -> None:
    if not batches.open_stages(connection, lease.run_id) & {"discover", "parse"}:
        snapshots.settle_parsed(connection)


def rows_of(source: Source, parsed: ParsedFile, seconds: float) -> ParsedBlob:
    """The rows that a parsed file becomes, with the digests of its chunks' embed inputs."""
    blob_id, body = source.blob_id, source.text.encode()
    return ParsedBlob(
        blob_id,
        parsed.has_errors,
        [_chunk_row(source, body, n, chunk) for n, chunk in enumerate(parsed.chunks)],
        [
            SymbolRow(
                blob_id,
                n,
                symbol.kind,
                symbol.name,
                symbol.name_path,
                symbol.signature,
                symbol.start_line,
                symbol.end_line,
                symbol.start_byte,
                symbol.end_byte,
            )
            for n, symbol in enumerate(parsed.symbols)
        ],
        [
            ReferenceRow(
                blob_id, n, use.kind, use.name, use.qualifier, use.alias, use.scope, use.lines
            )
            for n, use in enumerate(parsed.references)
        ],
        seconds,
    )


def _chunk_row(source: Source, body: bytes, ordinal: int, chunk: Chunk) -> ChunkRow:
    piece = body[chunk.start_byte : chunk.end_byte].decode(errors="replace")
    described = text_input(
        source.language, chunk.name_path, chunk.signature, chunk.docstring, piece
    )
    return ChunkRow(
        source.blob_id,
        ordinal,
        chunk.kind,
        chunk.name,
        chunk.name_path,
        chunk.signature,
        chunk.docstring,
        chunk.start_line,
        chunk.end_line,
        chunk.start_byte,
        chunk.end_byte,
        digest(described),
        digest(piece),
        TsVector(chunk.lexemes),
        sum(map(len, chunk.lexemes.values())),
    )
