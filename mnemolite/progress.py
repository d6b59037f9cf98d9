"""Following a run: bars on a terminal, a line per milestone elsewhere. All of it on stderr."""

import time
import uuid
from types import TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from config.errors import TransientError
from config.timeouts import Timeouts
from mnemolite.output import count, say, stderr
from schema import heartbeats
from schema import receipts as counting
from schema.database import Database
from schema.receipts import Progress as Counted

POLL_SECONDS = 0.3
NO_WORKER_SECONDS = 15.0


def follow(database: Database, run_id: uuid.UUID, timeouts: Timeouts) -> None:
    """Shows how far the run is until it ends.

    Raises:
        TransientError: the database went away for longer than a restart takes.
        BadInputError: the run is gone, with its repository.
    """
    display = Bars() if stderr.is_terminal else Milestones()
    warned, started = False, time.monotonic()
    with display:
        while True:
            counted = _read(database, run_id, timeouts)
            display.show(counted)
            if counted.state not in ("pending", "indexing"):
                return
            idle = counted.state == "pending" and time.monotonic() - started > NO_WORKER_SECONDS
            if idle and not warned:
                warned = _warn_without_worker(database, timeouts)
            time.sleep(POLL_SECONDS)


def _read(database: Database, run_id: uuid.UUID, timeouts: Timeouts) -> Counted:
    """Reads through a short outage: the run goes on without us."""
    deadline = time.monotonic() + 2 * timeouts.server_start
    while True:
        try:
            with database.reading() as connection:
                return counting.progress(connection, run_id)
        except TransientError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)


def _warn_without_worker(database: Database, timeouts: Timeouts) -> bool:
    with database.reading() as connection:
        if heartbeats.living(connection, timeouts.lease):
            return False
    say("no worker has been seen: start one with `mnemo worker start`", style="yellow")
    return True


class Milestones:
    """One line whenever a stage ends."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing to tidy."""

    def show(self, counted: Counted) -> None:
        """Says what was reached since the last call."""
        if not counted.blobs:
            return
        if not counted.listing:
            self._say("listed", f"listed: {count(counted.blobs)} distinct files")
            if counted.parsed == counted.blobs:
                self._say("parsed", f"parsed: {count(counted.chunks)} chunks, lexically searchable")
        if counted.state in ("succeeded", "partial"):
            self._say("done", f"embedded: {count(counted.embedded)} chunks")

    def _say(self, milestone: str, message: str) -> None:
        if milestone not in self._said:
            self._said.add(milestone)
            say(message)


class Bars(Milestones):
    """A bar per stage with its rate, and what is searchable already."""

    def __init__(self) -> None:
        super().__init__()
        self._progress = Progress(
            TextColumn("{task.description:<8}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=stderr,
        )
        self._started = time.monotonic()
        self._list, self._parse, self._embed = (
            self._progress.add_task(stage, total=None, rate="", note="")
            for stage in ("list", "parse", "embed")
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leaves the bars as they ended."""
        self._progress.stop()

    def show(self, counted: Counted) -> None:
        """Moves the bars."""
        total = None if counted.listing else counted.blobs
        self._progress.update(self._list, completed=counted.blobs, total=total)
        self._bar(self._parse, counted.parsed, total, "files/s", "lexically searchable")
        whole = counted.chunks if total is not None and counted.parsed >= total else None
        self._bar(self._embed, counted.embedded, whole, "chunks/s", "vector-searchable")

    def _bar(self, task: TaskID, done: int, total: int | None, unit: str, what: str) -> None:
        elapsed = max(0.1, time.monotonic() - self._started)
        share = f"{done / total:.0%} {what}" if total else ""
        self._progress.update(
            task, completed=done, total=total, rate=f"{done / elapsed:,.0f} {unit}", note=share
        )
