"""Upkeep: vector indexes when they pay, garbage when nothing names it, errors and runs in time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from config.errors import PermanentError
from schema import partitions, vector_index
from tasks.maintenance import maintain
from tasks.settle import settle
from tasks.verify import verify_repository
from tests.harness import PYTHON, Pipeline

Make = Callable[..., Path]


def indexes(pipeline: Pipeline) -> list[str]:
    """The HNSW indexes that exist."""
    rows = pipeline.sql("SELECT indexname FROM pg_indexes WHERE indexname LIKE 'embeddings_hnsw%'")
    return sorted(row.indexname for row in rows)


def test_few_vectors_get_no_index(pipeline: Pipeline, make_repository: Make) -> None:
    """Below the threshold an exact scan is faster and loses nothing."""
    pipeline.index(make_repository({"a.py": PYTHON}))

    maintain(pipeline.runtime)

    assert indexes(pipeline) == []


def test_many_vectors_get_an_index_per_space(pipeline: Pipeline, make_repository: Make) -> None:
    """Above it each model and space has its own."""
    runtime = pipeline.runtime
    pipeline.index(make_repository({"a.py": PYTHON}))
    runtime.settings = runtime.settings.model_copy(update={"hnsw_threshold": 1})

    maintain(runtime)

    model = pipeline.live_model()
    assert indexes(pipeline) == [f"embeddings_hnsw_{model}_code", f"embeddings_hnsw_{model}_text"]


def test_an_interrupted_index_is_built_again(pipeline: Pipeline, make_repository: Make) -> None:
    """What CREATE INDEX CONCURRENTLY leaves behind when it fails is replaced."""
    pipeline.index(make_repository({"a.py": PYTHON}))
    model = pipeline.live_model()
    name = vector_index.index_name(model, "text")
    with pytest.raises(PermanentError), pipeline.runtime.database.autocommit() as connection:
        # one value in every row: it fails half-way
        connection.execute(
            text(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON embeddings (model_id)")
        )
    with pipeline.runtime.database.autocommit() as connection:
        assert not vector_index.has_index(connection, model, "text")

        built = vector_index.build_missing(connection, threshold=1, seconds=60)

        assert name in built
        assert vector_index.has_index(connection, model, "text")


def test_superseded_snapshots_are_collected(pipeline: Pipeline, make_repository: Make) -> None:
    """After their grace; the live one stays."""
    pipeline.index(make_repository({"a.py": PYTHON}))
    pipeline.index(make_repository({"a.py": "x = 1\n"}))
    pipeline.sql("UPDATE snapshots SET created_at = now() - interval '2 h'")

    maintain(pipeline.runtime)

    assert len(pipeline.sql("SELECT 1 FROM snapshots")) == 1
    assert verify_repository(pipeline.runtime, "repository").ok


def test_content_that_nothing_names_is_collected(pipeline: Pipeline, make_repository: Make) -> None:
    """With its chunks and vectors, once its grace is over."""
    pipeline.index(make_repository({"a.py": PYTHON}))
    pipeline.index(make_repository({"a.py": "x = 1\n"}))
    pipeline.sql("UPDATE snapshots SET created_at = now() - interval '2 h'")
    maintain(pipeline.runtime)
    assert len(pipeline.sql("SELECT 1 FROM blobs")) == 2
    pipeline.sql(
        "UPDATE blobs SET created_at = now() - interval '8 d', sealed_at = now() - interval '8 d'"
    )

    maintain(pipeline.runtime)

    assert len(pipeline.sql("SELECT 1 FROM blobs")) == 1
    [row] = pipeline.sql("SELECT count(*) AS n FROM embeddings")
    assert row.n == 2
    assert verify_repository(pipeline.runtime, "repository").ok


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is in the way is in the way for the whole test."""
    monkeypatch.setattr(partitions, "LOCK_SECONDS", 0.3)


def months(pipeline: Pipeline) -> list[str]:
    """The tables of months, attached or not."""
    rows = pipeline.sql(r"SELECT relname FROM pg_class WHERE relname ~ '^errors_y\d+m\d+$'")
    return sorted(row.relname for row in rows)


def test_months_of_errors_come_and_go(pipeline: Pipeline) -> None:
    """What is missing ahead is made, what lies wholly before the retention is dropped."""
    expected = months(pipeline)
    pipeline.sql(f"DROP TABLE {expected[-1]}")
    with pipeline.runtime.database.transaction() as connection:
        partitions.create_partitions(connection, datetime(2019, 12, 1, tzinfo=UTC))

    maintain(pipeline.runtime)

    assert months(pipeline) == expected


