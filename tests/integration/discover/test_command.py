"""Git under limits: whatever it starts ends with it."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from config.errors import TransientError
from tasks.discover.command import Git, Limits, Transport
from tasks.discover.objects import ObjectReader

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.discover.conftest import Repo

PLENTY = 1 << 20
TRANSPORTS: tuple[Transport, ...] = ("file", "https", "none")


@pytest.fixture
def git(tmp_path: Path) -> Git:
    """Git that may reach nothing."""
    home = tmp_path / "home"
    home.mkdir()
    return Git(home, "none")


def alias(script: str) -> tuple[str, ...]:
    """Arguments that make git run a shell, for want of a git that misbehaves."""
    return ("-c", f"alias.misbehave=!{script}", "misbehave")


def has_ended(pid: int) -> bool:
    """Whether no such process runs; one that nobody has reaped yet does not run."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until_ended(pids: list[int]) -> bool:
    """Gives the kernel a moment to deliver what was sent."""
    deadline = time.monotonic() + 5
    while not (ended := all(map(has_ended, pids))) and time.monotonic() < deadline:
        time.sleep(0.01)
    return ended


def test_a_command_s_output_is_returned(git: Git) -> None:
    """Whatever its size."""
    script = "head -c 300000 /dev/zero"

    finished = git.run(*alias(script), limits=Limits(20, PLENTY))

    with finished.output as output:
        assert bytes(300_000) == output.read()
    assert finished.ok


def test_a_failure_has_a_code_and_a_complaint(git: Git) -> None:
    """The tail of stderr."""
    script = "{ head -c 100000 /dev/zero; echo; echo fatal: no; } >&2; exit 7;:"

    finished = git.run(*alias(script), limits=Limits(20, PLENTY))

    finished.output.close()
    assert (finished.ok, finished.code, finished.overrun) == (False, 7, None)
    assert finished.complaint.endswith("fatal: no\n")
    assert len(finished.complaint) <= 8_192


def test_a_timeout_kills_the_whole_group(git: Git, tmp_path: Path) -> None:
    """The children of its children too, and soon."""
    pids = tmp_path / "pids"
    script = f"sleep 600 & echo $! $$ > {pids}; (sleep 600); :"
    started = time.monotonic()

    finished = git.run(*alias(script), limits=Limits(1, PLENTY))

    finished.output.close()
    assert finished.overrun == "time"
    assert time.monotonic() - started < 5
    assert wait_until_ended([int(pid) for pid in pids.read_text().split()])


def test_what_a_finished_command_leaves_running_is_killed(git: Git, tmp_path: Path) -> None:
    """Nothing outlives its command."""
    pids = tmp_path / "pids"
    script = f"sleep 600 > /dev/null 2>&1 & echo $! > {pids}; :"

    finished = git.run(*alias(script), limits=Limits(20, PLENTY))

    finished.output.close()
    assert finished.ok
    assert wait_until_ended([int(pids.read_text())])


def test_an_output_that_grows_too_large_ends_the_command(git: Git) -> None:
    """By the kernel's limit for one file."""
    finished = git.run(*alias("exec cat /dev/zero;:"), limits=Limits(20, PLENTY))

    with finished.output as output:
        assert os.fstat(output.fileno()).st_size <= PLENTY
    assert not finished.ok


def test_a_folder_that_grows_too_large_ends_the_command(git: Git, tmp_path: Path) -> None:
    """Though none of its files is large."""
    folder = tmp_path / "watched"
    folder.mkdir()
    fill = "i=$((i+1)); head -c 100000 /dev/zero > $i; sleep 0.01"
    script = f"cd {folder}; i=0; while :; do {fill}; done;:"

    finished = git.run(*alias(script), limits=Limits(20, PLENTY, folder=folder))

    finished.output.close()
    assert finished.overrun == "size"


def test_memory_has_a_limit(git: Git) -> None:
    """For whatever git starts."""
    script = "ulimit -v; ulimit -c;:"

    finished = git.run(*alias(script), limits=Limits(20, PLENTY))

    with finished.output as output:
        assert output.read().split() == [b"2097152", b"0"]


