"""What `test_deadline.py` has done in processes of their own: each at the top of its module."""

import asyncio
import ctypes
import os
import subprocess
from pathlib import Path
from typing import Any

from config.errors import EncoderUnavailableError
from config.timeouts import Timeouts
from tasks.deadline import limited, run_limited


class OddError(RuntimeError):
    """Of a class that the caller does not know."""


def note(path: str, pid: int) -> None:
    """Tells that something runs, whole or not at all."""
    draft = Path(f"{path}.draft")
    draft.write_text(str(pid))
    draft.rename(path)


def hang(path: str) -> None:
    """In C, holding the interpreter's lock, so that neither signal nor thread could end it."""
    note(path, os.getpid())
    ctypes.PyDLL(None).pause()


def start_and_hang(path: str) -> None:
    """The same with a process of its own."""
    with subprocess.Popen(["/bin/sleep", "60"]) as sleeper:
        note(path, sleeper.pid)
        ctypes.PyDLL(None).pause()


def start_and_return() -> int:
    """Leaves a process behind."""
    return subprocess.Popen(["/bin/sleep", "60"]).pid


def start_and_crash(path: str) -> None:
    """The same, and dies."""
    note(path, start_and_return())
    os.abort()


def hang_within(path: str) -> None:
    """Has somebody else hang."""
    run_limited("model_check", hang, path, limits=Timeouts())


def call_it_odd() -> None:
    """Raises what no other process knows."""
    raise OddError("odd")


def encode_half_a_character() -> None:
    """Raises what cannot be made of a message alone."""
    "\ud800".encode()


def refuse_to_be_json() -> object:
    """Returns what has no such form."""
    return object()


def call_it_unavailable() -> None:
    """Raises an error of ours."""
    raise EncoderUnavailableError("no model")


def echo(*arguments: Any) -> Any:
    """What was given."""
    print("on stdout, which is no answer")  # noqa: T201 - that is what is tested
    return arguments


def who() -> int:
    """The process that does it."""
    return os.getpid()


@limited("model_check")
def joined(first: str, *, second: str) -> str:
    """Both, in a process of their own."""
    return f"{first} {second} {os.getpid()}"


@limited("model_check")
async def slowly(seconds: float, said: list[str]) -> str:
    """Waits, and says how it ended."""
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        await asyncio.sleep(0.01)
        said.append("cleaned up")
        raise
    return "done"


@limited("model_check")
async def give_up() -> None:
    """Has a limit of its own."""
    raise TimeoutError("mine")
