"""What one content may cost, over all attempts and workers: then it is put aside at once."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from schema.database import Database
from schema.runs import Asked
from schema.triage import Filter, list_failures, show_failure
from tasks.parse.sandbox import Sandbox
from tasks.release import release
from tasks.retry import FILE
from tasks.runtime import Runtime
from tests.harness import PYTHON, Pipeline

Make = Callable[..., Path]
PARSE_SECONDS = 0.5  # and as much again until a process that does not give up is killed
BUDGET = 1.6  # for more than one such attempt, for less than two
LITTLE = 0.125

# A parser that hangs on a file that says so, and parses all others for real.
HANGING_CHILD = """
import os, time
from tasks.parse import child, parse
real = parse.parse_source
def hanging(source, language, deadline):
    if "HANG" in source:
        time.sleep(60)
    return real(source, language, time.monotonic() + 60)
child.parse_source = hanging
child.main(["1024", str(os.getppid())])
"""
FILES = {"good.py": PYTHON, "bad.py": "HANG = 1\n", "fine.md": "# Fine\n\nA text.\n"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The same with little time for a file."""
    limits = {"tree_sitter_parse": PARSE_SECONDS, "index_file": BUDGET}
    return Settings.model_validate(settings.model_dump() | {"timeouts": limits})


def hang(runtime: Runtime) -> None:
    """Gives a worker a parser that hangs."""
    runtime.__dict__["sandbox"] = Sandbox(
        parse_seconds=PARSE_SECONDS,
        memory_mib=1024,
        files_per_process=100,
        argv=[sys.executable, "-c", HANGING_CHILD],
    )


@pytest.fixture
def hanging(pipeline: Pipeline) -> Pipeline:
    """A pipeline whose parser hangs."""
    hang(pipeline.runtime)
    return pipeline


@pytest.fixture
def another(settings: Settings) -> Iterator[Pipeline]:
    """Another worker, with connections and a parser of its own."""
    with Database.from_settings(settings) as database:
        runtime = Runtime(settings, database)
        hang(runtime)
        yield Pipeline(runtime)
        runtime.close()


def attempt(pipeline: Pipeline) -> None:
    """Parses whatever waits, once, without waiting for its time."""
    pipeline.sql("UPDATE batches SET next_attempt_at = now() WHERE state = 'pending'")
    pipeline.drain("parse")


def finished(pipeline: Pipeline, asked: Asked) -> dict[str, Any]:
    """Works until nothing waits; the receipt."""
    pipeline.drain("discover")
    while pipeline.sql("SELECT 1 FROM batches WHERE state = 'pending'"):
        attempt(pipeline)
        pipeline.drain("embed", "persist")
    return pipeline.receipt(asked)


def hang_with_little_left(pipeline: Pipeline, make_repository: Make) -> None:
    """Has the file attempted that hangs, when its time is almost used up."""
    pipeline.ask(make_repository({"bad.py": FILES["bad.py"]}))
    pipeline.drain("discover")
    pipeline.sql("UPDATE blobs SET spent_seconds = :spent", spent=BUDGET - LITTLE)
    attempt(pipeline)


def bad(pipeline: Pipeline) -> Any:
    """The file that hangs."""
    [row] = pipeline.sql(
        "SELECT b.state, b.attempts, b.spent_seconds FROM blobs b"
        " JOIN blob_sources s ON s.blob_id = b.id WHERE s.source LIKE 'HANG%'"
    )
    return row


def test_a_file_that_used_up_its_time_is_quarantined(
    hanging: Pipeline, make_repository: Make
) -> None:
    """Although attempts remain; its neighbours finish."""
    receipt = finished(hanging, hanging.ask(make_repository(FILES)))

    assert receipt["state"] == "partial"
    assert (receipt["files"]["indexed"], receipt["files"]["quarantined"]) == (2, 1)
    assert bad(hanging).attempts == 2 < FILE.attempts
    assert bad(hanging).spent_seconds >= BUDGET


