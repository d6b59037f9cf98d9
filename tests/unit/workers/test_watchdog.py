"""The last limit: a task stuck in C, while the main process waits for a dead broker."""

import subprocess
import sys

STUCK = """
import ctypes, types
from tasks import pipeline, work

limits = types.SimpleNamespace(task_limit=lambda stage: 0.1)
pipeline.runtime = lambda: types.SimpleNamespace(settings=types.SimpleNamespace(timeouts=limits))
pipeline.WATCHDOG_MARGIN = 0.1
work.work = lambda *_: ctypes.PyDLL(None).sleep(60)  # holds the interpreter's lock
pipeline.parse.run(1)
"""


def test_a_task_that_is_stuck_in_c_ends_its_process() -> None:
    """No signal and no thread could; the stack is written first."""
    done = subprocess.run(
        [sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == 1
    assert "Timeout" in done.stderr
    assert "_step" in done.stderr
