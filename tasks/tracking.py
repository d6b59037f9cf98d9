"""Error tracking: what went wrong goes to the table `errors`, without ever being in the way.

Apart from logging, because it is counted and asked for afterwards. A bounded buffer and one thread:
recording costs an append, and where the database is down or the buffer full, records are dropped
and counted. A process that is killed loses what it had not written yet, a second's worth.
"""

import threading
import traceback
from collections import deque
from typing import Any

import structlog

from config.errors import MnemoError
from config.logging import get_logger
from config.scrub import scrub
from config.signature import signature
from schema import errors
from schema.database import Database
from schema.errors import ErrorEntry

CAPACITY = 1_000
BATCH = 200
FLUSH_SECONDS = 1.0
MAX_FRAMES = 20
log = get_logger("errors")


class Tracker:
    """Writes the errors of one process, a batch at a time. For use by any thread.

    Args:
        database: where the table is.
        enabled: False has every record ignored.
        writing: False leaves it to `flush` to write.
    """

    def __init__(self, database: Database, *, enabled: bool = True, writing: bool = True) -> None:
        self._database = database
        self._enabled = enabled
        self._writing = writing
        self._waiting: deque[ErrorEntry] = deque()
        self._lock = threading.Lock()
        self.dropped = 0
        self._wake = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None

    def record(self, operation: str, error: BaseException, **details: Any) -> None:
        """Remembers an error; never raises and never waits.

        `repository` and `path` have columns of their own, which are looked up where a `batch` or a
        `blob` is named; the batch that is being worked on is named by itself.
        """
        if not self._enabled:
            return
        entry = _entry(operation, error, details)
        with self._lock:
            if len(self._waiting) >= CAPACITY:
                self.dropped += 1
                return
            self._waiting.append(entry)
            if self._writing and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="errors", daemon=True)
                self._thread.start()

    def flush(self) -> None:
        """Writes what is waiting; drops it where the database does not take it."""
        while batch := self._take():
            try:
                errors.store(self._database, batch)
            except MnemoError as exc:
                with self._lock:
                    self.dropped += len(batch)
                log.warning("errors.dropped", count=self.dropped, error=str(exc))
                return

    def close(self) -> None:
        """Writes what is waiting and ends the thread."""
        self._closing = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(FLUSH_SECONDS)
        self.flush()

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(FLUSH_SECONDS)
            self.flush()

    def _take(self) -> list[ErrorEntry]:
        with self._lock:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            if batch and self.dropped:
                batch[0].details["dropped_before"] = self.dropped
                self.dropped = 0
        return batch


def _entry(operation: str, error: BaseException, details: dict[str, Any]) -> ErrorEntry:
    name = type(error).__name__
    message = scrub(str(error))
    context = structlog.contextvars.get_contextvars()
    if "batch" in context:
        details.setdefault("batch", context["batch"])
    return ErrorEntry(
        operation=operation,
        error_class=name,
        signature=signature(name, message),
        message=message,
        traceback=_frames(error),
        repository=_text(details.pop("repository", None)),
        path=_text(details.pop("path", None)),
        correlation_id=context.get("correlation_id"),
        details={key: _text(value) for key, value in details.items()},
    )


def _frames(error: BaseException) -> str | None:
    """Where it was raised: files, lines and functions, but neither source nor values."""
    frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
    places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return scrub("\n".join(places)) or None


def _text(value: Any) -> str | None:
    return None if value is None else scrub(str(value))
