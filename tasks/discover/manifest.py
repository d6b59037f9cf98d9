"""The manifest of a source: one iterator over its files, each with its text or why it has none.

It joins the parts (git or disk, skip rules, decoding, redaction) and knows nothing of databases.
One file's content is held at a time.
"""

import hashlib
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from config.errors import BadInputError
from config.timeouts import Timeouts
from tasks.discover import skip
from tasks.discover.decode import DECODING_VERSION, decode
from tasks.discover.fingerprint import fingerprint
from tasks.discover.folder import Folder
from tasks.discover.git import Repository, open_repository
from tasks.discover.redact import REDACTION_VERSION, redact
from tasks.discover.remote import Resolver
from tasks.discover.source import Source, refuse_secret
from tasks.discover.tree import Tree, TreeEntry
from tasks.discover.worktree import WorkTree
from tasks.parse.languages import language_of

_PATHS_SEMANTICS: Final = 1  # counts changes of how paths are shown

POLICY_VERSION: Final = fingerprint(
    (skip.SKIP_VERSION, DECODING_VERSION, REDACTION_VERSION, _PATHS_SEMANTICS)
)
"""Changes whenever some file's text or skip reason may: an older manifest is then out of date."""

# The names of what has no ref. The space keeps them apart from every branch and tag.
WORKTREE_REF: Final = "working tree"
FOLDER_REF: Final = "plain folder"

_HEAD_CHARS: Final = 16_384


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a manifest."""

    path: str
    """Unique. May hold line feeds; bytes that are not UTF-8 are shown as `\\xff`, secrets as
    `<redacted:kind>`."""
    mode: int
    size: int
    """In bytes; -1 where a server kept back what is too large, and its size."""
    skip: skip.Reason | None
    """Why the rest is missing."""
    sha256: bytes | None = None
    """Of the content as it is stored by git or on disk."""
    language: str | None = None
    text: str | None = None
    """Decoded, without NUL and without secrets; as many lines as the file has."""
    secrets: int = 0
    """How many were taken out of the text."""
    seconds: float = field(default=0.0, compare=False)
    """What making the text out of the content took."""


class Scan:
    """A source that is being listed."""

    def __init__(self, ref: str, commit: str | None, tree: Tree, max_file_bytes: int) -> None:
        self.ref = ref
        """The branch, tag or commit; `WORKTREE_REF` or `FOLDER_REF` for what has none."""
        self.commit = commit
        """The commit's id. What is not committed has an id by its content, `tree:` and a digest of
        its paths, hashes and skip reasons: None until `entries` is exhausted."""
        self.entries = self._entries(tree, max_file_bytes)
        """In the order of the paths' bytes. To be read once. Nothing is fetched before."""

    def _entries(self, tree: Tree, max_file_bytes: int) -> Iterator[Entry]:
        digest = hashlib.sha256()
        paths = _Paths()
        for found in tree.entries():
            entry = _entry(tree, found, paths.shown(found.path), max_file_bytes)
            state = entry.sha256.hex() if entry.sha256 else str(entry.skip)
            digest.update(f"{entry.path}\0{state}\0".encode())
            yield entry
        if self.commit is None:
            self.commit = f"tree:{digest.hexdigest()}"


