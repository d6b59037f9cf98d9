"""Runs git so that nothing of a repository, its server or this machine's settings runs with it.

Apart from what is asked of git (`git.py`), because this is the security boundary: no system or user
configuration, hooks, filters, prompts, helpers, lazy fetches or transports but the one named; no
checkout ever. Every command has its own process group, which is killed as a whole, and limits on
wall time, CPU time, memory and what it may write.

The flags follow git's own advice (the security section of `git help git`) and Sourcegraph's
gitserver; each was tried against a repository that abuses it.
"""

import math
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Final, Literal

from config.errors import ConfigurationError
from tasks.discover.scratch import disk_faults

Transport = Literal["https", "file", "none"]
Overrun = Literal["time", "size"]

MEMORY_BYTES: Final = 2 << 30
"""Address space of a git process. A delta can make gigabytes of a few bytes."""

# On the command line, because these must win over the configuration of a repository.
_FLAGS: Final = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.attributesFile=/dev/null",
    "credential.helper=",
    "submodule.recurse=false",
    "fetch.fsckObjects=true",  # refuses trees that name `..`, `.git` or a path with a slash
    # harmless faults that old, honest histories have: Gitaly lets the same three pass
    "fetch.fsck.badTimezone=ignore",
    "fetch.fsck.missingSpaceBeforeDate=ignore",
    "fetch.fsck.zeroPaddedFilemode=ignore",
    "gc.auto=0",
    "maintenance.auto=false",
    "http.followRedirects=false",
    "http.proxy=",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=30",
)

# In a file, because git hides flags from the process that serves a local repository. Ownership is
# not asked for (`*`): what it guards against, the repository's own settings, is switched off here.
_CONFIGURATION: Final = """\
[safe]
	directory = *
[core]
	packedGitWindowSize = 32m
	packedGitLimit = 256m
	bigFileThreshold = 32m
[pack]
	threads = 1
	window = 0
	windowMemory = 64m
"""

# Limits are set by the child itself, before git starts: setting them from outside comes too late
# for what git starts first, and Python's preexec_fn is unsafe in a process with threads.
_LIMITED: Final = (
    'ulimit -c 0 && ulimit -v "$1" && ulimit -t "$2" && ulimit -f "$3" && shift 3 && exec "$@"'
)
_ULIMIT_FILE_BLOCK = 512
_STDERR_TAIL = 8_192
_LONGEST_NAP = 0.05


@dataclass(frozen=True, slots=True)
class Limits:
    """What a command may use."""

    seconds: float
    """Wall time; also the CPU time of each of its processes."""
    file_bytes: int
    """The largest file that it may write, its output included."""
    folder: Path | None = None
    """Watched while it runs: all files in it together may hold `file_bytes` too."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A command's end."""

    code: int
    """As of `subprocess`: negative for the signal that killed it."""
    output: BinaryIO
    """At its start; on disk and without a name, so that it may be large."""
    complaint: str
    """The tail of stderr."""
    overrun: Overrun | None
    """The limit that ended it."""

    @property
    def ok(self) -> bool:
        """Whether it did what it was asked."""
        return self.code == 0 and self.overrun is None


class Git:
    """git with a private, empty home.

    Args:
        home: an empty folder; it and everything in it are the caller's to remove.
        transport: the only one that git may use.
        flags: further `name=value` settings for every command.

    Raises:
        ConfigurationError: git is not installed.
    """

    def __init__(self, home: Path, transport: Transport, flags: Sequence[str] = ()) -> None:
        executable = shutil.which("git")
        if executable is None:
            raise ConfigurationError("git is not on the PATH: install it (apt-get install git)")
        self._home = home
        self._flags = [part for flag in (*_FLAGS, *flags) for part in ("-c", flag)]
        self._executable = executable
        self._environment = _environment(home, Path(executable).parent, transport)
        with disk_faults(home):
            (home / ".gitconfig").write_text(_CONFIGURATION)

    def run(self, *arguments: str, limits: Limits, cwd: Path | None = None) -> Finished:
        """Runs one command to its end or its limit; kills whatever it started.

        Raises:
            TransientError: the disk is full.
        """
        with disk_faults(self._home):
            output: BinaryIO = tempfile.TemporaryFile(dir=self._home)  # noqa: SIM115 - the caller's to read
            errors: BinaryIO = tempfile.TemporaryFile(dir=self._home)  # noqa: SIM115 - closed below
        with errors:
            process = self.start(*arguments, limits=limits, cwd=cwd, stdout=output, stderr=errors)
            try:
                overrun = _wait(process, limits)
            finally:
                stop(process)
            output.seek(0)
            errors.seek(max(0, errors.seek(0, os.SEEK_END) - _STDERR_TAIL))
            complaint = errors.read().decode(errors="replace")
        if process.returncode == -signal.SIGXFSZ:
            overrun = "size"
        return Finished(process.returncode, output, complaint, overrun)

    def start(
        self,
        *arguments: str,
        limits: Limits,
        cwd: Path | None = None,
        stdin: int = subprocess.DEVNULL,
        stdout: int | IO[bytes] = subprocess.PIPE,
        stderr: int | IO[bytes] = subprocess.DEVNULL,
    ) -> subprocess.Popen[bytes]:
        """Starts one command, to be ended with `stop`; nobody watches its wall time or folder."""
        command = [self._executable, *self._flags, *arguments]
        return subprocess.Popen(
            ["/bin/sh", "-c", _LIMITED, "sh", *_ulimits(limits), *command],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            bufsize=0,
            cwd=cwd or self._home,
            env=self._environment,
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """Kills the process and all that it started, and reaps it."""
    # Until it is reaped its group's number cannot pass to another.
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()


def _wait(process: subprocess.Popen[bytes], limits: Limits) -> Overrun | None:
    """Waits for the end without reaping, so that `stop` still finds the group."""
    deadline = time.monotonic() + limits.seconds
    nap = 0.001
    while not os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        if time.monotonic() > deadline:
            return "time"
        if limits.folder and _folder_bytes(limits.folder) > limits.file_bytes:
            return "size"
        time.sleep(nap)
        nap = min(nap * 2, _LONGEST_NAP)
    return None


def _folder_bytes(folder: Path) -> int:
    """The size of all files below; what vanishes meanwhile counts nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118 - hot: no objects
            except FileNotFoundError:
                continue
    return total


def _ulimits(limits: Limits) -> list[str]:
    wanted = (
        (resource.RLIMIT_AS, MEMORY_BYTES, 1024),
        (resource.RLIMIT_CPU, math.ceil(limits.seconds), 1),
        (resource.RLIMIT_FSIZE, limits.file_bytes, _ULIMIT_FILE_BLOCK),
    )
    return [str(_allowed(limit, most) // unit) for limit, most, unit in wanted]


def _allowed(limit: int, wanted: int) -> int:
    """`wanted`, or this process's own hard limit where that is lower."""
    _, hard = resource.getrlimit(limit)
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


def _environment(home: Path, git_folder: Path, transport: Transport) -> dict[str, str]:
    return {
        "PATH": f"{git_folder}:/usr/bin:/bin",
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "TMPDIR": str(home),
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_DIR": "/dev/null",  # no repository unless a command names one
        "GIT_ALLOW_PROTOCOL": transport,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_SSH_COMMAND": "false",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",  # the remote of a hostile partial clone names a command
        "GIT_OPTIONAL_LOCKS": "0",
    }
