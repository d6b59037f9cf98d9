"""What git's complaint means: which error of ours, and what the user should do.

Apart from running git, because git tells faults apart by English sentences only: they stand in one
table, which tests compare with what git really says. Commands run with `LC_ALL=C`.
"""

import re
from typing import Final

from config.errors import (
    BadInputError,
    MnemoError,
    RefNotFoundError,
    RemoteUnavailableError,
    SourceNotFoundError,
    TransientError,
    UrlForbiddenError,
)
from config.scrub import one_line
from tasks.discover.command import Finished, Transport

_DETAIL_CHARS = 200

Rule = tuple[re.Pattern[str], type[MnemoError], str]

TOO_LARGE: Final = "the repository is larger than may be fetched: index a clone or a part of it"


def _rule(pattern: str, error: type[MnemoError], message: str) -> Rule:
    return re.compile(pattern, re.IGNORECASE), error, message


_UNSOUND = re.compile(r"fsck error|object [0-9a-f]+: \w+:")

_ANYWHERE: Final = (
    _rule(
        r"not our ref|unadvertised object|couldn't find remote ref|upload-pack: bogus",
        RefNotFoundError,
        "the repository has no such commit",
    ),
    (
        _UNSOUND,
        BadInputError,
        "git refuses the repository, an object of it is malformed or malicious: {detail}",
    ),
    _rule(
        # that alone is all git says of an index-pack that the file size limit has killed
        r"died of signal 25|file size limit|file too large"
        r"|\A(?:warning:.*\n)*fatal: fetch-pack: invalid index-pack output\Z",
        BadInputError,
        TOO_LARGE,
    ),
    _rule(
        r"out of memory|mmap failed|died of signal 9\b|cannot allocate",
        BadInputError,
        "the repository needs more memory than git may have",
    ),
    _rule(r"no space left|quota exceeded", TransientError, "the disk for temporary clones is full"),
)
_HTTPS: Final = (
    _rule(
        r"returned error: 30\d|update url base from redirection",
        UrlForbiddenError,
        "the server redirects, which is not followed: give the URL that it redirects to",
    ),
    _rule(
        r"authentication failed|could not read username|returned error: 4(?!29|08)|' not found",
        BadInputError,
        "the repository needs credentials or does not exist: clone it and index the folder",
    ),
    _rule(
        r"certificate",
        BadInputError,
        "the server's TLS certificate cannot be verified: {detail}",
    ),
    _rule(
        r"is this a git repository|bad line length|invalid (?:server )?response|unexpected content"
        r"|dumb http transport",
        BadInputError,
        "the server does not answer as git servers do: is this the URL of a repository?",
    ),
    _rule("", RemoteUnavailableError, "the git server does not answer: {detail}"),
)
_FILE: Final = (
    _rule(
        r"lazy fetching|promisor",
        BadInputError,
        "the repository is a partial clone: complete it with `git fetch --refetch --no-filter`",
    ),
    _rule(
        r"not a git repository|does not appear to be a git repository|no such file",
        SourceNotFoundError,
        "git finds no repository there",
    ),
    _rule(
        r"must be run in a work tree|needs? a work tree",
        BadInputError,
        "the repository has no work tree",
    ),
    _rule(
        "",
        BadInputError,
        "git cannot read the repository, it may be damaged (`git fsck` tells): {detail}",
    ),
)


def is_unsound(finished: Finished) -> bool:
    """Whether git refused an object that it was sent."""
    return _UNSOUND.search(finished.complaint) is not None


def error_of(finished: Finished, transport: Transport) -> MnemoError:
    """The error to raise for a command that failed.

    Args:
        finished: its end.
        transport: what it talked to: `https` a server, anything else this machine's disk.
    """
    if finished.overrun == "size":
        return BadInputError(TOO_LARGE)
    if finished.overrun == "time":
        if transport == "https":
            return RemoteUnavailableError("the git server took too long to answer")
        return BadInputError("git took too long to read the repository")
    lines = [line for line in finished.complaint.splitlines() if line.strip()]
    if transport == "https":
        # what a server says is not git's word
        lines = [line for line in lines if not line.startswith("remote:")]
    return _first((*_ANYWHERE, *(_HTTPS if transport == "https" else _FILE)), lines)


def _first(rules: tuple[Rule, ...], lines: list[str]) -> MnemoError:
    complaint = "\n".join(lines)
    _, error, message = next(rule for rule in rules if rule[0].search(complaint))
    return error(message.format(detail=_detail(lines)))


def _detail(lines: list[str]) -> str:
    told = [line for line in lines if line.startswith(("fatal:", "error:"))] or lines
    detail = told[0].partition(": ")[2] or told[0] if told else "it said nothing"
    return one_line(detail)[:_DETAIL_CHARS]
