"""The worker's side of the parser process: limits, replacement after a death, trust in nothing.

A process rather than a thread, for neither a signal nor a timeout can stop tree-sitter while it
holds the interpreter's lock: first the process gives up by itself at its deadline, and if it does
not, it is killed.
"""

import math
import os
import signal
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from config.errors import (
    ConfigurationError,
    ParseError,
    ParserCrashedError,
    ParseTimeoutError,
    TransientError,
)
from config.logging import get_logger
from tasks.parse.document import ParsedFile
from tasks.parse.frames import EXIT_OUT_OF_MEMORY, READY, encode
from tasks.parse.process import GoneError, Process, SilentError, ending

KILL_GRACE_SECONDS = 0.5
"""From the process's own deadline to its death."""
START_SECONDS = 30.0
MEMORY_SHARE = 0.6
"""A process whose resident memory passes this share of its limit is replaced."""

log = get_logger("parse")


class Sandbox:
    """One parser process at a time. Not for use by several threads at once."""

    def __init__(
        self,
        *,
        parse_seconds: float,
        memory_mib: int,
        files_per_process: int,
        argv: Sequence[str] | None = None,
    ) -> None:
        """Starts nothing yet: the first file starts the process.

        Args:
            parse_seconds: limit for one file's parsing and chunking.
            memory_mib: address space of a process.
            files_per_process: a process is replaced after this many files.
            argv: another command to run, one that speaks `tasks.parse.frames`.
        """
        self._parse_seconds = parse_seconds
        self._memory_mib = memory_mib
        self._files_per_process = files_per_process
        self._argv = argv
        self._process: Process | None = None
        self._files = 0
        self.spent_seconds = 0.0
        """What the last file took, from its request to its answer or its death."""

    @property
    def pid(self) -> int | None:
        """The id of the process that will get the next file, None if it is yet to be started."""
        return self._process.pid if self._process else None

    def parse(self, source: str, language: str, at_most: float = math.inf) -> ParsedFile:
        """Parses one file.

        Args:
            source: its text.
            language: one of `tasks.parse.languages.LANGUAGES`.
            at_most: seconds, where they are fewer than `parse_seconds`.

        Raises:
            ParseTimeoutError: it took longer.
            ParserCrashedError: the process died of it, or answered nonsense.
            ParseError: the text has no UTF-8 form.
            ConfigurationError: the process cannot be started, not even once.
            TransientError: the system has no room for another process just now.
        """
        self.spent_seconds = 0.0
        if at_most <= 0:
            raise ParseTimeoutError("no time was left to parse it")
        try:
            data = source.encode()
        except UnicodeEncodeError as exc:
            raise ParseError("the text holds lone surrogates, so it has no UTF-8 form") from exc
        process = self._ready()
        self._files += 1
        seconds = min(self._parse_seconds, at_most)
        request = {"id": self._files, "language": language, "source": source, "seconds": seconds}
        began = time.monotonic()
        try:
            parsed = self._parsed(self._ask(process, encode(request), seconds), data, seconds)
        finally:
            self.spent_seconds = time.monotonic() - began
        self._recycle(process)
        return parsed

    def close(self) -> None:
        """Ends the process; a later file starts another one."""
        if self._process:
            self._process.kill()
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _ready(self) -> Process:
        # one that died in between did not die of this file
        if self._process and not self._process.is_running:
            self.close()
        if self._process is None:
            self._process = self._start()
            self._files = 0
        return self._process

    def _start(self) -> Process:
        argv = self._argv or [
            sys.executable,
            "-I",  # the current folder may be a hostile repository
            "-m",
            "tasks.parse.child",
            str(self._memory_mib),
            str(os.getpid()),
        ]
        try:
            process = Process(argv)
        except FileNotFoundError as exc:
            raise ConfigurationError(f"the parser process cannot be started: {exc}") from exc
        except OSError as exc:
            raise TransientError(f"the parser process cannot be started now: {exc}") from exc
        self._greet(process)
        return process

    def _greet(self, process: Process) -> None:
        try:
            if process.ask(b"", START_SECONDS) == READY:
                return
        except SilentError as exc:
            process.kill()
            message = f"the parser process did not start within {START_SECONDS:g} s"
            raise TransientError(message) from exc
        except GoneError as exc:
            how = _ending(process.bury(), process.last_words())
            raise ConfigurationError(f"the parser process does not start: it {how}") from exc
        except ValueError:
            pass  # as another greeting
        process.kill()
        raise ConfigurationError("the parser process does not speak the parser's language")

    def _ask(self, process: Process, request: bytes, seconds: float) -> Any:
        try:
            return process.ask(request, seconds + KILL_GRACE_SECONDS)
        except SilentError as exc:
            self.close()
            raise ParseTimeoutError(
                f"the parser did not return within {seconds:g} s and was killed"
            ) from exc
        except GoneError as exc:
            code, words = process.bury(), process.last_words()
            self._process = None
            if code == -signal.SIGXCPU:
                raise ParseTimeoutError("the parser used up its processor time") from exc
            raise ParserCrashedError(f"the parser {_ending(code, words)}") from exc
        except ValueError as exc:
            self.close()
            raise ParserCrashedError(f"the parser answered nonsense: {exc}") from exc

    def _parsed(self, reply: Any, data: bytes, seconds: float) -> ParsedFile:
        if type(reply) is dict and reply.keys() == {"id", "late"} and reply["id"] == self._files:
            raise ParseTimeoutError(f"parsing took longer than {seconds:g} s and was given up")
        try:
            if type(reply) is not dict or reply.keys() != {"id", "parsed"}:
                raise ValueError("no reply")  # noqa: TRY301 - as from_plain says it
            if reply["id"] != self._files:
                raise ValueError("a reply to another file")  # noqa: TRY301 - as above
            return ParsedFile.from_plain(reply["parsed"], source=data)
        except ValueError as exc:
            self.close()
            raise ParserCrashedError(f"the parser answered nonsense: {exc}") from exc

    def _recycle(self, process: Process) -> None:
        resident = process.resident_bytes()
        full = resident > MEMORY_SHARE * (self._memory_mib << 20)
        if full or self._files >= self._files_per_process:
            log.debug("parse.recycle", files=self._files, resident_bytes=resident)
            self.close()


def _ending(code: int, words: str) -> str:
    """How a process ended, for a message."""
    if code == EXIT_OUT_OF_MEMORY:
        return "ran out of memory"
    return f"{ending(code)}: {words}" if words else ending(code)
