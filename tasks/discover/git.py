"""Reads one commit of a git repository, near or far, without ever checking it out.

A bare, shallow fetch of the one commit into a temporary folder cleans it: what a repository may
configure, hook or filter stays behind, git has checked every object, and a path is only bytes.
Reading the tree needs no checkout, so symlinks, filters, case twins and paths that escape have
nothing to act on.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import quote

from config.errors import RefNotFoundError
from config.logging import get_logger
from config.timeouts import Timeouts
from tasks.discover.command import Finished, Git, Limits, Transport
from tasks.discover.complaint import error_of, is_unsound
from tasks.discover.objects import ObjectReader
from tasks.discover.refs import ResolvedRef, choose, is_commit_id, parse_listing
from tasks.discover.remote import Resolver, check_url
from tasks.discover.scratch import disk_faults, scratch_folder
from tasks.discover.skip import Reason
from tasks.discover.source import Source
from tasks.discover.tree import TreeEntry

MAX_CLONE_BYTES: Final = 4 << 30
"""Of one commit without its large files; all of Linux has 0.3 GiB."""

LISTING_BYTES: Final = 256 << 20
"""Of paths: about 2.5 million. A dozen tree objects can name billions."""

REFS_BYTES: Final = 64 << 20
"""Of refs: about a million, which are held in memory."""

_SHA1_DIGITS: Final = 40
_PIECE_BYTES: Final = 1 << 20

log = get_logger("discover")


@dataclass(frozen=True, slots=True)
class Origin:
    """What git is pointed at."""

    address: str
    transport: Transport
    flags: tuple[str, ...] = ()


class Repository:
    """A repository, open for as long as `open_repository` lasts.

    Call `resolve`, then `fetch`, then `entries` and `read`.
    """

    def __init__(self, origin: Origin, folder: Path, timeouts: Timeouts) -> None:
        home = folder / "home"
        home.mkdir()
        self._git = Git(home, origin.transport, origin.flags)
        self._origin = origin
        self._bare = folder / "bare"
        self._timeouts = timeouts
        self._commit = ""
        self._objects: ObjectReader | None = None

    def resolve(self, ref: str | None = None) -> ResolvedRef:
        """The commit that `ref` stands for, as the repository says now.

        A full commit id stands for itself; whether it exists is seen when it is fetched.

        Raises:
            RefNotFoundError: there is no such ref.
            NothingToIndexError: the repository has no commit.
            RemoteUnavailableError: the server does not answer.
            BadInputError: it is no repository, or needs credentials.
        """
        if ref is not None and is_commit_id(ref):
            return ResolvedRef(ref, ref)
        # a popular server has 100,000 refs of pull requests
        ordinary = ref is not None and ref != "HEAD" and not ref.startswith("refs/")
        only = ("--heads", "--tags") if ordinary else ()
        arguments = ("ls-remote", "--symref", *only, "--", self._origin.address)
        with self._output(*arguments, max_bytes=REFS_BYTES) as lines:
            return choose(parse_listing(lines), ref)

    def fetch(self, commit: str, *, max_file_bytes: int, max_bytes: int = MAX_CLONE_BYTES) -> None:
        """Fetches one commit's tree, and of its files those that may be read.

        Args:
            commit: its full id.
            max_file_bytes: larger files may be left out; not every server can.
            max_bytes: the whole fetch may take this much disk.

        Raises:
            RefNotFoundError: there is no such commit.
            RemoteUnavailableError: the server does not answer.
            BadInputError: it is too large, damaged, or malicious.
        """
        object_format = "sha256" if len(commit) > _SHA1_DIGITS else "sha1"
        format_option = f"--object-format={object_format}"
        self._output(*self._in_bare("init", "-q", "--bare", "--template=", format_option)).close()
        fetched = self._fetched(commit, max_bytes, f"--filter=blob:limit={max_file_bytes + 1}")
        # forgets the server, which a filter makes git remember and ask again
        with disk_faults(self._bare):
            (self._bare / "config").write_text(_bare_configuration(object_format))
        if is_unsound(fetched):
            # with a filter, git 2.39 forgets which faults are harmless
            fetched.output.close()
            fetched = self._fetched(commit, max_bytes)
        self._checked(fetched).close()
        with self._output(*self._in_bare("cat-file", "-t", commit)) as kind:
            if kind.read().strip() != b"commit":
                raise RefNotFoundError(f"{commit} is not a commit: give the commit's own id")
        self._commit = commit
        log.debug("discover.fetched", commit=commit)

    def entries(self) -> Iterator[TreeEntry]:
        """Every file, symlink and submodule of the commit, in the order of their bytes."""
        command = self._in_bare("ls-tree", "-r", "-l", "-z", "--full-tree", self._commit)
        with self._output(*command) as listing:
            for record in _records(listing):
                yield _tree_entry(record)

    def read(self, entry: TreeEntry) -> bytes | Reason:
        """The content of an entry."""
        if self._objects is None:
            limits = Limits(self._timeouts.git_clone, LISTING_BYTES)
            command = self._in_bare("cat-file", "--batch")
            self._objects = ObjectReader(self._git, command, limits, self._timeouts.git_command)
        content = self._objects.read(entry.object_id)
        return "unreadable" if content is None else content

    def close(self) -> None:
        """Ends the process that reads objects."""
        if self._objects is not None:
            self._objects.close()

    def _in_bare(self, *arguments: str) -> tuple[str, ...]:
        return (f"--git-dir={self._bare}", *arguments)

    def _fetched(self, commit: str, max_bytes: int, *options: str) -> Finished:
        return self._git.run(
            *self._in_bare("fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head"),
            *(*options, "--", self._origin.address, commit),
            limits=Limits(self._timeouts.git_clone, max_bytes, folder=self._bare),
        )

    def _output(self, *arguments: str, max_bytes: int | None = None) -> BinaryIO:
        limits = Limits(self._timeouts.git_command, max_bytes or LISTING_BYTES)
        return self._checked(self._git.run(*arguments, limits=limits))

    def _checked(self, finished: Finished) -> BinaryIO:
        """The command's output; raises what its failure means."""
        if finished.ok:
            return finished.output
        finished.output.close()
        raise error_of(finished, self._origin.transport)


