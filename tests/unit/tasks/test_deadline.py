"""Limits that hold: whatever is done for too long is killed, and nothing of it is left."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from config.errors import DeadlineExceededError, EncoderUnavailableError, TransientError
from config.settings import Settings, get_settings
from config.timeouts import Timeouts
from tasks.deadline import await_limited, limited, run_limited, run_limited_async
from tasks.retry import Retry, policies
from tests.unit.tasks import chores

LIMITS = Timeouts()
SHORT = LIMITS.model_copy(update={"model_check": 0.1})
STARTED = LIMITS.model_copy(update={"model_check": 3.0})
"""Enough for a process to start, also on a busy machine."""


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where a chore notes the process that is to end."""
    return str(tmp_path / "pid")


@pytest.fixture
def short_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """This process's settings allow a tenth of a second."""
    for name in ("MODEL_CHECK", "MODEL_CONVERSION"):
        monkeypatch.setenv(f"MNEMO_TIMEOUTS__{name}", "0.1")
    get_settings.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    get_settings.cache_clear()


def is_gone(pid: int) -> bool:
    """True for a process that ended, whether or not anybody has noticed."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def await_gone(pid: int) -> None:
    """Waits a few seconds at the most."""
    await_true(lambda: is_gone(pid))


def await_true(condition: Callable[[], bool]) -> None:
    """Waits until it holds."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def cancelled_when_noted(chore: Callable[[str], None], path: str) -> int:
    """Starts a chore, cancels it once it runs; the process that it had noted."""

    async def cancelled() -> None:
        doing = asyncio.ensure_future(run_limited_async("model_check", chore, path, limits=LIMITS))
        await asyncio.to_thread(await_true, Path(path).exists)
        doing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await doing

    asyncio.run(cancelled())
    return int(Path(path).read_text())


def test_a_function_runs_in_a_process_of_its_own() -> None:
    """Which is gone when it has answered, with its memory."""
    pid = run_limited("model_check", chores.who, limits=LIMITS)

    assert pid != os.getpid()
    assert is_gone(pid)


def test_arguments_and_results_are_json() -> None:
    """Whatever they hold; what it prints is no answer."""
    given = [1, 2.5, "ä\ud800\0", None, [True], {"a": []}]

    assert given == run_limited("model_check", chores.echo, *given, limits=LIMITS)


def test_large_answers_come_back_whole() -> None:
    """Larger than any pipe."""
    text = "x" * (4 << 20)

    assert [text] == run_limited("model_check", chores.echo, text, limits=LIMITS)


def test_what_is_not_json_is_refused() -> None:
    """Before anything is started, or as the function's error."""
    with pytest.raises(TypeError, match="JSON"):
        run_limited("model_check", chores.echo, object(), limits=LIMITS)
    with pytest.raises(TypeError, match="JSON"):
        run_limited("model_check", chores.refuse_to_be_json, limits=LIMITS)


def test_a_function_that_hangs_in_c_is_killed(path: str) -> None:
    """Although it holds the interpreter's lock, so that no signal handler of Python could run."""
    with pytest.raises(DeadlineExceededError):
        run_limited("model_check", chores.hang, path, limits=STARTED)

    assert is_gone(int(Path(path).read_text()))


def test_a_kill_takes_what_the_function_started(path: str) -> None:
    """It has a session of its own."""
    with pytest.raises(DeadlineExceededError):
        run_limited("model_check", chores.start_and_hang, path, limits=STARTED)

    await_gone(int(Path(path).read_text()))


def test_an_answer_ends_what_the_function_started() -> None:
    """Nothing goes on in the background."""
    await_gone(run_limited("model_check", chores.start_and_return, limits=LIMITS))


def test_a_crash_ends_what_the_function_started(path: str) -> None:
    """And is told as what it was; another try may succeed."""
    with pytest.raises(TransientError, match="the process of model_check was killed by SIGABRT"):
        run_limited("model_check", chores.start_and_crash, path, limits=LIMITS)

    await_gone(int(Path(path).read_text()))


def test_an_exceeded_limit_names_itself() -> None:
    """The operation, what it was allowed, and what to set."""
    with pytest.raises(DeadlineExceededError) as caught:
        run_limited("model_check", time.sleep, 60, limits=SHORT)

    assert (caught.value.operation, caught.value.seconds) == ("model_check", 0.1)
    assert "0.1 s" in str(caught.value)
    assert "MNEMO_TIMEOUTS__MODEL_CHECK" in str(caught.value)


def test_an_exceeded_limit_is_worth_another_attempt() -> None:
    """Time depends on what else the machine does; the attempts are counted elsewhere."""
    policy = policies(Settings.model_validate({}))["embed"]

    assert isinstance(policy.decide(DeadlineExceededError(), 1), Retry)


def test_the_next_call_works_at_once() -> None:
    """A kill leaves nothing behind that the next one would have to wait for."""
    with pytest.raises(DeadlineExceededError):
        run_limited("model_check", time.sleep, 60, limits=SHORT)

    assert [1] == run_limited("model_check", chores.echo, 1, limits=LIMITS)


