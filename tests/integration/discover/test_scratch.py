"""Temporary folders outlive nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from config.errors import ConfigurationError, TransientError
from tasks.discover.scratch import disk_faults, scratch_folder

OWNER = """
import sys
from pathlib import Path
from tasks.discover.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "file").write_text("x")
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_made_and_removed(tmp_path: Path) -> None:
    """With what was put into it."""
    with scratch_folder(tmp_path / "deep" / "scratch") as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "file").write_text("x")

    assert not folder.exists()


def test_an_error_removes_it_too(tmp_path: Path) -> None:
    """It is not for debugging."""
    with pytest.raises(ZeroDivisionError), scratch_folder(tmp_path) as folder:
        raise ZeroDivisionError

    assert not folder.exists()


def test_the_folder_of_a_killed_owner_is_swept(tmp_path: Path) -> None:
    """By whoever comes next; that of a living one stays."""
    owners = [
        subprocess.Popen(
            [sys.executable, "-c", OWNER, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    killed, living = owners
    folders = [owner.stdout.readline().strip() for owner in owners if owner.stdout]
    killed.send_signal(signal.SIGKILL)
    killed.wait()

    with scratch_folder(tmp_path) as mine:
        left = {str(path) for path in tmp_path.iterdir()}

    assert {folders[1], str(mine)} == left
    living.communicate("")
    killed.communicate()
    assert [] == list(tmp_path.iterdir())


def test_two_owners_do_not_meet(tmp_path: Path) -> None:
    """Each has its own folder."""
    with scratch_folder(tmp_path) as one, scratch_folder(tmp_path) as other:
        assert one != other
        assert one.exists()


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    """Only what has our name is swept."""
    (tmp_path / "precious").mkdir()

    with scratch_folder(tmp_path):
        pass

    assert (tmp_path / "precious").exists()


def test_a_place_that_cannot_be_written_to_is_a_clear_error(tmp_path: Path) -> None:
    """It names the place."""
    (tmp_path / "file").write_text("")

    with (
        pytest.raises(ConfigurationError, match="file/scratch cannot be written to"),
        scratch_folder(tmp_path / "file" / "scratch"),
    ):
        pass


def test_a_full_disk_may_be_tried_again(tmp_path: Path) -> None:
    """It says which."""
    with (
        pytest.raises(TransientError, match=r"cannot be used: No space left"),
        disk_faults(tmp_path),
    ):
        Path("/dev/full").write_text("x")
