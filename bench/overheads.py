"""What the safety nets cost: `python -m bench.overheads`.

Indexes a part of Python's standard library in this process, by the real reconciler, broker, tasks
and stages, and adds up the time spent inside each net; one file in a hundred also leaves an error
to be tracked. A share is that time ÷ the time of the whole run, so both are of the same run. Shares
of thousandths drown in the noise of two runs compared; added up in one, they do not.

The deadline of parsing is part of parsing itself: the corpus is parsed with and without it in turn,
and the difference of the best times counts. Prints Markdown.
"""

import argparse
import faulthandler
import itertools
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Any

from sqlalchemy.engine.base import RootTransaction
from tree_sitter import Parser, Tree

from bench.corpus import standard_library
from config.errors import ParseError
from config.settings import Settings
from config.timeouts import Timeouts
from schema import ledger
from schema.database import Database
from schema.migrate import migrate
from tasks.breaker import Breaker
from tasks.lease import Keeper
from tasks.parse.grammars import Grammar, grammar
from tasks.parse.sandbox import Sandbox
from tasks.retry_budget import RetryBudget
from tasks.tracking import Tracker
from tests.chaos.driver import Driver, driving
from tests.harness import Pipeline
from workers.embedded.home import Home
from workers.embedded.servers import Servers

LINES = 50_000
ERROR_EVERY = 100  # files
ROUNDS = 7
NETS: dict[str, list[tuple[Any, str]]] = {
    "transactions and fencing": [
        (RootTransaction, "commit"),
        *((ledger, name) for name in ("claim", "renew", "hold", "advance", "finish", "postpone")),
        (Keeper, "start"),
        (Keeper, "stop"),
    ],
    "watchdog": [
        (faulthandler, "dump_traceback_later"),
        (faulthandler, "cancel_dump_traceback_later"),
    ],
    "error tracking": [(Tracker, "record"), (Tracker, "flush")],
    "circuit breakers": [(Breaker, "_enter"), (Breaker, "_end")],
    "retry budget": [(RetryBudget, "call"), (RetryBudget, "take")],
}


class Meter:
    """Adds up the seconds inside functions, by net, over all threads."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    def timed(self, net: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time counted."""

        @wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                with self._lock:
                    self.seconds[net] += time.perf_counter() - started

        return counted


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=LINES)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mnemo-bench-") as name:
        root = Path(name)
        root.chmod(0o711)
        corpus = root / "corpus"
        lines = standard_library(corpus, given.lines)
        deadline = _deadline_seconds(corpus)
        shares = {
            encoder: measure(root / encoder, corpus, encoder, deadline)
            for encoder in ("hash", "sentence-transformers")
        }
    hashed, real = shares["hash"], shares["sentence-transformers"]
    print(f"{lines:,} lines of Python\n")
    print("| net | share of a run without a model | share of a run with the real model |")
    print("|---|---|---|")
    for net in hashed:
        print(f"| {net} | {hashed[net]:.3%} | {real[net]:.3%} |")


def measure(home: Path, corpus: Path, encoder: str, deadline: float) -> dict[str, float]:
    """The share of each net in one run on a home of its own."""
    home.mkdir(mode=0o711)
    owned = Home(home).own()
    assert owned is not None
    with owned, Servers(owned) as servers:
        found = servers.endpoints
        url, broker = found.database_url.get_secret_value(), found.broker_url.get_secret_value()
        with Database(url, Timeouts()) as database:
            migrate(database)
        settings = Settings.model_validate(
            {"home": home, "database_url": url, "broker_url": broker, "encoder": encoder}
        )
        with driving(settings, corpus) as driver:
            driver.runtime.encoder(Pipeline(driver.runtime).live_model())
            meter = Meter()
            with _metered(meter, driver.runtime.errors):
                seconds = _run(driver)
    spent = meter.seconds | {"parse deadline": deadline}
    spent["timeouts"] = spent.pop("watchdog") + spent.pop("parse deadline")
    return {net: value / seconds for net, value in sorted(spent.items(), key=lambda x: -x[1])}


def _run(driver: Driver) -> float:
    started = time.perf_counter()
    driver.ask()
    while not driver.done():
        driver.step_until(driver.done)
    seconds = time.perf_counter() - started
    driver.runtime.errors.flush()
    return seconds


@contextmanager
def _metered(meter: Meter, tracker: Tracker) -> Iterator[None]:
    with ExitStack() as stack:
        for net, functions in NETS.items():
            for owner, name in functions:
                stack.enter_context(_replaced(owner, name, lambda f, net=net: meter.timed(net, f)))  # type: ignore[misc]  # mypy loses a lambda's default
        stack.enter_context(_replaced(Sandbox, "parse", partial(_failing_at_times, tracker)))
        yield


@contextmanager
def _replaced(
    owner: Any, name: str, change: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Iterator[None]:
    real = getattr(owner, name)
    setattr(owner, name, change(real))
    try:
        yield
    finally:
        setattr(owner, name, real)


def _failing_at_times(tracker: Tracker, parse: Callable[..., Any]) -> Callable[..., Any]:
    """Parses as ever, and has an error tracked at every hundredth file."""
    numbers = itertools.count(1)

    @wraps(parse)
    def parsed(*args: Any, **kwargs: Any) -> Any:
        number = next(numbers)
        if number % ERROR_EVERY == 0:
            tracker.record("parse.file", ParseError("this file cannot be parsed"), blob=number)
        return parse(*args, **kwargs)

    return parsed


def _deadline_seconds(corpus: Path) -> float:
    """Seconds that the deadline adds to parsing the corpus once; the best of several rounds."""
    sources = [path.read_bytes() for path in sorted(corpus.rglob("*.py"))]
    python = grammar("python")
    best = {"with": float("inf"), "without": float("inf")}
    for _ in range(ROUNDS):
        for name, parse in (("with", Grammar.parse), ("without", _parse_without_deadline)):
            started = time.process_time()
            for source in sources:
                parse(python, source, time.monotonic() + 60)
            best[name] = min(best[name], time.process_time() - started)
    return max(0.0, best["with"] - best["without"])


def _parse_without_deadline(table: Grammar, data: bytes, _deadline: float) -> Tree:
    return Parser(table.language).parse(data)


if __name__ == "__main__":
    main()
