"""The sandbox: whatever a file does to its parser, the worker goes on with the next one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from config.errors import (
    ConfigurationError,
    ParseError,
    ParserCrashedError,
    ParseTimeoutError,
)
from tasks.parse.sandbox import KILL_GRACE_SECONDS, Sandbox

Start = Callable[..., Sandbox]

GREETING = """
import ctypes, json, os, signal, struct, subprocess, sys, time
from tasks.parse.frames import READY, encode, read

def send(message):
    sys.stdout.buffer.write(message if isinstance(message, bytes) else encode(message))
    sys.stdout.buffer.flush()

send(READY)
"""
EMPTY = "{'chunks': [], 'symbols': [], 'references': [], 'has_errors': False}"
SMALL = "def f():\n    pass\n"
HUGE = "x = [x, (x)]\n" * 100_000


def child(*lines: str) -> list[str]:
    """A command that greets like a parser and goes on as told."""
    return [sys.executable, "-c", "\n".join([GREETING, *lines])]


def parser(change: str) -> list[str]:
    """The real parser with a change of its module `c`."""
    return [
        sys.executable,
        "-c",
        f"import os, sys, tasks.parse.child as c\n{change}\nc.main(['1024', str(os.getppid())])",
    ]


@pytest.fixture
def start() -> Iterator[Start]:
    """Makes sandboxes that end with the test."""
    with ExitStack() as stack:

        def make(
            argv: Sequence[str] | None = None,
            *,
            parse_seconds: float = 10,
            memory_mib: int = 1024,
            files_per_process: int = 100,
        ) -> Sandbox:
            sandbox = Sandbox(
                parse_seconds=parse_seconds,
                memory_mib=memory_mib,
                files_per_process=files_per_process,
                argv=argv,
            )
            return stack.enter_context(sandbox)

        yield make


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Waits a few seconds at the most."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    """True for a process that ended, whether or not its parent has noticed."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_a_file_is_parsed(start: Start) -> None:
    """By one process, one file after the other."""
    sandbox = start()

    first = sandbox.parse(SMALL, "python")
    pid = sandbox.pid
    second = sandbox.parse("fn g() {}", "rust")

    assert ["f"] == [symbol.name for symbol in first.symbols]
    assert ["g"] == [symbol.name for symbol in second.symbols]
    assert pid == sandbox.pid


def test_a_slow_file_is_given_up(start: Start) -> None:
    """The process itself notices, and lives on."""
    sandbox = start(parse_seconds=0.3)
    sandbox.parse(SMALL, "python")
    pid = sandbox.pid

    with pytest.raises(ParseTimeoutError, match="given up"):
        sandbox.parse(HUGE, "python")

    assert pid == sandbox.pid
    assert ["f"] == [symbol.name for symbol in sandbox.parse(SMALL, "python").symbols]


def test_a_process_that_hangs_in_c_is_killed(start: Start) -> None:
    """Although it holds the interpreter's lock, so that no signal handler of Python could run."""
    sandbox = start(
        child("read(sys.stdin.buffer)", "ctypes.PyDLL(None).pause()"), parse_seconds=0.2
    )

    with pytest.raises(ParseTimeoutError, match=r"0\.2 s and was killed"):
        sandbox.parse(SMALL, "python")

    assert sandbox.pid is None


def test_a_process_is_killed_in_time(start: Start) -> None:
    """Half a second behind the limit, give or take the machine."""
    sandbox = start(child("time.sleep(60)"), parse_seconds=0.2)
    with pytest.raises(ParseTimeoutError):
        sandbox.parse(SMALL, "python")

    began = time.monotonic()
    with pytest.raises(ParseTimeoutError):
        sandbox.parse(SMALL, "python")

    assert 0.2 + KILL_GRACE_SECONDS <= time.monotonic() - began < 0.2 + KILL_GRACE_SECONDS + 1


def test_a_process_that_never_reads_is_killed(start: Start) -> None:
    """A source that fills the pipe does not block the worker."""
    sandbox = start(child("ctypes.PyDLL(None).pause()"), parse_seconds=0.2)

    with pytest.raises(ParseTimeoutError, match="killed"):
        sandbox.parse("x" * (4 << 20), "text")


def test_a_process_that_never_ends_its_answer_is_killed(start: Start) -> None:
    """However much of it has come."""
    sandbox = start(
        child("read(sys.stdin.buffer)", "send(struct.pack('!I', 1000))", "time.sleep(60)"),
        parse_seconds=0.2,
    )

    with pytest.raises(ParseTimeoutError, match="killed"):
        sandbox.parse(SMALL, "python")


def test_the_next_file_starts_at_once(start: Start) -> None:
    """Within a second of the kill."""
    sandbox = start(
        parser(
            "parse = c.parse_source\n"
            "def hang(source, *rest):\n"
            "    import ctypes\n"
            "    if source == 'hang':\n"
            "        ctypes.PyDLL(None).pause()\n"
            "    return parse(source, *rest)\n"
            "c.parse_source = hang"
        ),
        parse_seconds=1,
    )
    with pytest.raises(ParseTimeoutError):
        sandbox.parse("hang", "python")

    began = time.monotonic()
    parsed = sandbox.parse(SMALL, "python")

    assert ["f"] == [symbol.name for symbol in parsed.symbols]
    assert time.monotonic() - began < 1


