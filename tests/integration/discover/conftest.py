"""Repositories made with git itself, in temporary folders."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from config.timeouts import Timeouts
from tasks.discover.manifest import Entry, Scan, scan
from tasks.discover.source import parse_source

MAX_FILE_BYTES = 1 << 20
NOBODY = 65534

Files = dict[str, str | bytes]


class Tree:
    """A folder that a test fills."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def write(self, files: Files) -> None:
        """Writes files, with the folders that they need."""
        for name, content in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)


class Repo(Tree):
    """A git repository that a test builds up."""

    def __init__(self, path: Path, *options: str) -> None:
        super().__init__(path)
        self.git("init", "-q", "-b", "main", *options)

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        """Runs git as its owner would, and returns what it prints."""
        done = subprocess.run(
            ["git", "-C", str(self.path), *arguments],
            input=stdin,
            env={
                "PATH": os.defpath,
                "HOME": "/nonexistent",
                "GIT_CONFIG_NOSYSTEM": "1",
                **{f"GIT_{who}_NAME": "Ada" for who in ("AUTHOR", "COMMITTER")},
                **{f"GIT_{who}_EMAIL": "ada@example.org" for who in ("AUTHOR", "COMMITTER")},
            },
            check=True,
            capture_output=True,
        )
        return done.stdout.decode().strip()

    def commit(self, files: Files | None = None) -> str:
        """Commits everything in the work tree, and these files; returns the commit's id."""
        self.write(files or {})
        self.git("add", "--all")
        self.git("commit", "-q", "--allow-empty", "-m", "a commit")
        return self.git("rev-parse", "HEAD")

    def object(self, kind: str, content: bytes) -> str:
        """Stores an object that git itself may find unsound."""
        return self.git("hash-object", "-w", "--literally", "--stdin", "-t", kind, stdin=content)

    def tree(self, *entries: tuple[str, bytes, str]) -> str:
        """Stores a tree of (mode, name, object id), sound or not, in the order given."""
        lines = [
            f"{mode} ".encode() + name + b"\0" + bytes.fromhex(oid) for mode, name, oid in entries
        ]
        return self.object("tree", b"".join(lines))

    def commit_tree(self, tree: str) -> str:
        """Makes a commit of a tree the tip of main."""
        commit = self.git("commit-tree", tree, "-m", "a commit")
        self.git("update-ref", "refs/heads/main", commit)
        return commit


@dataclass(frozen=True)
class Scanned:
    """A scan that has ended."""

    ref: str
    commit: str | None
    entries: list[Entry]

    @property
    def reasons(self) -> dict[str, str | None]:
        """Each path's skip reason."""
        return {entry.path: entry.skip for entry in self.entries}

    @property
    def texts(self) -> dict[str, str]:
        """The text of each file that has one."""
        return {entry.path: entry.text for entry in self.entries if entry.text is not None}

    def entry(self, path: str) -> Entry:
        """The entry of this path."""
        return next(entry for entry in self.entries if entry.path == path)


class Scanner:
    """Scans what a path names, to its end."""

    def __init__(self, scratch: Path, timeouts: Timeouts) -> None:
        self.scratch = scratch
        self.timeouts = timeouts

    def open(
        self,
        path: Path,
        *,
        ref: str | None = None,
        worktree: bool = False,
        max_bytes: int = MAX_FILE_BYTES,
    ) -> AbstractContextManager[Scan]:
        """Opens a scan."""
        return scan(
            parse_source(str(path)),
            ref=ref,
            worktree=worktree,
            max_file_bytes=max_bytes,
            scratch=self.scratch,
            timeouts=self.timeouts,
        )

    def __call__(self, path: Path, **options: Any) -> Scanned:
        """Scans with the options of `open`."""
        with self.open(path, **options) as listing:
            entries = list(listing.entries)
            return Scanned(listing.ref, listing.commit, entries)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter; pytest's own are closed again by every pytest."""
    folder = Path(tempfile.mkdtemp(prefix="discover-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def repo(open_folder: Path) -> Repo:
    """An empty repository."""
    return Repo(open_folder / "repository")


@pytest.fixture
def new_repo(open_folder: Path) -> Callable[..., Repo]:
    """Makes further repositories: a name, and options of `git init`."""
    return lambda name, *options: Repo(open_folder / name, *options)


@pytest.fixture
def folder(open_folder: Path) -> Tree:
    """An empty folder."""
    return Tree(open_folder / "folder")


@pytest.fixture
def scratch(open_folder: Path) -> Iterator[Path]:
    """Where temporary clones go; whatever happens, nothing is left in it."""
    folder = open_folder / "scratch"
    yield folder
    left = list(folder.iterdir()) if folder.exists() else []
    assert left == []


@pytest.fixture
def timeouts() -> Timeouts:
    """The default limits."""
    return Timeouts.model_validate({})


@pytest.fixture
def scan_all(scratch: Path, timeouts: Timeouts) -> Scanner:
    """Scans a path to its end."""
    return Scanner(scratch, timeouts)


@pytest.fixture
def as_nobody() -> Callable[[], AbstractContextManager[None]]:
    """Lets permissions bind in a block, also where the tests run as root."""

    @contextmanager
    def lowered() -> Iterator[None]:
        os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)

    return lowered if os.geteuid() == 0 else nullcontext
