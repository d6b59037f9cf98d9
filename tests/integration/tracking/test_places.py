"""Where an error belongs: repository, path and run are kept with it, not only the blob's number."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.errors import EncoderUnavailableError, LeaseLostError, ParseError
from schema import errors
from tasks import work as work_module
from tasks.doorbells import Doorbells
from tasks.embed.hash_encoder import HashEncoder
from tasks.embed.replay import replay_embedding
from tasks.reconcile import Reconciler
from tests.harness import PYTHON, Pipeline
from workers.app import create_app

Make = Callable[..., Path]
EVERYTHING = {"seconds": 3600.0, "operation": None, "error_class": None, "limit": 100}
BAD = "def bad():\n    return 1\n"


class NoEncoder(HashEncoder):
    """Cannot encode anything."""

    def encode(self, texts: Any) -> Any:
        """Never."""
        raise EncoderUnavailableError(f"no vectors for {len(texts)} texts")


def kept(pipeline: Pipeline, operation: str) -> list[dict[str, Any]]:
    """What the table holds of an operation, once everything is written."""
    pipeline.runtime.errors.flush()
    with pipeline.runtime.database.reading() as connection:
        return errors.latest(connection, **EVERYTHING | {"operation": operation})


def refuse(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Lets the parser refuse every file that holds `text`."""
    real = pipeline.runtime.sandbox.parse

    def picky(source: str, language: str, seconds: float) -> Any:
        if text in source:
            raise ParseError("this file is refused")
        return real(source, language, seconds)

    monkeypatch.setattr(pipeline.runtime.sandbox, "parse", picky)


def test_a_file_that_fails_is_named(
    pipeline: Pipeline, make_repository: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the path of the run's own repository, though another holds the same content."""
    pipeline.ask(make_repository({"a.py": PYTHON, "copy.py": BAD}, "first"))
    pipeline.drain("discover")
    asked = pipeline.ask(make_repository({"a.py": PYTHON, "src/bad.py": BAD}, "second"))
    pipeline.drain("discover")
    refuse(pipeline, monkeypatch, "def bad")
    pipeline.sql(
        "UPDATE batches SET run_id = :run WHERE id = (SELECT batch_id FROM blobs x JOIN"
        " snapshot_files f ON f.blob_id = x.id WHERE f.path = 'copy.py')",
        run=asked.run_id,
    )
    pipeline.drain("parse")

    [error] = kept(pipeline, "parse.file")

    assert (error["repository"], error["path"]) == ("second", "src/bad.py")
    assert error["error_class"] == "ParseError"
    assert "stage.py" in error["traceback"]
    assert error["correlation_id"] == pipeline.receipt(asked)["correlation_id"]
    assert {"blob", "batch", "language"} <= error["details"].keys()


def test_where_it_belonged_outlives_the_content(
    pipeline: Pipeline, make_repository: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The repository may be removed by the time that somebody asks."""
    refuse(pipeline, monkeypatch, "def bad")
    pipeline.ask(make_repository({"bad.py": BAD}))
    pipeline.drain("discover", "parse")
    pipeline.runtime.errors.flush()

    pipeline.sql("DELETE FROM repositories")

    [error] = kept(pipeline, "parse.file")
    assert (error["repository"], error["path"]) == ("repository", "bad.py")


def test_a_run_that_cannot_start_is_named(pipeline: Pipeline, make_repository: Make) -> None:
    """It has no path."""
    asked = pipeline.ask(make_repository({"a.py": PYTHON}), ref="no-such-branch")
    pipeline.drain()

    [error] = kept(pipeline, "discover")

    assert (error["repository"], error["path"]) == ("repository", None)
    assert error["correlation_id"] == pipeline.receipt(asked)["correlation_id"]


@pytest.mark.parametrize(("files", "path"), [(("a.py",), "a.py"), (("a.py", "b.py"), None)])
def test_a_batch_has_a_path_when_it_has_one_file(
    pipeline: Pipeline,
    make_repository: Make,
    monkeypatch: pytest.MonkeyPatch,
    files: tuple[str, ...],
    path: str | None,
) -> None:
    """Of several nobody knows which one it was."""
    monkeypatch.setitem(work_module.STAGES, "parse", _defective)
    pipeline.ask(make_repository({name: f"{PYTHON}# {name}\n" for name in files}))
    pipeline.drain("discover", "parse")

    error = kept(pipeline, "parse")[0]

    assert (error["repository"], error["path"]) == ("repository", path)
    assert error["error_class"] == "DefectError"


def _defective(*_: object) -> None:
    raise ZeroDivisionError("a defect")


def test_a_worker_that_died_is_counted_for_its_run(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """The reconciler, which finds it, knows the batch and no more."""
    asked = pipeline.ask(make_repository({"a.py": PYTHON}))
    pipeline.drain("discover")
    pipeline.sql(
        "UPDATE batches SET state = 'leased', attempt = 1, lease_token = gen_random_uuid(),"
        " lease_until = now() - interval '1 s', worker = 'dead' WHERE state = 'pending'"
    )
    app = create_app(pipeline.runtime.settings)
    Reconciler(pipeline.runtime, Doorbells(app)).rescue()
    app.close()

    [error] = kept(pipeline, "parse")

    assert error["error_class"] == LeaseLostError.__name__
    assert (error["repository"], error["path"]) == ("repository", "a.py")
    assert error["correlation_id"] == pipeline.receipt(asked)["correlation_id"]


def test_a_failed_embedding_is_named(pipeline: Pipeline, make_repository: Make) -> None:
    """By the file whose chunk it is."""
    pipeline.use(NoEncoder())
    pipeline.index(make_repository({"a.py": "def a():\n    return 1\n"}))
    [failure] = pipeline.sql("SELECT min(id) AS id FROM failed_embeddings")

    replay_embedding(pipeline.runtime, failure.id, pipeline.runtime.policy("embed.retry"))

    [error] = kept(pipeline, "embed.retry")
    assert (error["repository"], error["path"]) == ("repository", "a.py")


def test_an_error_of_nothing_known_is_kept_as_it_is(pipeline: Pipeline) -> None:
    """A batch that is gone hides nothing."""
    pipeline.runtime.errors.record("parse", ParseError(), batch=999, blob=999, note=uuid.uuid4())

    [error] = kept(pipeline, "parse")

    assert (error["repository"], error["path"]) == (None, None)
    assert error["details"]["batch"] == "999"