def test_a_file_may_get_less_time_than_others(start: Start) -> None:
    """What is left of its budget; the next one gets the usual time."""
    sandbox = start()

    with pytest.raises(ParseTimeoutError, match=r"longer than 0\.1 s"):
        sandbox.parse(HUGE, "python", 0.1)

    assert sandbox.parse(HUGE[:13_000], "python", 60).chunks


def test_what_a_file_took_is_known(start: Start) -> None:
    """Killed or not; the start of a process is not its fault."""
    sandbox = start(child("time.sleep(60)"), parse_seconds=0.2)

    with pytest.raises(ParseTimeoutError):
        sandbox.parse(SMALL, "python")

    assert 0.2 + KILL_GRACE_SECONDS <= sandbox.spent_seconds < 0.2 + KILL_GRACE_SECONDS + 1
    with pytest.raises(ParseError, match="surrogates"):
        sandbox.parse("x\ud800", "text")
    assert sandbox.spent_seconds == 0


CRASHES = {
    "a segmentation fault": ("ctypes.string_at(0)", "killed by SIGSEGV"),
    "an abort": ("os.abort()", "killed by SIGABRT"),
    "an exit": ("sys.exit('no more\\nat all')", "exited with 1: at all"),
    "an exception": ("{}['missing']", "exited with 1: KeyError: 'missing'"),
    "silence": ("sys.exit(0)", "exited with 0"),
    "a lack of memory": ("os._exit(77)", "ran out of memory"),
    "a closed pipe": ("os.close(1); time.sleep(60)", "killed by SIGKILL"),
}


@pytest.mark.parametrize(("crash", "told"), CRASHES.values(), ids=CRASHES)
def test_a_crash_tells_how(start: Start, crash: str, told: str) -> None:
    """By signal, exit code and last words."""
    sandbox = start(child("read(sys.stdin.buffer)", crash))

    with pytest.raises(ParserCrashedError, match=told):
        sandbox.parse(SMALL, "python")


def test_processor_time_is_limited_too(start: Start) -> None:
    """Should the worker itself be stopped."""
    sandbox = start(child("os.kill(os.getpid(), signal.SIGXCPU)", "time.sleep(60)"))

    with pytest.raises(ParseTimeoutError, match="processor time"):
        sandbox.parse(SMALL, "python")


def test_a_file_that_needs_too_much_memory_crashes_the_process(start: Start) -> None:
    """It cannot take the machine's; the next file is parsed."""
    sandbox = start(memory_mib=64)

    with pytest.raises(ParserCrashedError):
        sandbox.parse(HUGE, "python")

    assert ["f"] == [symbol.name for symbol in sandbox.parse(SMALL, "python").symbols]


def test_a_lack_of_memory_in_python_is_told(start: Start) -> None:
    """As such, not as a traceback."""
    change = "def full(*_):\n    raise MemoryError\nc.parse_source = full"

    with pytest.raises(ParserCrashedError, match="ran out of memory"):
        start(parser(change)).parse(SMALL, "python")


NONSENSE = {
    "no JSON": "struct.pack('!I', 3) + b'abc'",
    "an endless frame": "struct.pack('!I', 0xffffffff)",
    "two frames": f"encode({{'id': 1, 'parsed': {EMPTY}}}) * 2",
    "deep JSON": "struct.pack('!I', 2000000) + b'[' * 2000000",
    "a list": "encode([])",
    "another greeting": "READY",
    "another file's reply": f"{{'id': 7, 'parsed': {EMPTY}}}",
    "another file's timeout": "{'id': 7, 'late': ''}",
    "no parsed file": "{'id': 1, 'parsed': None}",
    "a place outside the file": (
        "{'id': 1, 'parsed': {'chunks': [], 'references': [], 'has_errors': False,"
        " 'symbols': [['function', 'f', 'f', '', 1, 9, 0, 999]]}}"
    ),
}