def test_the_failure_says_what_was_spent_and_what_to_set(
    hanging: Pipeline, make_repository: Make
) -> None:
    """A class of its own, so that all of them can be tried again with more time."""
    hang_with_little_left(hanging, make_repository)

    with hanging.runtime.database.reading() as connection:
        [failure] = list_failures(connection, Filter(error_class="FileBudgetError"))
        message = show_failure(connection, failure.id)["message"]

    assert (failure.path, failure.stage) == ("bad.py", "parse")
    assert "MNEMO_TIMEOUTS__INDEX_FILE allows 1.6 s" in message
    assert "the last attempt: the parser did not return within" in message


def test_what_was_spent_is_known_to_every_worker(
    hanging: Pipeline, another: Pipeline, make_repository: Make
) -> None:
    """It is in the database: the second worker does not begin from zero."""
    hanging.ask(make_repository(FILES))
    hanging.drain("discover")
    attempt(hanging)
    assert bad(hanging).state == "pending"
    assert PARSE_SECONDS < bad(hanging).spent_seconds < BUDGET

    attempt(another)

    assert bad(hanging).state == "quarantined"


def test_reading_counts_too(pipeline: Pipeline, make_repository: Make) -> None:
    """Decoding and redacting takes as long as the content makes it take."""
    pipeline.ask(make_repository({"a.py": PYTHON}))
    pipeline.drain("discover")
    [read] = pipeline.sql("SELECT spent_seconds FROM blobs")
    pipeline.drain()
    [parsed] = pipeline.sql("SELECT spent_seconds FROM blobs")

    assert 0 < read.spent_seconds < parsed.spent_seconds


def test_without_time_left_nothing_is_tried(pipeline: Pipeline, make_repository: Make) -> None:
    """Not even started; its neighbour's time is not put to its account."""
    asked = pipeline.ask(make_repository({"a.py": PYTHON, "b.py": f"{PYTHON}x = 1\n"}))
    pipeline.drain("discover")
    pipeline.sql(
        "UPDATE blobs SET spent_seconds = :budget WHERE id = (SELECT max(id) FROM blobs)",
        budget=BUDGET,
    )

    receipt = finished(pipeline, asked)

    assert (receipt["files"]["indexed"], receipt["files"]["quarantined"]) == (1, 1)
    [row] = pipeline.sql("SELECT spent_seconds, last_error FROM blobs WHERE state = 'quarantined'")
    assert row.spent_seconds == BUDGET
    assert "no time was left to parse it" in row.last_error


def test_an_attempt_gets_no_more_than_what_is_left(
    hanging: Pipeline, make_repository: Make
) -> None:
    """The last one is cut short."""
    hang_with_little_left(hanging, make_repository)

    [row] = hanging.sql("SELECT state, last_error FROM blobs")
    assert row.state == "quarantined"
    assert f"within {LITTLE} s" in row.last_error


def test_a_file_given_back_has_all_its_time_again(hanging: Pipeline, make_repository: Make) -> None:
    """After the cause is gone, `failed retry` parses it."""
    hang_with_little_left(hanging, make_repository)
    hanging.runtime.sandbox.close()
    del hanging.runtime.__dict__["sandbox"]

    release(hanging.runtime, "retry", Filter(), actor="operator")

    assert bad(hanging).spent_seconds == 0
    hanging.drain()
    assert bad(hanging).state == "sealed"


def test_embedding_does_not_count(pipeline: Pipeline, make_repository: Make) -> None:
    """Its cost is bounded by what a model reads of a text, and it has a list of its own."""
    pipeline.ask(make_repository({"a.py": PYTHON}))
    pipeline.drain("discover", "parse")
    before = pipeline.sql("SELECT spent_seconds FROM blobs")

    pipeline.drain()

    assert pipeline.sql("SELECT spent_seconds FROM blobs") == before


@pytest.mark.parametrize(("limited", "indexed"), [(True, 0), (False, 1)])
def test_limits_can_be_turned_off(
    pipeline: Pipeline, make_repository: Make, limited: bool, indexed: int
) -> None:
    """`features.timeouts`: a file that takes long is then waited for."""
    short = {"tree_sitter_parse": 0.01, "index_file": 0.01}
    pipeline.runtime.settings = Settings.model_validate(
        pipeline.runtime.settings.model_dump()
        | {"timeouts": short, "features": {"timeouts": limited}}
    )
    repository = make_repository({"long.py": "x = [x, (x)]\n" * 5_000})

    receipt = finished(pipeline, pipeline.ask(repository))

    assert receipt["files"]["indexed"] == indexed
