"""Files written whole or not at all, refusals in one line."""

import errno
import os
import resource
import stat
from pathlib import Path

import pytest

from config.errors import ConfigurationError
from workers.embedded.disk import explained, make_folder, tells_full_disk, write_whole


def test_a_written_file_is_private(tmp_path: Path) -> None:
    """Passwords are in it."""
    write_whole(tmp_path / "file", "text")

    assert 0o600 == stat.S_IMODE((tmp_path / "file").stat().st_mode)


def test_a_file_is_replaced(tmp_path: Path) -> None:
    """By what is written last."""
    write_whole(tmp_path / "file", "a longer old text")
    write_whole(tmp_path / "file", "new")

    assert "new" == (tmp_path / "file").read_text()


def test_a_failed_write_leaves_the_old_file_alone(tmp_path: Path) -> None:
    """And nothing beside it."""
    write_whole(tmp_path / "file", "old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
            write_whole(tmp_path / "file", "more than fits")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert [("file", "old")] == [(path.name, path.read_text()) for path in tmp_path.iterdir()]


def test_a_link_put_in_the_way_is_not_followed(tmp_path: Path) -> None:
    """Nobody gets passwords written into a file of his choice."""
    (tmp_path / "file.new").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        write_whole(tmp_path / "file", "secret")

    assert not (tmp_path / "elsewhere").exists()


def test_folders_get_their_mode_whatever_the_umask(tmp_path: Path) -> None:
    """All that are made, parents too."""
    before = os.umask(0o077)
    try:
        make_folder(tmp_path / "parent" / "folder", 0o711)
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}

    assert {0o711} == modes


def test_a_folder_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    """It is not ours to open or close."""
    tmp_path.chmod(0o750)
    make_folder(tmp_path, 0o711)

    assert 0o750 == stat.S_IMODE(tmp_path.stat().st_mode)


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "free some space"),
        (errno.EFBIG, "free some space"),
        (errno.EACCES, "a folder that this user owns"),
        (errno.EROFS, "a folder that this user owns"),
        (errno.ENOTDIR, "is in the way"),
        (errno.EIO, "another folder"),
    ],
)
def test_a_refusal_says_what_to_do(number: int, advice: str) -> None:
    """In one line, with the place and the setting."""
    with pytest.raises(ConfigurationError) as refusal, explained(Path("/the/home")):
        raise OSError(number, os.strerror(number))
    message = str(refusal.value)

    assert advice in message
    assert "/the/home" in message
    assert "MNEMO_HOME" in message
    assert "\n" not in message


def test_the_file_that_is_refused_is_named() -> None:
    """Which may be another than the home."""
    with pytest.raises(ConfigurationError, match="/the/file"), explained(Path("/the/home")):
        raise PermissionError(errno.EACCES, "Permission denied", "/the/file")


def test_a_server_s_words_for_a_full_disk_are_known() -> None:
    """As PostgreSQL prints them."""
    assert tells_full_disk('could not write to file "pg_wal/1": No space left on device')


def test_other_words_are_no_full_disk() -> None:
    """Another reason gets another advice."""
    assert not tells_full_disk('could not bind IPv4 address "127.0.0.1": Address already in use')
