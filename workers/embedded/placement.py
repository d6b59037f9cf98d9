"""Chooses who runs PostgreSQL, and with which copy of its programs, by trying.

PostgreSQL refuses root. Root's ways, in order: as `nobody`; as `nobody` with a copy of programs
that only root can read; as ourselves inside a user namespace, where a folder above the home is
closed to everybody else. No permission of a folder that we did not make is ever changed.
"""

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.errors import ConfigurationError
from workers.embedded.account import Account, as_we_are, named, namespaced, unprivileged
from workers.embedded.binaries import VERSION_SECONDS, PostgresBinaries
from workers.embedded.child import run


@dataclass(frozen=True, slots=True)
class Placement:
    """Who runs which programs."""

    account: Account
    binaries: PostgresBinaries


def choose(found: PostgresBinaries, home: Path, copies: Path) -> Placement:
    """The first placement that can enter `home` and run the server.

    Args:
        found: the programs as installed.
        home: an existing folder of ours that will hold the data.
        copies: a folder in it for a copy of the programs, made only if needed.

    Raises:
        ConfigurationError: there is none.
    """
    if os.geteuid() != 0:
        return Placement(named(as_we_are()), found)
    for placement in _ways_of_root(found, home, copies):
        if _works(placement, home):
            return placement
    raise ConfigurationError(
        f"PostgreSQL refuses to run as root, and no other user can enter {home}:"
        " set MNEMO_HOME to a folder below one that everybody may enter, such as /var/lib/mnemolite"
    )


def _ways_of_root(found: PostgresBinaries, home: Path, copies: Path) -> Iterator[Placement]:
    nobody = unprivileged()
    yield Placement(nobody, found)
    if found.packaged and _enters(nobody, home):
        yield Placement(nobody, found.copied_to(copies))
    yield Placement(namespaced(), found)


def _works(placement: Placement, home: Path) -> bool:
    return _runs([placement.binaries.postgres, "--version"], placement.account, home)


def _enters(account: Account, home: Path) -> bool:
    """Whether the folder, and not the program, is within the account's reach."""
    return _runs(["/bin/sh", "-c", ":"], account, home)


def _runs(command: Sequence[str | Path], account: Account, home: Path) -> bool:
    try:
        return run(command, account, timeout=VERSION_SECONDS, reach=home).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False