def test_retention_is_a_setting(pipeline: Pipeline) -> None:
    """Of whole days; the month that holds the cutoff stays."""
    runtime = pipeline.runtime
    runtime.settings = runtime.settings.model_copy(update={"error_retention_days": 3_650})
    kept = datetime.now(UTC) - timedelta(days=3_650)
    with runtime.database.transaction() as connection:
        partitions.create_partitions(connection, kept - timedelta(days=31))
    before = months(pipeline)

    maintain(runtime)

    assert before[0] == partitions.partition_name(kept - timedelta(days=31))
    assert months(pipeline)[0] == partitions.partition_name(kept)


@pytest.mark.usefixtures("impatient")
def test_a_month_that_cannot_go_yet_stops_nothing_else(
    pipeline: Pipeline, database_url: str, make_repository: Make
) -> None:
    """It is noted, the rest of the round is done, and a later round drops it."""
    pipeline.index(make_repository({"a.py": PYTHON}))
    pipeline.index(make_repository({"a.py": "x = 1\n"}))
    pipeline.sql("UPDATE snapshots SET created_at = now() - interval '2 h'")
    with pipeline.runtime.database.transaction() as connection:
        partitions.create_partitions(connection, datetime(2019, 1, 1, tzinfo=UTC))
    with psycopg.connect(database_url) as reader:
        reader.execute("SELECT count(*) FROM errors")
        maintain(pipeline.runtime)
        assert "errors_y2019m01" in months(pipeline)
        assert len(pipeline.sql("SELECT 1 FROM snapshots")) == 1

    maintain(pipeline.runtime)

    assert "errors_y2019m01" not in months(pipeline)
    pipeline.runtime.errors.flush()
    kinds = pipeline.sql("SELECT operation, details ->> 'partition' AS month FROM errors")
    assert ("maintenance", "errors_y2019m01") in [tuple(row) for row in kinds]


def test_two_rounds_at_once_do_no_harm(pipeline: Pipeline) -> None:
    """One of them works, the other finds that out and returns."""
    with pipeline.runtime.database.transaction() as connection:
        partitions.create_partitions(connection, datetime(2019, 1, 1, tzinfo=UTC))

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(maintain, [pipeline.runtime] * 2))

    assert "errors_y2019m01" not in months(pipeline)
    pipeline.runtime.errors.flush()
    assert pipeline.sql("SELECT message FROM errors") == []


def test_finished_batches_go_and_receipts_stay(pipeline: Pipeline, make_repository: Make) -> None:
    """Once nothing names them and their run is long over; what a receipt adds up is kept."""
    asked = pipeline.ask(make_repository({"a.py": PYTHON}))
    pipeline.drain()
    settle(pipeline.runtime)
    before = pipeline.receipt(asked)
    maintain(pipeline.runtime)
    assert len(pipeline.sql("SELECT 1 FROM batches")) == 2
    pipeline.sql("UPDATE index_runs SET finished_at = now() - interval '31 d'")

    maintain(pipeline.runtime)
    assert [row.stage for row in pipeline.sql("SELECT stage FROM batches")] == ["persist"]
    pipeline.sql("UPDATE blobs SET batch_id = NULL")
    maintain(pipeline.runtime)

    assert pipeline.sql("SELECT 1 FROM batches") == []
    after = pipeline.receipt(asked)
    assert after["reused"] == before["reused"]
    assert after["vectors"] == before["vectors"]


def test_work_that_is_not_done_stays(pipeline: Pipeline, make_repository: Make) -> None:
    """Whatever became of its run."""
    pipeline.ask(make_repository({"a.py": PYTHON}))
    pipeline.drain("discover")
    pipeline.sql("UPDATE blobs SET batch_id = NULL")
    pipeline.sql("UPDATE index_runs SET state = 'failed', finished_at = now() - interval '1 y'")

    maintain(pipeline.runtime)

    assert [row.stage for row in pipeline.sql("SELECT stage FROM batches")] == ["parse"]
    assert len(pipeline.sql("SELECT 1 FROM index_runs")) == 1


def test_runs_of_long_ago_go(pipeline: Pipeline, make_repository: Make) -> None:
    """But never the last one of a ref, nor one whose batches content still names."""
    repository = make_repository({"a.py": PYTHON})
    for _ in range(3):
        pipeline.index(repository)
    pipeline.sql(
        "UPDATE index_runs SET finished_at = finished_at - interval '91 d',"
        " requested_at = requested_at - interval '91 d'"
    )

    maintain(pipeline.runtime)
    runs = pipeline.sql(
        "SELECT counts ->> 'new_blobs' AS new FROM index_runs ORDER BY requested_at"
    )
    assert [row.new for row in runs] == ["1", None]
    pipeline.sql("UPDATE blobs SET batch_id = NULL")
    maintain(pipeline.runtime)

    assert len(pipeline.sql("SELECT 1 FROM index_runs")) == 1
    assert verify_repository(pipeline.runtime, "repository").ok
