"""The sandboxed process: light, and without the rights that it does not need."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tasks.parse.languages import LANGUAGES
from tasks.parse.sandbox import Sandbox

HEAVY = {"celery", "numpy", "psycopg", "pydantic", "redis", "sqlalchemy", "structlog", "torch"}


def confined(code: str) -> str:
    """What a confined process prints, or its last words."""
    script = f"import tasks.parse.child as c\nc.confine(256)\n{code}"
    ran = subprocess.run(
        [sys.executable, "-B", "-c", script], capture_output=True, text=True, check=False
    )
    return (ran.stdout or ran.stderr).strip().rpartition("\n")[2]


def test_it_imports_nothing_heavy() -> None:
    """It starts in a fraction of a second, once for every crash."""
    code = "import sys, tasks.parse.child; print(*sys.modules)"

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert set() == {name.partition(".")[0] for name in ran.stdout.split()} & HEAVY


def test_it_stays_small() -> None:
    """With every grammar loaded."""
    with Sandbox(parse_seconds=30, memory_mib=1024, files_per_process=100) as sandbox:
        for language in LANGUAGES:
            sandbox.parse("x = 1\n", language)

        assert sandbox.pid
        assert psutil.Process(sandbox.pid).memory_info().rss < 80 << 20


def test_it_cannot_take_more_memory() -> None:
    """Than its address space holds."""
    assert "MemoryError" == confined("bytes(300 << 20)")


def test_it_cannot_write_files(tmp_path: Path) -> None:
    """Not a single byte."""
    path = tmp_path / "written"

    told = confined(f"import os; os.write(os.open({str(path)!r}, os.O_CREAT | os.O_RDWR), b'x')")

    assert "File too large" in told
    assert path.stat().st_size == 0


def test_it_cannot_open_many_files() -> None:
    """A loop that does ends itself."""
    assert "Too many open files" in confined("all = [open('/dev/null') for _ in range(100)]")


def test_it_leaves_no_core() -> None:
    """A dump would hold the file that crashed it."""
    assert "(0, 0)" == confined("import resource; print(resource.getrlimit(resource.RLIMIT_CORE))")


def test_it_does_not_outlive_a_parent_that_is_gone() -> None:
    """A parent that died before the process could ask to die with it."""
    ran = subprocess.run(
        [sys.executable, "-m", "tasks.parse.child", "256", "1"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )

    assert b"" == ran.stdout


@pytest.mark.parametrize("source", [b"", b"\0\0"])
def test_it_ends_with_its_input(source: bytes) -> None:
    """Even in the middle of a frame."""
    code = "import os, tasks.parse.child as c; c.main(['256', str(os.getppid())])"

    ran = subprocess.run(
        [sys.executable, "-c", code], input=source, capture_output=True, check=True, timeout=30
    )

    assert ran.stdout.endswith(b'{"ready":true}')
