"""Reads git objects one at a time from a single `git cat-file --batch`.

Apart from `git.py`, because it talks to a living process: every wait has a deadline, and a process
that dies in between is an error, never a hang.
"""

import os
import select
import subprocess
import time
from collections.abc import Sequence
from typing import Final

from config.errors import TransientError
from tasks.discover.command import Git, Limits, stop

_PIECE_BYTES: Final = 1 << 16


class ObjectReader:
    """A running `git cat-file --batch`.

    Args:
        git: runs it.
        command: its arguments, the repository included.
        limits: of the process; its wall time is not limited, it lives as long as its owner reads.
        seconds: within which each object must arrive.
    """

    def __init__(self, git: Git, command: Sequence[str], limits: Limits, seconds: float) -> None:
        self._process = git.start(*command, limits=limits, stdin=subprocess.PIPE)
        assert self._process.stdin and self._process.stdout  # noqa: S101, PT018 - for the type checker: both are pipes
        self._questions = self._process.stdin.fileno()
        self._answers = self._process.stdout.fileno()
        self._seconds = seconds
        self._received = bytearray()
        self._deadline = 0.0
        self._arrivals = select.poll()
        self._arrivals.register(self._answers, select.POLLIN)

    def read(self, object_id: str) -> bytes | None:
        """The content of a blob, or None when the repository does not have it.

        Raises:
            TransientError: git died or stopped answering.
        """
        self._deadline = time.monotonic() + self._seconds
        try:
            os.write(self._questions, f"{object_id}\n".encode())
        except BrokenPipeError as exc:
            raise TransientError("git died while files were read") from exc
        header = self._line().split()
        if header[-1] == b"missing":
            return None
        content = self._take(int(header[2]) + 1)[:-1]
        return content if header[1] == b"blob" else None

    def close(self) -> None:
        """Ends the process."""
        stop(self._process)

    def _line(self) -> bytes:
        while (end := self._received.find(b"\n")) < 0:
            self._receive()
        return self._take(end + 1)

    def _take(self, count: int) -> bytes:
        while len(self._received) < count:
            self._receive()
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken

    def _receive(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0 or not self._arrivals.poll(left * 1_000):
            raise TransientError(f"git gave no file within {self._seconds:g} s")
        piece = os.read(self._answers, _PIECE_BYTES)
        if not piece:
            raise TransientError("git died while files were read")
        self._received += piece
