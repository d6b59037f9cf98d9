"""Two at once: the same batch, or the same rows in opposite order."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from schema.database import Database
from tasks.parse.document import ParsedFile
from tasks.runtime import Runtime
from tasks.work import work
from tests.chaos.checker import digest_of, unfinished, violations
from tests.commands import await_true
from tests.harness import PYTHON, Pipeline

Make = Callable[..., Path]
FILES = {"a.py": PYTHON, "b.py": PYTHON + "\n\ndef more():\n    return 1\n"}
BLOCKED = """
SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


def test_of_two_workers_with_the_same_batch_one_wins(
    pipeline: Pipeline, make_repository: Make, database: Database
) -> None:
    """At every stage; the rows are those of one worker."""
    source = make_repository(FILES)
    pipeline.index(source, name="reference")
    expected = digest_of(database, "reference")
    pipeline.sql("TRUNCATE repositories, blobs, embedding_inputs CASCADE")
    pipeline.ask(source, name="twice")
    settings = pipeline.runtime.settings
    with Database.from_settings(settings) as one, Database.from_settings(settings) as two:
        runtimes = [Runtime(settings, one), Runtime(settings, two)]
        for stage in ("discover", "parse", "embed", "persist"):
            [batch] = pipeline.sql("SELECT id FROM batches WHERE state = 'pending'")
            barrier = threading.Barrier(2)
            assert sorted(at_once(runtimes, stage, batch.id, barrier)) == [False, True]
        for runtime in runtimes:
            runtime.close()

    assert unfinished(database) == []
    assert digest_of(database, "twice") == expected


def at_once(
    runtimes: list[Runtime], stage: str, batch_id: int, barrier: threading.Barrier
) -> list[bool]:
    """What each said of doing the stage."""

    def do(runtime: Runtime) -> bool:
        barrier.wait()
        return work(runtime, stage, batch_id)

    with ThreadPoolExecutor(len(runtimes)) as threads:
        return list(threads.map(do, runtimes))


def test_a_deadlock_costs_no_attempt(
    pipeline: Pipeline,
    make_repository: Make,
    database: Database,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """PostgreSQL ends the worker's transaction; only that is done again, and it is counted."""
    asked = pipeline.ask(make_repository(FILES))
    pipeline.drain("discover")
    [batch] = pipeline.sql("SELECT id FROM batches WHERE state = 'pending'")
    parsed = watch(monkeypatch, pipeline.runtime)
    with ThreadPoolExecutor(1) as thread, psycopg.connect(database_url) as other:
        other.execute("SELECT 1 FROM blobs FOR UPDATE")
        working = thread.submit(work, pipeline.runtime, "parse", batch.id)
        await_true(lambda: pipeline.sql(BLOCKED))
        other.execute("SELECT 1 FROM batches FOR UPDATE")  # held by the worker, which waits for us
        other.rollback()
        assert working.result()

    assert parsed == ["python"] * len(FILES)
    pipeline.runtime.errors.flush()
    [counted] = pipeline.sql("SELECT operation, error_class, message FROM errors")
    assert tuple(counted) == ("parse.commit", "ConflictError", "deadlock detected")
    assert violations(database) == []
    pipeline.drain()
    assert pipeline.receipt(asked)["state"] == "succeeded"


def watch(monkeypatch: pytest.MonkeyPatch, runtime: Runtime) -> list[str]:
    """The languages of the files that are parsed from now on."""
    parsed, parse = list[str](), runtime.sandbox.parse

    def watched(source: str, language: str, seconds: float) -> ParsedFile:
        parsed.append(language)
        return parse(source, language, seconds)

    monkeypatch.setattr(runtime.sandbox, "parse", watched)
    return parsed
