"""Walks a plain folder as git would if it were a repository: nested `.gitignore` files count.

Git's own folders are never entered, nor are symlinks. Rules of a repository that the folder may lie
in do not apply: what is indexed depends on the folder alone.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from config.errors import SourceNotFoundError
from tasks.discover.disk import DiskTree
from tasks.discover.ignore import IgnoreRules, is_ignored, parse_rules
from tasks.discover.skip import MAX_PATH_BYTES, Reason
from tasks.discover.tree import TreeEntry

_IGNORE_FILE: Final = b".gitignore"
_MAX_IGNORE_BYTES: Final = 1 << 20

Chain = tuple[IgnoreRules, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    path: bytes
    mode: int
    size: int
    chain: Chain
    """The rules that its folder is under."""

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)

    def skipped(self, reason: Reason) -> TreeEntry:
        return TreeEntry(self.path, self.mode, 0, skip=reason)


class Folder(DiskTree):
    """A plain folder, open for reading."""

    def entries(self) -> Iterator[TreeEntry]:
        """Every path that is not ignored; a folder only where it cannot be entered.

        Raises:
            SourceNotFoundError: the folder itself cannot be listed.
        """
        pending = [self._inside(_Found(b"", stat.S_IFDIR, 0, ()))]
        while pending:
            found = next(pending[-1], None)
            if found is None:
                pending.pop()
            elif isinstance(found, TreeEntry):
                yield found
            elif found.is_folder:
                pending.append(self._inside(found))
            else:
                yield TreeEntry(found.path, found.mode, found.size)

    def _inside(self, folder: _Found) -> Iterator[_Found | TreeEntry]:
        """What a folder holds, in the order of full paths; the folder itself if it is closed."""
        if len(folder.path) > MAX_PATH_BYTES:
            yield folder.skipped("path_too_long")
            return
        try:
            listing = self._disk.listing(folder.path)
        except OSError as exc:
            if not folder.path:
                raise SourceNotFoundError(f"the folder cannot be listed: {exc.strerror}") from exc
            yield folder.skipped("unreadable")
            return
        prefix = folder.path + b"/" if folder.path else b""
        chain = folder.chain
        if any(name == _IGNORE_FILE for name, _ in listing):
            chain = self._with_rules(chain, prefix)
        for name, status in sorted(listing, key=_order):
            found = _Found(prefix + name, status.st_mode, status.st_size, chain)
            if name != b".git" and not is_ignored(chain, _asked(found)):
                yield found

    def _with_rules(self, chain: Chain, prefix: bytes) -> Chain:
        """`chain` and the rules of the folder itself; git does not follow a symlink to rules."""
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
