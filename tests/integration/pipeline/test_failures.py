"""What fails is isolated, recorded and ended; what stands beside it is finished."""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.errors import DatabaseUnavailableError, EncoderUnavailableError, PermanentError
from schema.triage import Failure, list_failures
from tasks import work as work_module
from tasks.embed.hash_encoder import HashEncoder
from tasks.embed.vectors import Vectors
from tasks.parse.sandbox import Sandbox
from tasks.runtime import Runtime
from tasks.verify import verify_repository
from tests.harness import PYTHON, Pipeline

Make = Callable[..., Path]

# A parser that dies on a file that says so, and parses all others for real.
POISONED_CHILD = """
import os
import sys
from tasks.parse import child, parse
real = parse.parse_source
def poisoned(source, language, deadline):
    if "POISON" in source:
        os.abort()
    return real(source, language, deadline)
child.parse_source = poisoned
child.main(["1024", str(os.getppid())])
"""


class PickyEncoder(HashEncoder):
    """Refuses every call that holds a text with the word POISON, like a model out of memory."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """All vectors or none."""
        if any("POISON" in text for text in texts):
            raise EncoderUnavailableError("out of memory")
        return super().encode(texts)


class EmptyEncoder(HashEncoder):
    """Gives no usable vector for any text."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Rows of NaN."""
        return np.full((len(texts), self.dimensions), np.nan, dtype=np.float32)


class BrokenEncoder(HashEncoder):
    """Cannot encode anything."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Never."""
        raise EncoderUnavailableError(f"the model does not load for {len(texts)} texts")


@pytest.fixture
def poisoned(runtime: Runtime) -> Iterator[None]:
    """A parser process that a file can kill."""
    runtime.sandbox.close()
    runtime.__dict__["sandbox"] = Sandbox(
        parse_seconds=5,
        memory_mib=1024,
        files_per_process=100,
        argv=[sys.executable, "-c", POISONED_CHILD],
    )
    yield
    runtime.sandbox.close()


def failures(pipeline: Pipeline) -> list[Failure]:
    """Everything that failed."""
    with pipeline.runtime.database.reading() as connection:
        return list_failures(connection)


