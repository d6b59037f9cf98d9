"""Starts a server's program as our child: as another user if need be, tied to our life.

The ties hold on Linux only (`PR_SET_PDEATHSIG`): there, a server never outlives its owner, not even
one killed with SIGKILL. Elsewhere the next owner of the home stops what the last one left behind.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from config.errors import ConfigurationError
from workers.embedded.account import Account
from workers.embedded.process import Step, escalate

PR_SET_PDEATHSIG = 1  # linux/prctl.h
CLONE_NEWUSER = 0x10000000  # linux/sched.h

# Nothing of our own environment: it may hold secrets, and PG* and LC_* variables change servers.
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath}

# Looked up here, because a lookup between fork and exec could wait for a lock held in the parent.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_prctl = _libc.prctl if _libc else None
_unshare = _libc.unshare if _libc else None


class Child:
    """A running server of ours."""

    def __init__(self, popen: "subprocess.Popen[bytes]") -> None:
        self._popen = popen
        self.pid = popen.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._popen.poll() is None

    def exits_within(self, seconds: float) -> bool:
        """Waits for its end, at most so long; says whether it came."""
        try:
            self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self, *steps: Step) -> bool:
        """Sends one signal after the other until it is gone; says whether it is."""
        return escalate(self._popen.send_signal, self.exits_within, steps)


def start(
    command: Sequence[str | Path],
    account: Account,
    *,
    output: int,
    on_owner_death: signal.Signals,
    stdin: bytes = b"",
) -> Child:
    """Starts a server.

    Args:
        command: program and arguments; visible to every user of the machine.
        account: the user to run it as.
        output: file descriptor for what it prints.
        on_owner_death: the signal it receives when this process ends (Linux).
        stdin: its whole standard input (at most 64 KiB, what a pipe holds): the place for secrets.

    Raises:
        ConfigurationError: the program cannot be executed, or this is not the main thread: the
            kernel would end the server together with the *thread* that started it.
    """
    if threading.current_thread() is not threading.main_thread():
        raise ConfigurationError("embedded servers can only be started by the main thread")
    try:
        return Child(_popen(command, account, output, stdin, _tied(account, on_owner_death)))
    except (OSError, subprocess.SubprocessError) as exc:
        raise ConfigurationError(f"cannot run {command[0]}: {exc}") from exc


def run(
    command: Sequence[str | Path],
    account: Account,
    *,
    timeout: float,
    stdin: bytes = b"",
    reach: Path | None = None,
) -> "subprocess.CompletedProcess[str]":
    """Runs a program to its end, killed with us, and returns its code and what it printed.

    Args:
        command: program and arguments.
        account: the user to run it as.
        timeout: seconds, then it is killed.
        stdin: its whole standard input.
        reach: a folder that this user must be able to enter.

    Raises:
        OSError: the program cannot be executed by this user.
        subprocess.SubprocessError: the user cannot be entered or cannot enter `reach`;
            TimeoutExpired if it took too long.
    """
    prepare = _tied(account, signal.SIGKILL, reach)
    with _popen(command, account, subprocess.PIPE, stdin, prepare) as popen:
        try:
            printed, _ = popen.communicate(timeout=timeout)
        except BaseException:
            popen.kill()
            raise
    text = printed.decode("utf-8", "replace")
    return subprocess.CompletedProcess(command, popen.returncode, text)


def _popen(
    command: Sequence[str | Path],
    account: Account,
    output: int,
    stdin: bytes,
    prepare: Callable[[], None],
) -> "subprocess.Popen[bytes]":
    source = _filled_pipe(stdin, account)
    try:
        return subprocess.Popen(
            command,
            stdin=source,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=ENVIRONMENT,
            umask=0o077,
            start_new_session=True,  # Ctrl-C is for us: we stop servers in order
            user=account.uid if account.switch else None,
            group=account.gid if account.switch else None,
            extra_groups=[] if account.switch else None,
            preexec_fn=prepare,  # noqa: PLW1509 - no other way to PDEATHSIG; takes no lock of ours
        )
    finally:
        os.close(source)


def _filled_pipe(content: bytes, account: Account) -> int:
    reading, writing = os.pipe()
    try:
        if account.switch:
            os.fchown(reading, account.uid, account.gid)  # initdb opens /dev/stdin by its name
        os.write(writing, content)
    finally:
        os.close(writing)
    return reading


def _tied(
    account: Account, on_owner_death: signal.Signals, reach: Path | None = None
) -> Callable[[], None]:
    """What the child does between fork and exec, already under its new user id."""
    owner = os.getpid()

    def prepare() -> None:
        if account.inside is not None:
            _enter_user_namespace(account)
        if reach is not None:
            os.chdir(reach)
        if _prctl is not None:
            _prctl(PR_SET_PDEATHSIG, int(on_owner_death), 0, 0, 0)
            if os.getppid() != owner:  # it died before the tie was made
                os._exit(1)

    return prepare


def _enter_user_namespace(account: Account) -> None:
    """Maps one user and one group id, as user_namespaces(7) allows without privilege."""
    if account.inside is None or _unshare is None or _unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "user namespaces are not allowed here")
    uid, gid = account.inside
    for name, line in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {account.uid} 1"),
        ("gid_map", f"{gid} {account.gid} 1"),
    ):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY)
        os.write(descriptor, line.encode())
        os.close(descriptor)