@pytest.mark.parametrize("reply", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_not_believed(start: Start, reply: str) -> None:
    """A parser that a file took over may say anything; it is replaced."""
    sandbox = start(child("read(sys.stdin.buffer)", f"send({reply})", "time.sleep(60)"))

    with pytest.raises(ParserCrashedError, match="nonsense"):
        sandbox.parse(SMALL, "python")

    assert sandbox.pid is None


def test_what_a_parser_prints_is_no_reply(start: Start) -> None:
    """It goes to stderr."""
    change = (
        "parse = c.parse_source\n"
        "c.parse_source = lambda *all: (print('stray', flush=True), parse(*all))[1]"
    )

    parsed = start(parser(change)).parse(SMALL, "python")

    assert ["f"] == [symbol.name for symbol in parsed.symbols]


def test_a_process_is_replaced_after_some_files(start: Start) -> None:
    """What leaks, leaks no further."""
    sandbox = start(files_per_process=2)

    pids = []
    for _ in range(4):
        sandbox.parse(SMALL, "python")
        pids.append(sandbox.pid)

    assert pids[1] is None
    assert pids[3] is None
    assert len({pids[0], pids[2]}) == 2


def test_a_process_that_grew_is_replaced(start: Start) -> None:
    """Before it runs into its limit."""
    sandbox = start(
        child(
            "ballast = b'x' * (50 << 20)",
            "while request := read(sys.stdin.buffer):",
            f"    send({{'id': request['id'], 'parsed': {EMPTY}}})",
        ),
        memory_mib=64,
    )

    sandbox.parse(SMALL, "python")

    assert sandbox.pid is None


def test_a_process_that_died_meanwhile_is_replaced(start: Start) -> None:
    """Its death is not the next file's fault."""
    sandbox = start()
    sandbox.parse(SMALL, "python")
    assert sandbox.pid is not None
    os.kill(sandbox.pid, signal.SIGKILL)
    pid = sandbox.pid
    wait_until(lambda: is_gone(pid), "killed")

    assert ["f"] == [symbol.name for symbol in sandbox.parse(SMALL, "python").symbols]


def test_a_kill_takes_what_the_process_started(start: Start, tmp_path: Path) -> None:
    """It has a session of its own."""
    note = tmp_path / "pid"
    sandbox = start(
        child(
            "sleeper = subprocess.Popen(['/bin/sleep', '60'])",
            f"open({str(note)!r}, 'w').write(str(sleeper.pid))",
            "time.sleep(60)",
        ),
        parse_seconds=0.5,
    )

    with pytest.raises(ParseTimeoutError):
        sandbox.parse(SMALL, "python")

    pid = int(note.read_text())
    wait_until(lambda: is_gone(pid), "the process's child ends")


def test_a_crash_ends_what_the_process_started(start: Start, tmp_path: Path) -> None:
    """As a kill does."""
    note = tmp_path / "pid"
    sandbox = start(
        child(
            "read(sys.stdin.buffer)",
            "sleeper = subprocess.Popen(['/bin/sleep', '60'], stdout=subprocess.DEVNULL)",
            f"open({str(note)!r}, 'w').write(str(sleeper.pid))",
            "os.abort()",
        )
    )

    with pytest.raises(ParserCrashedError, match="SIGABRT"):
        sandbox.parse(SMALL, "python")

    pid = int(note.read_text())
    wait_until(lambda: is_gone(pid), "the process's child ends")


def test_a_process_dies_with_its_worker() -> None:
    """However the worker dies."""
    code = (
        "import time\n"
        "from tasks.parse.sandbox import Sandbox\n"
        "sandbox = Sandbox(parse_seconds=5, memory_mib=1024, files_per_process=10)\n"
        "sandbox.parse('x', 'text')\n"
        "print(sandbox.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as worker:
        assert worker.stdout
        pid = int(worker.stdout.readline())
        assert not is_gone(pid)

        worker.kill()

    wait_until(lambda: is_gone(pid), "the parser ends")


def test_a_process_sees_no_secrets(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts without the worker's environment, outside of the worker's folder."""
    monkeypatch.setenv("MNEMO_DATABASE_URL", "postgresql://secret")
    told = "sys.exit(str([os.environ.get('MNEMO_DATABASE_URL'), os.getcwd()]))"

    with pytest.raises(ParserCrashedError, match=r"\[None, '/'\]"):
        start(child("read(sys.stdin.buffer)", told)).parse(SMALL, "python")


def test_an_installation_without_a_parser_is_told(start: Start) -> None:
    """Rather than blamed on every file."""
    with pytest.raises(ConfigurationError, match="cannot be started"):
        start(["/nowhere/python"]).parse(SMALL, "python")
    with pytest.raises(ConfigurationError, match="it exited with 1: broken"):
        start([sys.executable, "-c", "raise SystemExit('broken')"]).parse(SMALL, "python")
    for greeting in ("[]", "b'hello there'"):
        other = GREETING.replace("send(READY)", f"send({greeting})\ntime.sleep(60)")
        with pytest.raises(ConfigurationError, match="does not speak"):
            start([sys.executable, "-c", other]).parse(SMALL, "python")


def test_half_a_character_is_refused(start: Start) -> None:
    """It has no UTF-8 form; the process is not even started."""
    sandbox = start()

    with pytest.raises(ParseError, match="surrogates"):
        sandbox.parse("x\ud800", "text")

    assert sandbox.pid is None


def test_closing_ends_the_process(start: Start) -> None:
    """And a later file starts another one."""
    sandbox = start()
    sandbox.parse(SMALL, "python")
    pid = sandbox.pid
    assert pid

    sandbox.close()
    sandbox.close()

    assert is_gone(pid)
    assert sandbox.parse(SMALL, "python").symbols
