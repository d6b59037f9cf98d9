"""The user that a server runs as: ourselves, or for root (whom PostgreSQL refuses) somebody else.

A value only. `child.py` takes the steps, `placement.py` chooses.
"""

import os
import pwd
from dataclasses import dataclass

from config.errors import ConfigurationError

UNPRIVILEGED = "nobody"


@dataclass(frozen=True, slots=True)
class Account:
    """A user id and group id, and how a child process comes to it.

    Attributes:
        uid: owner of the server's files, as this process sees it.
        gid: group of the server's files.
        switch: the child changes to these ids (root only).
        inside: user and group id that the child believes to have, in a user namespace of its own
            that maps them to `uid` and `gid`.
    """

    uid: int
    gid: int
    switch: bool = False
    inside: tuple[int, int] | None = None


def as_we_are() -> Account:
    """The account of this process."""
    return Account(os.geteuid(), os.getegid())


def named(account: Account) -> Account:
    """`account`, if the system knows its name: initdb does not start without one.

    Raises:
        ConfigurationError: the user id has no entry in the password file.
    """
    try:
        pwd.getpwuid(account.uid)
    except KeyError as exc:
        raise ConfigurationError(
            f"user id {account.uid} has no entry in /etc/passwd, and PostgreSQL does not start"
            " without one: add it, run as another user,"
            " or set MNEMO_DATABASE_URL and MNEMO_BROKER_URL to servers of yours"
        ) from exc
    return account


def unprivileged() -> Account:
    """The account `nobody`, entered by changing to it: for root."""
    uid, gid = _unprivileged_ids()
    return Account(uid, gid, switch=True)


def namespaced() -> Account:
    """This process's account, which appears as `nobody` inside a user namespace.

    The files stay ours, so folders that are closed to everybody else stay closed.
    """
    return Account(os.geteuid(), os.getegid(), inside=_unprivileged_ids())


def _unprivileged_ids() -> tuple[int, int]:
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
    except KeyError as exc:
        raise ConfigurationError(
            f"PostgreSQL refuses to run as root and there is no user {UNPRIVILEGED!r} to run it as:"
            " run as an ordinary user, or set MNEMO_DATABASE_URL to a server of yours"
        ) from exc
    return entry.pw_uid, entry.pw_gid
