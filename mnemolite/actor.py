"""Who runs this command, for the audit log."""

import getpass
import socket


def actor() -> str:
    """`user@host`."""
    return f"{_user()}@{socket.gethostname()}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "unknown"
