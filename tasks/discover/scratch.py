"""Temporary folders that outlive nothing: removed after use, and swept after a kill.

Apart from `tempfile`, whose folders stay for ever when their process is killed. Each folder is
locked by its owner (`flock` ends with the process), so that whoever comes next removes the dead.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from config.errors import ConfigurationError, TransientError

_PREFIX = "scratch-"


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A new, empty folder in `parent`, which is made if need be.

    Raises:
        ConfigurationError: `parent` cannot be made or written to.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with _locked(parent, fcntl.LOCK_EX):  # or a new folder is swept before it is locked
            _sweep(parent)
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            lock = _lock(folder, fcntl.LOCK_EX)
    except OSError as exc:
        raise ConfigurationError(f"{parent} cannot be written to: {exc.strerror}") from exc
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@contextmanager
def disk_faults(place: Path) -> Iterator[None]:
    """Translates what the system says when `place` is full or broken.

    Raises:
        TransientError: instead of an OSError.
    """
    try:
        yield
    except OSError as exc:
        raise TransientError(f"{place} cannot be used: {exc.strerror}") from exc


def _sweep(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        # locked: its owner lives; missing: its owner has just removed it
        with suppress(OSError), _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path, operation: int) -> Iterator[None]:
    lock = _lock(folder, operation)
    try:
        yield
    finally:
        os.close(lock)


def _lock(folder: Path, operation: int) -> int:
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, operation)
    except OSError:
        os.close(lock)
        raise
    return lock
