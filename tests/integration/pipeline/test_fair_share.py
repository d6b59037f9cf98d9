"""Fair share: who asks for little does not wait for who asked for much."""

from collections.abc import Callable
from pathlib import Path

from schema import bells
from tasks.settle import settle
from tasks.work import work
from tests.harness import PYTHON, Pipeline

Make = Callable[..., Path]


def test_a_small_repository_behind_a_huge_one_finishes_first(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """Runs take turns: work is announced one batch of each run at a time."""
    runtime = pipeline.runtime
    runtime.settings = runtime.settings.model_copy(update={"batch_files": 1})
    files = {f"f{n}.py": f"def name{n}():\n    return {n}\n" for n in range(12)}
    huge = pipeline.ask(make_repository(files, folder="huge"))
    pipeline.drain("discover")
    small = pipeline.ask(make_repository({"a.py": PYTHON}, folder="small"))
    pipeline.drain("discover")

    with runtime.database.transaction() as connection:
        rung = bells.ring(connection, "parse", limit=2, patience=60)
    for bell in rung:
        for stage in ("parse", "embed", "persist"):
            assert work(runtime, stage, bell.id)
    settle(runtime)

    assert pipeline.receipt(small)["state"] == "succeeded"
    assert pipeline.receipt(huge)["state"] == "indexing"
