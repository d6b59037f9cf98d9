"""Walks a plain folder as git would if it were a repository: nested `.gitignore` files count.

Git's own folders are never entered, nor are symlinks. Rules of a repository that the folder may lie
in do not apply: what is indexed depends on the folder alone.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tasks.discover.disk import DiskTree
from tasks.discover.ignore import IgnoreRules, is_ignored, parse_rules
from tasks.discover.skip import MAX_PATH_BYTES
from tasks.discover.tree import TreeEntry

_IGNORE_FILE: Final = b".gitignore"
_MAX_IGNORE_BYTES: Final = 1 << 20

Chain = tuple[IgnoreRules, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    path: bytes
    status: os.stat_result
    chain: Chain
    """The rules that its folder is under."""

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)


class Folder(DiskTree):
    """A plain folder, open for reading."""

    def entries(self) -> Iterator[TreeEntry]:
        """Every path that is not ignored; a folder only where it cannot be entered."""
        root = _Found(b"", self._disk.stat(b"."), ())
        pending = [self._inside(root)]
        while pending:
            found = next(pending[-1], None)
            if found is None:
                pending.pop()
            elif isinstance(found, TreeEntry):
                yield found
            elif found.is_folder:
                pending.append(self._inside(found))
            else:
                yield TreeEntry(found.path, found.status.st_mode, found.status.st_size)

    def _inside(self, folder: _Found) -> Iterator[_Found | TreeEntry]:
        """What a folder holds, in the order of full paths; the folder itself if it is closed."""
        if len(folder.path) > MAX_PATH_BYTES:
            yield TreeEntry(folder.path, folder.status.st_mode, 0, skip="path_too_long")
            return
        try:
            listing = self._disk.listing(folder.path)
        except OSError:
            yield TreeEntry(folder.path, folder.status.st_mode, 0, skip="unreadable")
            return
        prefix = folder.path + b"/" if folder.path else b""
        chain = self._chain(folder.chain, prefix, dict(listing))
        for name, status in sorted(listing, key=_order):
            found = _Found(prefix + name, status, chain)
            if name != b".git" and not is_ignored(chain, _asked(found)):
                yield found

    def _chain(self, chain: Chain, prefix: bytes, names: dict[bytes, os.stat_result]) -> Chain:
        """`chain` and the rules of the folder itself; git does not follow a symlink to rules."""
        status = names.get(_IGNORE_FILE)
        if status is None or not stat.S_ISREG(status.st_mode):
            return chain
        content = self._disk.read(prefix + _IGNORE_FILE, max_bytes=_MAX_IGNORE_BYTES)
        if isinstance(content, str):
            return chain
        return (*chain, parse_rules(_text(prefix), content))


def _order(item: tuple[bytes, os.stat_result]) -> bytes:
    """Sorts a folder where its contents will stand: `a.c` before `a/b`."""
    name, status = item
    return name + b"/" if stat.S_ISDIR(status.st_mode) else name


def _asked(found: _Found) -> str:
    return _text(found.path) + ("/" if found.is_folder else "")


def _text(path: bytes) -> str:
    return path.decode(errors="surrogateescape")
