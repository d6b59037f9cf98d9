"""What a server prints, in one file of bounded size that also tells why a start failed.

The server keeps the file open, so a large one is copied aside and emptied instead of renamed
(logrotate calls this copytruncate). A server's own log collector would be bounded by age only, and
would not see what is printed before it starts.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from workers.embedded.disk import explained

MAX_BYTES = 8 << 20
READ_BYTES = 64 << 10


class LogFile:
    """The output of one server.

    Args:
        path: the file; its predecessor is kept beside it with `.1` appended.
        max_bytes: size from which `bound` empties it.
    """

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self.path = path
        self._max_bytes = max_bytes

    def open(self) -> int:
        """A file descriptor that appends, for the server; the caller closes it.

        Raises:
            ConfigurationError: the file cannot be opened.
        """
        with explained(self.path):
            return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def size(self) -> int:
        """Bytes written so far: a mark for `since`."""
        return self.path.stat().st_size if self.path.exists() else 0

    def since(self, mark: int) -> str:
        """What was written after `mark`; of very much, the end."""
        start = max(mark, self.size() - READ_BYTES)
        try:
            with self.path.open("rb") as file:
                file.seek(start)
                return file.read().decode("utf-8", "replace")
        except FileNotFoundError:  # somebody tidied up
            return ""

    def bound(self) -> None:
        """Moves the content aside if it is large; lines written in this instant may be lost.

        Raises:
            ConfigurationError: the file cannot be emptied.
        """
        if self.size() <= self._max_bytes:
            return
        with suppress(OSError):  # no room for a copy: all the more reason to empty it
            shutil.copyfile(self.path, self.path.with_name(self.path.name + ".1"))
        with explained(self.path):
            os.truncate(self.path, 0)
