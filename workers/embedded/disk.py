"""Files of the home: written whole or not at all, and every refusal told in one line.

Apart from `home.py`, because the server modules write there too and owe the same messages.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.errors import ConfigurationError

# EFBIG: a file size limit of the process (ulimit -f) stops a server as a full disk does
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
NOT_A_FOLDER = (errno.ENOTDIR, errno.EEXIST)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns an `OSError` of the block into one line about `path` that says what to do.

    Raises:
        ConfigurationError: the file system refused.
    """
    try:
        yield
    except OSError as exc:
        raise ConfigurationError(_advice(path, exc)) from exc


def full_disk(path: Path, reason: str) -> ConfigurationError:
    """The error for a disk, quota or file size limit that is exhausted."""
    return ConfigurationError(
        f"no room for {path} ({reason}): free some space,"
        " or set MNEMO_HOME to a folder on another disk"
    )


def tells_full_disk(text: str) -> bool:
    """Whether a server's output blames the disk, a quota or a file size limit."""
    return any(os.strerror(number) in text for number in FULL)


def make_folder(path: Path, mode: int) -> None:
    """Creates `path` and its missing parents with exactly `mode`; what exists is left alone."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)  # the umask may have taken bits away


def write_whole(path: Path, text: str) -> None:
    """Replaces `path` by `text`, readable by the owner only: after a power cut it is old or new."""
    aside = path.with_name(path.name + ".new")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Makes renames inside `path` survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _advice(path: Path, exc: OSError) -> str:
    reason = exc.strerror or str(exc)
    if exc.errno in FULL:
        return str(full_disk(path, reason))
    place = exc.filename if isinstance(exc.filename, str) else path
    if exc.errno in FORBIDDEN:
        return f"cannot use {place} ({reason}): set MNEMO_HOME to a folder that this user owns"
    if exc.errno in NOT_A_FOLDER:
        return f"{place} is in the way ({reason}): set MNEMO_HOME to a folder, or a new path"
    return f"cannot use {place} ({reason}): set MNEMO_HOME to another folder"