@pytest.mark.usefixtures("poisoned")
def test_a_file_that_kills_the_parser_is_quarantined(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """Its neighbours finish, and the run ends as partial."""
    repository = make_repository({"good.py": PYTHON, "bad.py": "POISON = 1\n"})

    receipt = drained_at_once(pipeline, repository)

    assert receipt["state"] == "partial"
    assert receipt["files"]["indexed"] == 1
    assert receipt["files"]["quarantined"] == 1
    [failure] = failures(pipeline)
    assert (failure.stage, failure.path, failure.attempts) == ("parse", "bad.py", 3)
    assert failure.error_class == "ParserCrashedError"


@pytest.mark.usefixtures("poisoned")
def test_a_quarantined_file_does_not_verify(pipeline: Pipeline, make_repository: Make) -> None:
    """Verification names what is missing."""
    drained_at_once(pipeline, make_repository({"good.py": PYTHON, "bad.py": "POISON = 1\n"}))

    verdict = verify_repository(pipeline.runtime, "repository")

    assert not verdict.ok
    assert verdict.missing == ["bad.py: quarantined"]


def test_a_poison_text_is_found_by_halving(pipeline: Pipeline, make_repository: Make) -> None:
    """One chunk fails, all others of its batch get their vectors."""
    pipeline.use(PickyEncoder())
    files = {f"f{n}.py": f"def name{n}():\n    return {n}\n" for n in range(20)}
    files["f7.py"] = "def POISON():\n    return 7\n"

    receipt = pipeline.index(make_repository(files))

    assert receipt["state"] == "partial"
    assert receipt["vectors"] == {"text": 19, "code": 19, "failed": 2}
    assert {"f7.py"} == {failure.path for failure in failures(pipeline)}
    assert {"out of memory"} == {failure.message for failure in failures(pipeline)}


def test_a_vector_without_direction_is_never_stored(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """A zero or NaN vector would make every distance meaningless."""
    pipeline.use(EmptyEncoder())

    receipt = pipeline.index(make_repository({"a.py": PYTHON}))

    assert receipt["state"] == "partial"
    assert pipeline.sql("SELECT 1 FROM embeddings") == []
    assert len(failures(pipeline)) == 2


def test_without_an_encoder_chunks_are_searchable(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """Every chunk is on the list of failed embeddings, none is lost."""
    pipeline.use(BrokenEncoder())

    receipt = pipeline.index(make_repository({"a.py": PYTHON, "b.py": PYTHON + "x = 1\n"}))

    assert receipt["state"] == "partial"
    assert receipt["files"]["indexed"] == 2
    assert receipt["vectors"]["failed"] == 2 * receipt["chunks"]
    assert len(failures(pipeline)) == 2 * receipt["chunks"]


def test_a_passing_fault_is_tried_again(
    pipeline: Pipeline, make_repository: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two failed attempts cost two attempts."""
    _fail(monkeypatch, "parse", DatabaseUnavailableError("gone for a moment"), times=2)

    receipt = pipeline.index(make_repository({"a.py": PYTHON}))

    assert receipt["state"] == "succeeded"


@pytest.mark.parametrize("error", [MemoryError(), KeyError("a defect of ours")])
def test_an_unexpected_error_costs_an_attempt(
    pipeline: Pipeline,
    make_repository: Make,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
) -> None:
    """Neither exhausted memory nor a defect ends the worker or leaves a batch behind."""
    _fail(monkeypatch, "embed", error, times=1)

    receipt = pipeline.index(make_repository({"a.py": PYTHON}))

    assert receipt["state"] == "succeeded"


def test_a_batch_that_always_fails_is_ended(
    pipeline: Pipeline, make_repository: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its last attempt everything in it has a final state."""
    _fail(monkeypatch, "parse", PermanentError("no way"), times=1_000)

    receipt = pipeline.index(make_repository({"a.py": PYTHON, "b.py": PYTHON + "x = 1\n"}))

    assert receipt["state"] == "partial"
    assert receipt["files"]["quarantined"] == 2
    assert [] == pipeline.sql("SELECT 1 FROM batches WHERE state IN ('pending', 'leased')")


def test_a_seal_is_never_given_up(
    pipeline: Pipeline, make_repository: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work is done by then: only time can be lost."""
    _fail(monkeypatch, "persist", DatabaseUnavailableError("gone"), times=8)

    receipt = pipeline.index(make_repository({"a.py": PYTHON}))

    assert receipt["state"] == "succeeded"


def test_a_worker_for_another_model_writes_nothing_wrong(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """Vectors of two models are never mixed; the batch says which one this host lacks."""
    pipeline.ask(make_repository({"a.py": PYTHON}))
    pipeline.drain("discover", "parse")
    pipeline.sql(
        "INSERT INTO embedding_models (key, name, setting)"
        " VALUES ('other', 'other', '/nowhere/other')"
    )
    pipeline.sql(
        "UPDATE snapshots SET text_model_id = m.id, code_model_id = m.id"
        " FROM embedding_models m WHERE m.key = 'other'"
    )

    pipeline.drain()

    assert pipeline.sql("SELECT 1 FROM embeddings") == []
    assert failures(pipeline)
    assert all("/nowhere/other" in (failure.message or "") for failure in failures(pipeline))


def drained_at_once(pipeline: Pipeline, repository: Path) -> dict[str, Any]:
    """Indexes without waiting for the delays between attempts."""
    asked = pipeline.ask(repository)
    while pipeline.sql("SELECT 1 FROM batches WHERE state = 'pending'"):
        pipeline.sql("UPDATE batches SET next_attempt_at = now() WHERE state = 'pending'")
        pipeline.drain("discover", "parse", "embed", "persist")
    return pipeline.receipt(asked)


def _fail(monkeypatch: pytest.MonkeyPatch, stage: str, error: BaseException, *, times: int) -> None:
    """Lets the first attempts at a stage raise."""
    real = work_module.STAGES[stage]
    left = iter(range(times))

    def failing(*arguments: object) -> None:
        if next(left, None) is not None:
            raise error
        real(*arguments)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setitem(work_module.STAGES, stage, failing)