def test_the_environment_is_git_s_own(git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of ours reaches it: no proxy, no token, no git setting."""
    for name in ("GIT_DIR", "GIT_CONFIG_COUNT", "GIT_SSH_COMMAND", "HTTPS_PROXY", "SECRET_TOKEN"):
        monkeypatch.setenv(name, "canary")

    finished = git.run(*alias("env;:"), limits=Limits(20, PLENTY))

    with finished.output as output:
        environment = output.read().decode()
    assert "canary" not in environment
    expected = {
        *("GIT_TERMINAL_PROMPT=0", "GIT_NO_LAZY_FETCH=1", "GIT_NO_REPLACE_OBJECTS=1"),
        *("GIT_OPTIONAL_LOCKS=0", "GIT_CONFIG_NOSYSTEM=1", "GIT_ALLOW_PROTOCOL=none", "LC_ALL=C"),
    }
    assert expected <= set(environment.splitlines())


def test_redirects_prompts_and_helpers_are_off(git: Git) -> None:
    """As git itself reads its settings."""
    finished = git.run("config", "--list", limits=Limits(20, PLENTY))

    with finished.output as output:
        listed = output.read().decode().splitlines()
    expected = {
        *(
            "http.followredirects=false",
            "http.proxy=",
            "credential.helper=",
            "core.fsmonitor=false",
        ),
        *("core.hookspath=/dev/null", "submodule.recurse=false", "fetch.fsckobjects=true"),
        *("core.untrackedcache=false", "gc.auto=0", "maintenance.auto=false", "safe.directory=*"),
    }
    assert expected <= set(listed)


def test_a_home_on_a_broken_disk_may_be_tried_again(git: Git, tmp_path: Path) -> None:
    """Here it is gone."""
    shutil.rmtree(tmp_path / "home")

    with pytest.raises(TransientError, match="cannot be used"):
        git.run("version", limits=Limits(20, PLENTY))
    with pytest.raises(TransientError, match="cannot be used"):
        Git(tmp_path / "home", "none")


def test_only_the_named_transport_is_open(repo: Repo, tmp_path: Path) -> None:
    """Whatever a URL, a redirect or a submodule asks for."""
    repo.commit({"a.py": "x"})
    (tmp_path / "home").mkdir()
    codes = {
        (transport, url[:4]): _code(Git(tmp_path / "home", transport), url)
        for transport in TRANSPORTS
        for url in (f"file://{repo.path}", "ext::true")
    }

    assert {("file", "file")} == {case for case, code in codes.items() if code == 0}


def _code(git: Git, url: str) -> int:
    finished = git.run("ls-remote", url, limits=Limits(20, PLENTY))
    finished.output.close()
    assert finished.ok or "not allowed" in finished.complaint
    return finished.code


@pytest.fixture
def objects(repo: Repo, git: Git) -> ObjectReader:
    """A reader of a repository with a few blobs."""
    repo.commit({"a.txt": "a\n", "b.txt": "b" * 200_000, "empty.txt": ""})
    where = (f"--git-dir={repo.path / '.git'}", "cat-file", "--batch")
    return ObjectReader(git, where, Limits(20, PLENTY), seconds=20)


def test_objects_are_read_one_after_another(repo: Repo, objects: ObjectReader) -> None:
    """Whatever their size; None for what is no file or not there."""
    names = ("HEAD:a.txt", "HEAD:b.txt", "HEAD:empty.txt", "HEAD", "HEAD:a.txt")
    ids = [repo.git("rev-parse", name) for name in names]

    contents = [objects.read(object_id) for object_id in (*ids, "1" * 40)]

    objects.close()
    assert [b"a\n", b"b" * 200_000, b"", None, b"a\n", None] == contents


def test_a_reader_that_was_killed_is_an_error(repo: Repo, objects: ObjectReader) -> None:
    """Not a hang."""
    os.kill(objects._process.pid, 9)
    os.waitid(os.P_PID, objects._process.pid, os.WEXITED | os.WNOWAIT)

    with pytest.raises(TransientError, match="died"):
        objects.read(repo.git("rev-parse", "HEAD:a.txt"))

    objects.close()


def test_a_reader_that_dies_over_a_question_is_an_error(git: Git) -> None:
    """At once, not after its deadline."""
    objects = ObjectReader(git, alias("read question;:"), Limits(20, PLENTY), seconds=600)

    with pytest.raises(TransientError, match="died"):
        objects.read("1" * 40)

    objects.close()


def test_a_reader_that_is_silent_is_an_error(git: Git) -> None:
    """After its deadline."""
    objects = ObjectReader(git, alias("sleep 600;:"), Limits(20, PLENTY), seconds=0.2)

    with pytest.raises(TransientError, match=r"within 0\.2 s"):
        objects.read("1" * 40)

    objects.close()
