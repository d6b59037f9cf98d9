"""A child process one talks to in frames and does not trust: every answer has a time limit.

Its pipes never block this side, whether it stops reading, stops writing, or hangs in C.
"""

import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from tasks.parse.frames import FrameBuffer

_PIPE_BYTES = 1 << 16
_READ_BYTES = 1 << 18
_STDERR_BYTES = 4096
_EXIT_SECONDS = 1.0
_NAP_SECONDS = 0.005


class SilentError(Exception):
    """The process did not answer in time."""


class GoneError(Exception):
    """The process ended, or closed its side, without an answer."""


class Process:
    """One child process, in a session of its own, outside of this one's folder."""

    def __init__(self, argv: Sequence[str], *, ours: bool = False) -> None:
        """Starts it.

        Args:
            argv: the command.
            ours: it runs nobody else's code or data, so it may see our environment and print where
                we print; otherwise it has no environment, and only its last words are kept.

        Raises:
            OSError: it cannot be started.
        """
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if ours else subprocess.PIPE,
            env=None if ours else {},
            cwd="/",
            start_new_session=True,
        )
        self._stdin = _unblocked(self._process.stdin)
        self._stdout = _unblocked(self._process.stdout)
        self._stderr = None if ours else _unblocked(self._process.stderr)
        self._said = b""
        self._reaping = threading.Lock()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """False once it ended."""
        return self._process.poll() is None

    def resident_bytes(self) -> int:
        """Its memory in use, 0 where the system does not tell."""
        try:
            pages = Path(f"/proc/{self.pid}/statm").read_text("ascii").split()[1]
        except OSError:
            return 0
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def ask(self, request: bytes, seconds: float) -> Any:
        """Sends a frame and waits for the frame that answers it.

        Args:
            request: the frame; an empty one is not sent, only waited for an answer.
            seconds: from now to the end of the answer.

        Raises:
            SilentError: it took longer.
            GoneError: the process ended.
            ValueError: the answer is no frame, or no JSON.
        """
        deadline = time.monotonic() + seconds
        unsent = memoryview(request)
        answer = FrameBuffer()
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            if self._stderr is not None:
                selector.register(self._stderr, selectors.EVENT_READ)
            if unsent:
                selector.register(self._stdin, selectors.EVENT_WRITE)
            while (left := deadline - time.monotonic()) > 0:
                for key, _ in selector.select(left):
                    if key.fd == self._stdin:
                        unsent = self._send(unsent)
                        if not unsent:
                            selector.unregister(self._stdin)
                    elif key.fd == self._stderr:
                        if not self._listen():
                            selector.unregister(key.fd)
                    elif answer.feed(self._receive()):
                        return answer.message()
        raise SilentError

    def kill(self) -> int:
        """Ends it and all it started, now; its exit code, negative for a signal."""
        with self._reaping:
            self._kill_group()
            code = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe:
                with suppress(BrokenPipeError):
                    pipe.close()
        return code

    def cut(self) -> None:
        """Ends it and all it started while another thread waits in `ask`: to be buried there."""
        with self._reaping:
            self._kill_group()

    def bury(self) -> int:
        """What it ended with, after it is gone; a process that only closed its pipes is killed."""
        deadline = time.monotonic() + _EXIT_SECONDS
        while not self._has_ended() and time.monotonic() < deadline:
            time.sleep(_NAP_SECONDS)
        while self._listen():
            pass
        return self.kill()

    def last_words(self) -> str:
        """The last line it wrote to stderr, "" if it wrote nothing."""
        lines = self._said.decode(errors="replace").split("\n")
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")

    def _kill_group(self) -> None:
        # until it is reaped, the number of its group cannot pass to another
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def _has_ended(self) -> bool:
        """Looks without reaping."""
        if self._process.returncode is not None:
            return True
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.pid, options) is not None

    def _send(self, unsent: memoryview) -> memoryview:
        try:
            return unsent[os.write(self._stdin, unsent[:_PIPE_BYTES]) :]
        except BlockingIOError:
            return unsent
        except BrokenPipeError:
            return unsent[:0]  # it is ending: its stdout tells

    def _receive(self) -> bytes:
        received = os.read(self._stdout, _READ_BYTES)
        if not received:
            raise GoneError
        return received

    def _listen(self) -> bool:
        if self._stderr is None:
            return False
        try:
            said = os.read(self._stderr, _READ_BYTES)
        except BlockingIOError:
            return False
        self._said = (self._said + said)[-_STDERR_BYTES:]
        return bool(said)


def ending(code: int) -> str:
    """How a process ended, for a message."""
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"


def _unblocked(pipe: IO[bytes] | None) -> int:
    assert pipe, "every stream is a pipe"  # noqa: S101 - for the type checker
    os.set_blocking(pipe.fileno(), False)
    return pipe.fileno()
