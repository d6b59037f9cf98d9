"""Lists a work tree's files as they lie on the disk: tracked and new ones, not ignored ones.

Git says which (`ls-files`, hardened), because only git knows its index and all its ignore rules;
the bytes are read here, because git would run the repository's filters over them.
"""

import stat
from collections.abc import Iterator
from pathlib import Path

from config.errors import BadInputError
from config.timeouts import Timeouts
from tasks.discover.command import Git, Limits
from tasks.discover.complaint import error_of
from tasks.discover.disk import DiskTree
from tasks.discover.git import LISTING_BYTES
from tasks.discover.scratch import scratch_folder
from tasks.discover.tree import TreeEntry


class WorkTree(DiskTree):
    """The work tree of a git repository, open for reading.

    Raises:
        SourceNotFoundError: it is gone or closed to us.
        BadInputError: it is a bare repository, or damaged.
    """

    def __init__(
        self, root: Path, *, max_file_bytes: int, scratch: Path, timeouts: Timeouts
    ) -> None:
        if not (root / ".git").exists():
            raise BadInputError(f"{root} is a bare repository: it has no work tree to index")
        super().__init__(root, max_file_bytes=max_file_bytes)
        self._root = root
        self._scratch = scratch
        self._timeouts = timeouts

    def entries(self) -> Iterator[TreeEntry]:
        """Every path that git would list and that is there; a repository inside is one entry."""
        for listed in self._listed():
            path = listed.rstrip(b"/")
            try:
                status = self._disk.stat(path)
            except (FileNotFoundError, NotADirectoryError):
                continue  # deleted, but still in the index
            except OSError:
                yield TreeEntry(path, stat.S_IFREG, 0, skip="unreadable")
                continue
            yield TreeEntry(path, status.st_mode, status.st_size)

    def _listed(self) -> list[bytes]:
        """Paths in the order of their bytes. Held in memory: git lists new files apart."""
        limits = Limits(self._timeouts.git_command, LISTING_BYTES)
        # both named: a repository may set core.worktree to any folder
        where = (f"--git-dir={self._root / '.git'}", f"--work-tree={self._root}")
        listing = ("ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "-z")
        with scratch_folder(self._scratch) as home:
            finished = Git(home, "none").run(*where, *listing, limits=limits, cwd=self._root)
            with finished.output as output:
                if not finished.ok:
                    raise error_of(finished, "none")
                return sorted(filter(None, output.read().split(b"\0")), key=_order)


def _order(path: bytes) -> bytes:
    """A repository inside is listed as `path/` and is one entry: it stands where `path` does."""
    return path.rstrip(b"/")