@contextmanager
def scan(
    source: Source,
    *,
    ref: str | None,
    worktree: bool,
    max_file_bytes: int,
    scratch: Path,
    timeouts: Timeouts,
    resolve_host: Resolver = socket.getaddrinfo,
) -> Iterator[Scan]:
    """Opens a source for listing. Whatever is fetched is removed when the block ends.

    Args:
        source: what to list.
        ref: a branch, tag or full commit id; None for the repository's default branch.
        worktree: list the files on the disk as they are, not the last commit.
        max_file_bytes: larger files are skipped.
        scratch: the folder for temporary clones; made if need be.
        timeouts: limits for git.
        resolve_host: asked for the addresses of a URL's host.

    Raises:
        BadInputError: the source, or what is asked of it, cannot be; its subclasses say how.
        RemoteUnavailableError: the server does not answer.
        ConfigurationError: git is missing, or `scratch` cannot be written to.
    """
    _check(source, ref, worktree)
    root = Path(source.location)
    if source.kind == "folder":
        with closing(Folder(root, max_file_bytes=max_file_bytes)) as folder:
            yield Scan(FOLDER_REF, None, folder, max_file_bytes)
    elif worktree:
        tree = WorkTree(root, max_file_bytes=max_file_bytes, scratch=scratch, timeouts=timeouts)
        with closing(tree):
            yield Scan(WORKTREE_REF, None, tree, max_file_bytes)
    else:
        opened = open_repository(
            source, scratch=scratch, timeouts=timeouts, resolve_host=resolve_host
        )
        with opened as repository:
            resolved = repository.resolve(ref)
            refuse_secret("the ref", resolved.name)
            commit = _Commit(repository, resolved.commit, max_file_bytes)
            yield Scan(resolved.name, resolved.commit, commit, max_file_bytes)


def _check(source: Source, ref: str | None, worktree: bool) -> None:
    if worktree and source.kind != "git":
        raise BadInputError("only a local git repository has a work tree: leave out --worktree")
    if worktree and ref is not None:
        raise BadInputError("--worktree lists the files on the disk, of no ref: leave out --ref")
    if source.kind == "folder" and ref is not None:
        raise BadInputError("the source is a plain folder, which has no refs: leave out --ref")


class _Commit:
    """A commit that is fetched when it is first looked at: most are known already."""

    def __init__(self, repository: Repository, commit: str, max_file_bytes: int) -> None:
        self._repository = repository
        self._commit = commit
        self._max_file_bytes = max_file_bytes
        self.read = repository.read

    def entries(self) -> Iterator[TreeEntry]:
        self._repository.fetch(self._commit, max_file_bytes=self._max_file_bytes)
        yield from self._repository.entries()


class _Paths:
    """Shows paths as text without secrets, each differently.

    Only a path that is not UTF-8 or holds a secret can be shown like another one. Both then have a
    backslash or a placeholder: those are remembered.
    """

    def __init__(self) -> None:
        self._doubtful: set[str] = set()

    def shown(self, path: bytes) -> str:
        shown = redact(path.decode(errors="backslashreplace")).text
        if "\\" in shown or "<redacted:" in shown:
            while shown in self._doubtful:
                shown += "\\"
            self._doubtful.add(shown)
        return shown


def _entry(tree: Tree, found: TreeEntry, path: str, max_file_bytes: int) -> Entry:
    reason = found.skip or skip.by_entry(
        found.path, found.mode, found.size, max_bytes=max_file_bytes
    )
    if reason:
        return Entry(path, found.mode, found.size, reason)
    content = tree.read(found)
    if isinstance(content, str):
        return Entry(path, found.mode, found.size, content)
    return _read_entry(path, found.mode, content, max_file_bytes)


def _read_entry(path: str, mode: int, content: bytes, max_file_bytes: int) -> Entry:
    began = time.monotonic()
    text = decode(content)
    reason = skip.by_content(content) or ("binary" if text is None else skip.by_text(path, text))
    if text is None or reason:
        return Entry(path, mode, len(content), reason)
    redacted = redact(text)
    # UTF-16 grows by decoding, and a short password by its placeholder
    if len(redacted.text.encode()) > max_file_bytes:
        return Entry(path, mode, len(content), "too_large")
    return Entry(
        path,
        mode,
        len(content),
        skip=None,
        sha256=hashlib.sha256(content).digest(),
        language=language_of(path, text[:_HEAD_CHARS]),
        text=redacted.text,
        secrets=len(redacted.secrets),
        seconds=time.monotonic() - began,
    )
