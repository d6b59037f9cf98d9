"""What git says, and what it means. The sentences are git's own, of versions 2.39 to 2.51."""

import tempfile

import pytest

from config.errors import (
    BadInputError,
    MnemoError,
    RefNotFoundError,
    RemoteUnavailableError,
    SourceNotFoundError,
    TransientError,
    UrlForbiddenError,
)
from tasks.discover.command import Finished, Overrun, Transport
from tasks.discover.complaint import error_of


def ended(complaint: str = "", overrun: Overrun | None = None) -> Finished:
    """A command that failed with this complaint."""
    with tempfile.TemporaryFile() as output:
        return Finished(128, output, complaint, overrun)


REMOTE = "fatal: unable to access 'https://example.org/x/': "

OF_A_SERVER: dict[type[MnemoError], list[str]] = {
    RemoteUnavailableError: [
        REMOTE + "Could not resolve host: example.org",
        REMOTE + "Failed to connect to example.org port 443: Connection refused",
        REMOTE + "Operation too slow. Less than 1000 bytes/sec",
        REMOTE + "The requested URL returned error: 500",
        REMOTE + "The requested URL returned error: 429",
        REMOTE + "The requested URL returned error: 408",
        "error: RPC failed\nfatal: early EOF\nfatal: fetch-pack: invalid index-pack output",
        "",
    ],
    BadInputError: [
        REMOTE + "The requested URL returned error: 403",
        REMOTE + "SSL certificate problem: self-signed certificate",
        REMOTE + "server certificate verification failed. CAfile: none CRLfile: none",
        "remote: Repository not found.\nfatal: repository 'https://example.org/x/' not found",
        "fatal: Authentication failed for 'https://example.org/x/'",
        "fatal: could not read Username for 'https://x.org': terminal prompts disabled",
        "fatal: https://example.org/info/refs not valid: is this a git repository?",
        "error: object 1234abc: hasDotgit: contains '.git'\nfatal: fsck error in packed object",
        "fatal: Out of memory, malloc failed (tried to allocate 900 bytes)",
        "warning: filtering not recognized\nfatal: fetch-pack: invalid index-pack output",
    ],
    UrlForbiddenError: [
        REMOTE + "The requested URL returned error: 301",
        "fatal: unable to update url base from redirection:\n  asked for: x",
    ],
    RefNotFoundError: [
        "fatal: remote error: upload-pack: not our ref " + "1" * 40,
        "error: Server does not allow request for unadvertised object " + "1" * 40,
    ],
    TransientError: ["fatal: write error: No space left on device"],
}

OF_A_FOLDER: dict[type[MnemoError], list[str]] = {
    SourceNotFoundError: [
        "fatal: '/x' does not appear to be a git repository",
        "fatal: not a git repository: '/x/.git'",
    ],
    BadInputError: [
        "remote: warning: lazy fetching disabled; some objects may not be available",
        "remote: fatal: could not fetch 1234 from promisor remote",
        "fatal: pack has bad object at offset 12: inflate returned -3",
        "",
    ],
}


@pytest.mark.parametrize(
    ("error", "complaint"),
    [(error, complaint) for error, listed in OF_A_SERVER.items() for complaint in listed],
)
def test_a_server_s_fault_is_told_from_ours(error: type[MnemoError], complaint: str) -> None:
    """What may pass is transient, what cannot is not."""
    assert error is type(error_of(ended(complaint), "https"))


@pytest.mark.parametrize(
    ("error", "complaint"),
    [(error, complaint) for error, listed in OF_A_FOLDER.items() for complaint in listed],
)
def test_a_local_repository_s_fault_is_permanent(error: type[MnemoError], complaint: str) -> None:
    """It will be the same the next time."""
    assert error is type(error_of(ended(complaint), "file"))


@pytest.mark.parametrize(
    ("transport", "overrun", "error"),
    [
        ("https", "time", RemoteUnavailableError),
        ("file", "time", BadInputError),
        ("none", "time", BadInputError),
        ("https", "size", BadInputError),
        ("file", "size", BadInputError),
    ],
)
def test_an_overrun_limit_comes_first(
    transport: Transport, overrun: Overrun, error: type[MnemoError]
) -> None:
    """Whatever git says about being killed."""
    assert error is type(error_of(ended("fatal: early EOF", overrun), transport))


def test_a_server_cannot_choose_its_error() -> None:
    """What it says itself is not heard."""
    complaint = f"remote: not our ref\nremote: fatal: Out of memory\n{REMOTE}timed out"

    assert type(error_of(ended(complaint), "https")) is RemoteUnavailableError


@pytest.mark.parametrize("transport", ["https", "file"])
def test_the_message_is_one_clean_line(transport: Transport) -> None:
    """Without escapes, credentials and more than a line's worth."""
    complaint = (
        f"warning: x\nfatal: a\x1b[31m https://user:secret@example.org {'b' * 900}\nerror: c"
    )

    message = str(error_of(ended(complaint), transport))

    assert message.isprintable()
    assert "secret" not in message
    assert len(message) < 300