@contextmanager
def open_repository(
    source: Source,
    *,
    scratch: Path,
    timeouts: Timeouts,
    resolve_host: Resolver = socket.getaddrinfo,
) -> Iterator[Repository]:
    """Opens a `git` or `url` source; whatever is fetched is removed afterwards.

    Raises:
        UrlForbiddenError: the URL leads where nothing may be fetched.
        ConfigurationError: `scratch` cannot be written to, or git is not installed.
    """
    origin = _origin(source, resolve_host)
    with scratch_folder(scratch) as folder:
        repository = Repository(origin, folder, timeouts)
        try:
            yield repository
        finally:
            repository.close()


def resolve_ref(
    source: Source, ref: str | None = None, *, scratch: Path, timeouts: Timeouts
) -> ResolvedRef:
    """The commit that `ref` stands for, without fetching it; raises as `Repository.resolve`."""
    with open_repository(source, scratch=scratch, timeouts=timeouts) as repository:
        return repository.resolve(ref)


def _origin(source: Source, resolve_host: Resolver) -> Origin:
    if source.kind == "url":
        url = check_url(source.location, resolve_host)
        pinned = (f"http.curloptResolve={url.pin}",) if url.pin else ()
        return Origin(url.url, "https", pinned)
    # as a URL: a plain path may look like an option or a remote's name, and --depth needs one
    return Origin(f"file://{quote(source.location)}", "file")


def _bare_configuration(object_format: str) -> str:
    version = "[core]\n\trepositoryformatversion = 1\n\tbare = true\n"
    return f"{version}[extensions]\n\tobjectFormat = {object_format}\n"


def _records(listing: BinaryIO) -> Iterator[bytes]:
    """The NUL-terminated records of a listing that may not fit into memory."""
    rest = b""
    while piece := listing.read(_PIECE_BYTES):
        *records, rest = (rest + piece).split(b"\0")
        yield from records


def _tree_entry(record: bytes) -> TreeEntry:
    """Parses `100644 blob 45b983be…      12<TAB>path`."""
    columns, _, path = record.partition(b"\t")
    mode, kind, object_id, size = columns.decode().split()
    known = size.isdigit()
    if not known and kind == "blob":
        return TreeEntry(path, int(mode, 8), -1, object_id)
    return TreeEntry(path, int(mode, 8), int(size) if known else 0, object_id)