def test_an_error_comes_back_as_itself() -> None:
    """Ours and the language's, with the place where it was raised."""
    with pytest.raises(EncoderUnavailableError) as caught:
        run_limited("model_check", chores.call_it_unavailable, limits=LIMITS)
    with pytest.raises(FileNotFoundError, match="/nowhere"):
        run_limited("model_check", os.listdir, "/nowhere", limits=LIMITS)

    assert str(caught.value) == "no model"
    assert "chores.py" in caught.value.__notes__[0]


def test_a_foreign_error_comes_back_as_the_nearest_known() -> None:
    """By its name; also one that is not made of a message alone."""
    with pytest.raises(RuntimeError, match="OddError: odd"):
        run_limited("model_check", chores.call_it_odd, limits=LIMITS)
    with pytest.raises(ValueError, match="UnicodeEncodeError"):
        run_limited("model_check", chores.encode_half_a_character, limits=LIMITS)


def test_nothing_survives_the_caller(path: str) -> None:
    """However it dies."""
    code = (
        "import sys\n"
        "from config.timeouts import Timeouts\n"
        "from tasks.deadline import run_limited\n"
        "from tests.unit.tasks import chores\n"
        "run_limited('model_check', chores.hang, sys.argv[1], limits=Timeouts())"
    )
    with subprocess.Popen([sys.executable, "-c", code, path]) as caller:
        await_true(Path(path).exists)
        caller.kill()

    await_gone(int(Path(path).read_text()))


def test_nothing_is_imported_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be a hostile repository."""
    for name in ("json", "tasks", "importlib"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    assert [1] == run_limited("model_check", chores.echo, 1, limits=LIMITS)


def test_the_event_loop_goes_on_meanwhile() -> None:
    """Others are served while a function blocks."""
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.01)
            turns += 1

    async def both() -> list[int]:
        turning = asyncio.ensure_future(turn())
        answer = await run_limited_async("model_check", chores.echo, 1, limits=LIMITS)
        turning.cancel()
        return answer  # type: ignore[no-any-return]  # an echo's type is that of what is said

    assert asyncio.run(both()) == [1]
    assert turns > 1


def test_an_awaited_function_is_killed_at_its_limit() -> None:
    """As one that is called."""
    with pytest.raises(DeadlineExceededError, match="model_check"):
        asyncio.run(run_limited_async("model_check", time.sleep, 60, limits=SHORT))


def test_cancelling_kills(path: str) -> None:
    """At once, also in C."""
    assert is_gone(cancelled_when_noted(chores.hang, path))


def test_a_kill_reaches_a_process_within_a_process(path: str) -> None:
    """`mnemo doctor` loads a model, which may first have to be converted."""
    await_gone(cancelled_when_noted(chores.hang_within, path))


def test_a_coroutine_is_cancelled_and_awaited() -> None:
    """To the end of what it does when cancelled."""
    said: list[str] = []
    with pytest.raises(DeadlineExceededError, match="model_check"):
        asyncio.run(
            await_limited("model_check", chores.slowly.__wrapped__(60, said), limits=SHORT)  # type: ignore[attr-defined]  # what it decorates
        )

    assert said == ["cleaned up"]


def test_a_decorated_function_is_called_as_ever() -> None:
    """With names and defaults, but elsewhere."""
    first, second, pid = chores.joined("one", second="two").split()

    assert (first, second) == ("one", "two")
    assert int(pid) != os.getpid()


@pytest.mark.usefixtures("short_settings")
def test_a_decorated_function_is_killed_at_the_limit_of_the_settings() -> None:
    """Looked up when it is called."""
    with pytest.raises(DeadlineExceededError, match=r"0\.1 s"):
        chores.joined("one", second="two")  # no process starts so soon


@pytest.mark.usefixtures("short_settings")
def test_a_decorated_coroutine_is_cancelled_at_the_limit_of_the_settings() -> None:
    """In its own process: it can be cancelled."""
    said: list[str] = []

    assert asyncio.run(chores.slowly(0, said)) == "done"
    with pytest.raises(DeadlineExceededError, match=r"0\.1 s"):
        asyncio.run(chores.slowly(60, said))
    assert said == ["cleaned up"]


def test_without_the_feature_nothing_is_ended(short_settings: pytest.MonkeyPatch) -> None:
    """`features.timeouts`."""
    short_settings.setenv("MNEMO_FEATURES__TIMEOUTS", "0")
    get_settings.cache_clear()

    assert chores.joined("one", second="two").startswith("one two")
    assert asyncio.run(chores.slowly(0.3, [])) == "done"


def test_a_limit_of_its_own_is_passed_on() -> None:
    """Not every TimeoutError is ours."""
    with pytest.raises(TimeoutError, match="mine"):
        asyncio.run(chores.give_up())


@pytest.mark.parametrize("operation", ["nope", "lease"])
def test_an_unknown_operation_is_refused_where_it_is_named(operation: str) -> None:
    """When the module is imported, not when the function is first called."""
    with pytest.raises(ValueError, match="no time limit"):
        limited(operation)


def test_a_function_that_no_other_process_can_import_is_refused() -> None:
    """As above."""
    with pytest.raises(ValueError, match="other processes"):

        @limited("model_check")
        def inner() -> None:
            """Exists here only."""

    with pytest.raises(ValueError, match="other processes"):
        run_limited("model_check", lambda: 1, limits=LIMITS)
