"""Reads files below one folder, and only below it, while others may be changing them.

Apart from deciding which files (`folder.py`, `worktree.py`): no symlink is followed at any depth,
also not one that replaces a folder between listing and reading; nothing is opened that could block;
a file that changes under the reader is not taken for what it never was.
"""

import os
import stat
from pathlib import Path
from typing import Final

from config.errors import SourceNotFoundError
from tasks.discover.skip import Reason
from tasks.discover.tree import TreeEntry

_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_ENTER: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LIST: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_TRIES: Final = 2


class Disk:
    """A folder, open for reading. Paths are bytes, relative to it.

    Raises:
        SourceNotFoundError: the folder is gone or closed to us.
    """

    def __init__(self, root: Path) -> None:
        try:
            self._root = os.open(root, _ENTER)
        except OSError as exc:
            raise SourceNotFoundError(f"{root} cannot be read: {exc.strerror}") from exc
        # neighbours follow one another: their folder stays open
        self._folder_path = b""
        self._folder = os.dup(self._root)

    def close(self) -> None:
        """Closes the folder."""
        os.close(self._folder)
        os.close(self._root)

    def stat(self, path: bytes) -> os.stat_result:
        """What is at the path itself; raises OSError."""
        folder, _, name = path.rpartition(b"/")
        return os.stat(name, dir_fd=self._enter(folder), follow_symlinks=False)

    def listing(self, folder: bytes) -> list[tuple[bytes, os.stat_result]]:
        """Names in a folder, and what they are; raises OSError."""
        names = os.open(b".", _LIST, dir_fd=self._enter(folder))
        try:
            with os.scandir(names) as found:
                return [(os.fsencode(e.name), status) for e in found if (status := _status(e))]
        finally:
            os.close(names)

    def read(self, path: bytes, *, max_bytes: int) -> bytes | Reason:
        """A regular file's content, or why there is none to be had.

        A file that changes while it is read is read once more.
        """
        try:
            for _ in range(_TRIES):
                content = self._read_once(path, max_bytes)
                if content is not None:
                    return content
        except FileNotFoundError:
            return "changed"  # it was there when it was listed
        except OSError:
            return "unreadable"
        return "changed"

    def _read_once(self, path: bytes, max_bytes: int) -> bytes | Reason | None:
        folder, _, name = path.rpartition(b"/")
        file = os.open(name, _READ, dir_fd=self._enter(folder))
        try:
            before = os.fstat(file)
            if not stat.S_ISREG(before.st_mode):
                return None
            if before.st_size > max_bytes:
                return "too_large"
            content = _read_all(file, before.st_size + 1)
            unchanged = _version(before) == _version(os.fstat(file))
        finally:
            os.close(file)
        return content if unchanged and len(content) == before.st_size else None

    def _enter(self, folder: bytes) -> int:
        """A descriptor of the folder, reached without following a symlink; ours to close."""
        if folder == self._folder_path:
            return self._folder
        reached = os.dup(self._root)
        try:
            for name in filter(None, folder.split(b"/")):
                outer, reached = reached, os.open(name, _ENTER, dir_fd=reached)
                os.close(outer)
        except OSError:
            os.close(reached)
            raise
        os.close(self._folder)
        self._folder_path, self._folder = folder, reached
        return reached


class DiskTree:
    """What a plain folder and a work tree have in common: their files are read from the disk.

    Raises:
        SourceNotFoundError: the folder is gone or closed to us.
    """

    def __init__(self, root: Path, *, max_file_bytes: int) -> None:
        self._disk = Disk(root)
        self._max_file_bytes = max_file_bytes

    def read(self, entry: TreeEntry) -> bytes | Reason:
        """The content of an entry, or why there is none to be had."""
        return self._disk.read(entry.path, max_bytes=self._max_file_bytes)

    def close(self) -> None:
        """Closes the folder."""
        self._disk.close()


def _status(found: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return found.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None  # removed since it was listed


def _read_all(file: int, count: int) -> bytes:
    pieces = []
    while count > 0 and (piece := os.read(file, count)):
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


def _version(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
