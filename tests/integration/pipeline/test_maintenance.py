"""Upkeep: vector indexes when they pay, garbage when nothing names it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from config.errors import PermanentError
from schema import vector_index
from tasks.maintenance import maintain
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
