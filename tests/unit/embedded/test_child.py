"""Starting programs: what they are given, and how they are tied to us."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from config.errors import ConfigurationError
from workers.embedded.account import as_we_are
from workers.embedded.child import ENVIRONMENT, run, start
from workers.embedded.process import Process

TIED = """
import signal, sys
from workers.embedded import child
from workers.embedded.account import as_we_are
print(child.start(["/bin/sleep", "60"], as_we_are(), output=1, on_owner_death=signal.SIGTERM).pid,
      flush=True)
sys.stdin.read()
"""


def test_our_environment_is_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hold secrets, and variables that change a server."""
    monkeypatch.setenv("MNEMO_DATABASE_URL", "canary")
    shown = run(["/usr/bin/env"], as_we_are(), timeout=10).stdout.splitlines()

    assert sorted(f"{name}={value}" for name, value in ENVIRONMENT.items()) == sorted(
        line for line in shown if not line.startswith("_=")
    )


def test_standard_input_arrives() -> None:
    """The way of secrets into a server."""
    assert "secret" == run(["/bin/cat"], as_we_are(), timeout=10, stdin=b"secret").stdout


def test_standard_input_can_be_opened_by_name() -> None:
    """As initdb does."""
    done = run(["/bin/cat", "/dev/stdin"], as_we_are(), timeout=10, stdin=b"secret")

    assert "secret" == done.stdout


def test_both_outputs_are_returned() -> None:
    """Reasons are printed to either."""
    done = run(["/bin/sh", "-c", "echo out; echo err >&2; exit 3"], as_we_are(), timeout=10)

    assert (3, "out\nerr\n") == (done.returncode, done.stdout)


def test_a_program_that_takes_too_long_is_killed() -> None:
    """And its caller told so."""
    with pytest.raises(subprocess.TimeoutExpired):
        run(["/bin/sleep", "60"], as_we_are(), timeout=0.1)


def test_a_folder_out_of_reach_is_reported(tmp_path: Path) -> None:
    """Before the program runs."""
    with pytest.raises(subprocess.SubprocessError):
        run(["/bin/true"], as_we_are(), timeout=10, reach=tmp_path / "missing")


def test_a_program_that_is_missing_is_told() -> None:
    """In one line with its path."""
    with pytest.raises(ConfigurationError, match="cannot run /no/such/server"):
        start(["/no/such/server"], as_we_are(), output=1, on_owner_death=signal.SIGTERM)


def test_files_of_a_server_are_private(tmp_path: Path) -> None:
    """Whatever our umask is."""
    before = os.umask(0)
    try:
        run(["/bin/sh", "-c", f"echo > {tmp_path / 'file'}"], as_we_are(), timeout=10)
    finally:
        os.umask(before)

    assert 0o600 == (tmp_path / "file").stat().st_mode & 0o777


def test_no_file_of_ours_is_inherited(tmp_path: Path) -> None:
    """Above all not the lock of the home: a server would keep it when we are gone."""
    with (tmp_path / "lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)
        shown = run(["/bin/ls", "/proc/self/fd"], as_we_are(), timeout=10).stdout.split()

    assert str(lock) not in shown
    assert len(shown) == 4  # in, out, err, and the folder that is being listed


def test_a_child_ends_with_its_owner() -> None:
    """SIGKILL leaves no time to stop it."""
    with subprocess.Popen(
        [sys.executable, "-c", TIED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        child = Process.of(int(owner.stdout.readline()))
        owner.kill()

    assert child is not None
    assert child.gone_within(5)
