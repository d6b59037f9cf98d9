"""Limits of time that hold: what takes too long is killed, not abandoned.

A thread cannot be stopped, and a signal waits for C code to return. So a function that blocks runs
in a process of its own, which is killed at the limit with all that it started; its memory goes with
it. A coroutine is cancelled and awaited to its end. Limits are named in `config/timeouts.py`.

Never around a commit: killed in the middle of one, nobody would know its outcome. The database's
own limits are for statements, leases for whoever goes silent; a test finds modules that use this
one and the database together.

Not by `multiprocessing`, which imports from the current folder, perhaps a hostile repository, and
sends pickle. Arguments and results are JSON: a tuple arrives as a list.
"""

import asyncio
import builtins
import inspect
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Any, TypeVar, cast

from config import errors
from config.errors import DeadlineExceededError, TransientError
from config.settings import get_settings
from config.timeouts import Timeouts, variable
from tasks.parse.frames import encode
from tasks.parse.process import GoneError, Process, SilentError, ending

F = TypeVar("F", bound=Callable[..., Any])
R = TypeVar("R")

ERRORS: Mapping[str, type[Exception]] = {
    f"{module.__name__}.{name}": kind
    for module in (builtins, errors)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and issubclass(kind, Exception)
}
"""The errors that find their way back out of the process, by their full names."""


def run_limited(operation: str, function: Callable[..., R], *arguments: Any, limits: Timeouts) -> R:
    """`function(*arguments)` in a process of its own, killed at the limit of `operation`.

    Args:
        operation: a limit's name.
        function: at the top of a module that another process can import.
        arguments: JSON, as its result must be.
        limits: where the limit is looked up.

    Raises:
        DeadlineExceededError: it took longer.
        TransientError: the process died of something else, or cannot be started.
        Exception: what the function raised, as the nearest class of `ERRORS`.
    """
    result: R = _Call(operation, function, arguments, {}, limits).outcome()
    return result


async def run_limited_async(
    operation: str, function: Callable[..., R], *arguments: Any, limits: Timeouts
) -> R:
    """The same while the event loop goes on; cancelling it kills the process too."""
    call = _Call(operation, function, arguments, {}, limits)
    with ThreadPoolExecutor(1, "limited") as thread:  # of its own: the loop's may all be busy
        outcome = asyncio.get_running_loop().run_in_executor(thread, call.outcome)
        try:
            result: R = await asyncio.shield(outcome)
        except asyncio.CancelledError:
            call.cut()
            await asyncio.wait([outcome])
            outcome.exception()  # looked at, or it would be reported as lost
            raise
    return result


async def await_limited(operation: str, awaitable: Awaitable[R], *, limits: Timeouts) -> R:
    """The result of `awaitable`, which is cancelled at the limit and awaited to its end.

    Raises:
        DeadlineExceededError: it took longer.
    """
    seconds = limits.limit(operation)
    try:
        async with asyncio.timeout(seconds) as scope:
            return await awaitable
    except TimeoutError as exc:
        if not scope.expired():
            raise  # a limit of its own
        raise _exceeded(operation, seconds) from exc


def limited(operation: str) -> Callable[[F], F]:
    """As a decorator, with the limits of this process's settings.

    A plain function, at the top of its module, is called by `run_limited`; an async one is awaited
    by `await_limited`.

    Raises:
        ValueError: there is no such limit, or no other process can import the function.
    """
    Timeouts.model_validate({}).limit(operation)

    def decorate(function: F) -> F:
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def awaited(*args: Any, **kwargs: Any) -> Any:
                limits = get_settings().timeouts
                return await await_limited(operation, function(*args, **kwargs), limits=limits)

            return cast("F", awaited)
        _address(function)

        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            return _Call(operation, function, args, kwargs, get_settings().timeouts).outcome()

        run.unlimited = function  # type: ignore[attr-defined]  # what the process calls
        return cast("F", run)

    return decorate


class _Call:
    """One call in one process, started at once."""

    def __init__(
        self,
        operation: str,
        function: Callable[..., Any],
        arguments: Sequence[Any],
        named: Mapping[str, Any],
        limits: Timeouts,
    ) -> None:
        self._operation = operation
        self._seconds = limits.limit(operation)
        self._request = encode(
            {
                "operation": operation,
                "function": _address(function),
                "arguments": list(arguments),
                "named": dict(named),
            }
        )
        # -I: the current folder may be a hostile repository
        argv = [sys.executable, "-I", "-m", "tasks.deadline_child", str(os.getpid())]
        try:
            self._process = Process(argv, ours=True)
        except OSError as exc:
            raise TransientError(f"no process can be started for {operation}: {exc}") from exc

    def outcome(self) -> Any:
        """What the function returned; raises what it raised, or how it ended."""
        try:
            reply = self._process.ask(self._request, self._seconds)
        except SilentError as exc:
            raise _exceeded(self._operation, self._seconds) from exc
        except GoneError as exc:
            how = ending(self._process.bury())
            raise TransientError(f"the process of {self._operation} {how}") from exc
        finally:
            self._process.kill()
        if "error" in reply:
            error = ERRORS[reply["error"]](reply["message"])
            error.add_note(reply["trace"])
            raise error
        return reply["result"]

    def cut(self) -> None:
        """Kills it while another thread waits for the outcome."""
        self._process.cut()


def _exceeded(operation: str, seconds: float) -> DeadlineExceededError:
    return DeadlineExceededError(
        f"{operation} took longer than {seconds:g} s and was ended:"
        f" {variable(operation)} gives it longer",
        operation=operation,
        seconds=seconds,
    )


def _address(function: Callable[..., Any]) -> str:
    module, name = function.__module__, function.__qualname__
    if module == "__main__" or not name.isidentifier():
        raise ValueError(f"{name} is not at the top of a module that other processes can import")
    return f"{module}:{name}"
