"""A remote repository over https: a server on loopback, under the public name that git is given.

The rule that only public addresses are fetched is tested in `tests/unit/discover/test_remote.py`;
here git is pointed at loopback by the very pin that keeps it to checked addresses. The certificate
and its key in `tls/` are for `git.test` and nothing else.
"""

from __future__ import annotations

import os
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from config.errors import (
    BadInputError,
    MnemoError,
    RefNotFoundError,
    RemoteUnavailableError,
    UrlForbiddenError,
)
from config.timeouts import Timeouts
from tasks.discover.git import Origin, Repository
from tasks.discover.manifest import scan
from tasks.discover.remote import PinnedUrl
from tasks.discover.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.discover.conftest import Repo

TLS = Path(__file__).parent / "tls"
HOST = "git.test"

# What the server does below these paths instead of serving the repository.
STATUS = {"missing": 404, "private": 401, "forbidden": 403, "broken": 503, "busy": 429}


class GitHandler(BaseHTTPRequestHandler):
    """Serves one repository through git's own CGI program, and misbehaves on request."""

    protocol_version = "HTTP/1.1"
    server: GitServer

    def do_GET(self) -> None:
        """Answers one request."""
        place = self.path.split("/")[1]
        self.server.seen.append(self.path)
        if place in STATUS:
            self.answer(STATUS[place])
        elif place == "moved":
            self.answer(302, location=self.server.elsewhere)
        elif place == "page":
            self.answer(200, b"<!DOCTYPE html>\n<html>\n<p>a page</p>\n</html>\n", "text/html")
        elif place == "silent":
            self.server.released.wait(60)
        else:
            self.serve()

    do_POST = do_GET  # noqa: N815 - the name is http.server's

    def answer(
        self, status: int, body: bytes = b"", kind: str = "text/plain", location: str = ""
    ) -> None:
        """Sends one answer."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if location:
            self.send_header("Location", location + self.path.removeprefix("/moved"))
        self.end_headers()
        self.wfile.write(body)

    def serve(self) -> None:
        """Runs `git http-backend`."""
        path, _, query = self.path.partition("?")
        done = subprocess.run(
            ["git", "http-backend"],
            input=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
            env={
                "PATH": os.defpath,
                "GIT_PROJECT_ROOT": str(self.server.root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            },
            check=False,  # it fails after it has told the client why
            capture_output=True,
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
        if self.server.cut:
            body = body[: len(body) // 2]
            self.close_connection = True
        self.answer(int(fields.get("Status", "200")[:3]), body, fields["Content-Type"])

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class GitServer(ThreadingHTTPServer):
    """An https server of the repositories below `root`."""

    daemon_threads = True
    cut = False
    elsewhere = ""

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), GitHandler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(TLS / "certificate.pem", TLS / "key.pem")
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.root = root
        self.seen: list[str] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        """Where it is, by name."""
        return f"https://{HOST}:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """A client that leaves is no news."""


@pytest.fixture
def server(repo: Repo) -> Iterator[GitServer]:
    """Serves `repo` as /repository."""
    with GitServer(repo.path.parent) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield running
        running.released.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def connect(server: GitServer, tmp_path: Path) -> Iterator[Callable[..., Repository]]:
    """Opens a path of the server as `open_repository` opens a URL that passed the checks."""
    opened: list[Repository] = []

    def run(path: str, *, seconds: float = 60, trusted: bool = True) -> Repository:
        pinned = PinnedUrl(f"{server.url}/{path}", HOST, server.server_port, ("127.0.0.1",))
        trust = (f"http.sslCAInfo={TLS / 'certificate.pem'}",) if trusted else ()
        origin = Origin(pinned.url, "https", (f"http.curloptResolve={pinned.pin}", *trust))
        timeouts = Timeouts.model_validate({"git_command": seconds, "git_clone": seconds})
        folder = tmp_path / f"opened-{len(opened)}"
        folder.mkdir()
        opened.append(Repository(origin, folder, timeouts))
        return opened[-1]

    yield run
    for repository in opened:
        repository.close()


def test_a_remote_repository_is_read(repo: Repo, connect: Callable[..., Repository]) -> None:
    """Under its name, at the address it is pinned to."""
    commit = repo.commit({"a.py": "x = 1\n", "d/b.py": "y\n"})
    repository = connect("repository")

    resolved = repository.resolve()
    repository.fetch(resolved.commit, max_file_bytes=1_000)
    contents = {entry.path: repository.read(entry) for entry in repository.entries()}

    assert (commit, "main") == (resolved.commit, resolved.name)
    assert {b"a.py": b"x = 1\n", b"d/b.py": b"y\n"} == contents


def test_a_commit_of_a_remote_repository_is_read(
    repo: Repo, connect: Callable[..., Repository]
) -> None:
    """By its id alone."""
    first = repo.commit({"a.py": "1"})
    repo.commit({"a.py": "2"})
    repository = connect("repository")

    repository.fetch(repository.resolve(first).commit, max_file_bytes=1_000)

    assert [b"1"] == [repository.read(entry) for entry in repository.entries()]


def test_large_files_are_not_sent(repo: Repo, connect: Callable[..., Repository]) -> None:
    """By a server that filters; their size stays unknown."""
    repo.git("config", "uploadpack.allowFilter", "true")
    commit = repo.commit({"a.py": "x", "big.txt": os.urandom(100_000)})
    repository = connect("repository")

    repository.fetch(commit, max_file_bytes=1_000)

    assert {b"a.py": 1, b"big.txt": -1} == {e.path: e.size for e in repository.entries()}


def test_a_missing_commit_is_not_found(repo: Repo, connect: Callable[..., Repository]) -> None:
    """The server says so."""
    repo.commit({"a.py": "x"})

    with pytest.raises(RefNotFoundError):
        connect("repository").fetch("1" * 40, max_file_bytes=1_000)


def test_a_redirect_is_not_followed(
    repo: Repo, server: GitServer, connect: Callable[..., Repository]
) -> None:
    """It could lead to any address; nobody calls there."""
    repo.commit({"a.py": "x"})
    with GitServer(repo.path.parent) as trap:
        server.elsewhere = f"https://127.0.0.1:{trap.server_port}"
        trap.timeout = 0.2

        with pytest.raises(UrlForbiddenError, match="redirects"):
            connect("moved/repository").resolve()

        trap.handle_request()
        assert trap.seen == []


def test_a_redirect_on_the_same_server_is_not_followed(
    repo: Repo, server: GitServer, connect: Callable[..., Repository]
) -> None:
    """Though git would by default."""
    repo.commit({"a.py": "x"})
    server.elsewhere = server.url

    with pytest.raises(UrlForbiddenError, match="redirects"):
        connect("moved/repository").resolve()

    assert all(path.startswith("/moved/") for path in server.seen)


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("missing/x", BadInputError, "needs credentials or does not exist"),
        ("private/x", BadInputError, "needs credentials or does not exist"),
        ("forbidden/x", BadInputError, "needs credentials or does not exist"),
        ("page/x", BadInputError, "is this the URL of a repository"),
        ("broken/x", RemoteUnavailableError, "503"),
        ("busy/x", RemoteUnavailableError, "429"),
    ],
)
def test_an_answer_that_is_no_repository_is_told_in_one_line(
    connect: Callable[..., Repository], path: str, error: type[MnemoError], message: str
) -> None:
    """Whether trying again may help decides the class."""
    with pytest.raises(error, match=message) as caught:
        connect(path).resolve()

    assert type(caught.value) is error
    assert "\n" not in str(caught.value)


def test_a_silent_server_is_given_up(connect: Callable[..., Repository]) -> None:
    """After the limit, and it may be tried again."""
    started = time.monotonic()

    with pytest.raises(RemoteUnavailableError, match="too long"):
        connect("silent/x", seconds=1).resolve()

    assert time.monotonic() - started < 5


def test_an_answer_that_is_cut_may_be_tried_again(
    repo: Repo, server: GitServer, connect: Callable[..., Repository]
) -> None:
    """The network failed, not the repository."""
    commit = repo.commit({"a.txt": os.urandom(50_000)})
    repository = connect("repository")
    repository.resolve()
    server.cut = True

    with pytest.raises(RemoteUnavailableError):
        repository.fetch(commit, max_file_bytes=1 << 20)


def test_a_server_that_is_gone_may_be_tried_again(
    server: GitServer, connect: Callable[..., Repository]
) -> None:
    """Nobody listens."""
    repository = connect("repository")
    server.socket.close()

    with pytest.raises(RemoteUnavailableError):
        repository.resolve()


def test_a_certificate_of_nobody_is_refused(connect: Callable[..., Repository]) -> None:
    """Nothing is read from whoever that is."""
    with pytest.raises(BadInputError, match="certificate"):
        connect("repository", trusted=False).resolve()


def test_a_url_that_leads_inside_never_reaches_git(server: GitServer, scratch: Path) -> None:
    """The whole way from a source; nobody is called."""
    source = Source("url", f"https://{HOST}/repository")
    answer = [(0, 0, 0, "", ("127.0.0.1", 443))]

    with (
        pytest.raises(UrlForbiddenError, match=r"127\.0\.0\.1"),
        scan(
            source,
            ref=None,
            worktree=False,
            max_file_bytes=1_000,
            scratch=scratch,
            timeouts=Timeouts.model_validate({}),
            resolve_host=lambda *_, **__: list(answer),
        ),
    ):
        pass

    assert server.seen == []
