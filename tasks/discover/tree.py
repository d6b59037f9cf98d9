"""What every kind of source comes down to: entries in path order, and the bytes behind them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from tasks.discover.skip import Reason


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One path of a source, not yet read."""

    path: bytes
    """Relative to the root, parts separated by `/`."""
    mode: int
    """As of `stat`, or git's own."""
    size: int
    """In bytes; -1 where a server kept back what is too large, and its size."""
    object_id: str = ""
    """Git's name of the content, where it has one."""
    skip: Reason | None = None
    """Set where it cannot even be looked at."""


class Tree(Protocol):
    """A source that is open."""

    def entries(self) -> Iterator[TreeEntry]:
        """Every path but folders, in the order of their bytes, each once."""
        ...

    def read(self, entry: TreeEntry) -> bytes | Reason:
        """The content, or why it cannot be had. Call it for small, regular files only."""
        ...
