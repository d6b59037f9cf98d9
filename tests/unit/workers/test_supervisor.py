"""The supervisor: what exits is started again, what is stopped ends, and nothing survives it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from workers.supervisor import Spec, Supervisor

WAIT_SECONDS = 15
PYTHON = [sys.executable, "-c"]


@pytest.fixture
def pids(tmp_path: Path) -> Callable[[], list[int]]:
    """The pids that children wrote down, in order."""
    path = tmp_path / "pids"
    path.touch()
    return lambda: [int(line) for line in path.read_text().split()]


@pytest.fixture
def write_pid(tmp_path: Path) -> str:
    """Code by which a child writes down its pid."""
    return f"import os; open({str(tmp_path / 'pids')!r}, 'a').write(f'{{os.getpid()}}\\n')\n"


def spec(code: str) -> Spec:
    """A child that runs this code."""
    return Spec("child", [*PYTHON, code], dict(os.environ))  # noqa: TID251 - passed on


def run_until(supervisor: Supervisor, condition: Callable[[], object]) -> None:
    """Runs the supervisor in this thread until the condition holds."""
    stop = threading.Event()
    deadline = time.monotonic() + WAIT_SECONDS

    def watch() -> None:
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.02)
        stop.set()

    threading.Thread(target=watch).start()
    supervisor.run(stop)
    assert condition(), "the condition never came true"


def test_a_child_that_exits_is_started_again(write_pid: str, pids: Callable[[], list[int]]) -> None:
    """Each time as a new process."""
    run_until(Supervisor([spec(write_pid)], grace=5), lambda: len(pids()) >= 2)

    assert len(set(pids())) == len(pids())


def test_restarts_back_off(write_pid: str, pids: Callable[[], list[int]]) -> None:
    """A broken installation does not spin."""
    started = time.monotonic()
    run_until(Supervisor([spec(write_pid)], grace=5), lambda: time.monotonic() - started > 2.5)

    assert len(pids()) <= 3


def test_stopping_ends_the_children(write_pid: str, pids: Callable[[], list[int]]) -> None:
    """By SIGTERM, which they may answer in their own time."""
    code = write_pid + "import time; time.sleep(600)"
    run_until(Supervisor([spec(code)], grace=5), lambda: len(pids()) == 1)

    assert not psutil.pid_exists(pids()[0])


def test_a_child_that_ignores_the_end_is_killed(
    write_pid: str, pids: Callable[[], list[int]]
) -> None:
    """After its grace."""
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    code = deaf + write_pid + "import time; time.sleep(600)"
    run_until(Supervisor([spec(code)], grace=0.3), lambda: len(pids()) == 1)

    assert not psutil.pid_exists(pids()[0])


def test_nothing_survives_a_killed_supervisor(
    write_pid: str, pids: Callable[[], list[int]]
) -> None:
    """Not even one that had no time to say goodbye."""
    child = write_pid + "import time; time.sleep(600)"
    code = (
        "import sys, threading\n"
        "from workers.supervisor import Spec, Supervisor\n"
        f"spec = Spec('child', [sys.executable, '-c', {child!r}], {{}})\n"
        "Supervisor([spec], grace=5).run(threading.Event())\n"
    )
    supervisor = subprocess.Popen([*PYTHON, code])
    _await(pids)

    supervisor.send_signal(signal.SIGKILL)
    supervisor.wait()

    _await(lambda: not psutil.pid_exists(pids()[0]))


def test_a_program_that_is_missing_does_not_end_the_supervisor(
    write_pid: str, pids: Callable[[], list[int]]
) -> None:
    """The others run on."""
    missing = Spec("missing", ["/nonexistent/program"], {})
    run_until(
        Supervisor([missing, spec(write_pid + "import time; time.sleep(600)")], grace=5),
        lambda: len(pids()) == 1,
    )


def _await(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.02)
