"""Nothing is done twice: unchanged content costs neither a parse nor an embedding."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from config.errors import BadInputError
from search.query import Searcher
from search.scope import Scope
from tasks.embed.hash_encoder import HashEncoder
from tasks.embed.vectors import Vectors
from tasks.verify import verify_repository
from tests.harness import PYTHON, Pipeline, git

Make = Callable[..., Path]
OTHER = "def unrelated(value):\n    return value * 2\n"


def paths_found(pipeline: Pipeline, query: str, **scope: Any) -> set[str]:
    """The paths that a lexical search finds."""
    answer = Searcher(pipeline.runtime).search(query, scope=Scope(**scope), mode="lexical")
    return {result.path for result in answer.results}


def batches(pipeline: Pipeline) -> int:
    """How many batches of work were ever made, listings aside."""
    [row] = pipeline.sql("SELECT count(*) AS n FROM batches WHERE stage <> 'discover'")
    return int(row.n)


def test_an_unchanged_commit_does_nothing(pipeline: Pipeline, make_repository: Make) -> None:
    """The second run ends at once, on the same snapshot, with everything reused."""
    repository = make_repository({"greet.py": PYTHON, "other.py": OTHER})
    first = pipeline.index(repository)
    done = batches(pipeline)

    second = pipeline.index(repository)

    assert second["state"] == "succeeded"
    assert second["snapshot_id"] == first["snapshot_id"]
    assert second["reused"] == {"blobs": 2, "embeddings": 4}
    assert batches(pipeline) == done


def test_an_unchanged_folder_does_nothing(pipeline: Pipeline, tmp_path: Path) -> None:
    """Without git the content tells, once it is read."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "greet.py").write_text(PYTHON)
    first = pipeline.index(folder)
    done = batches(pipeline)

    second = pipeline.index(folder)

    assert second["snapshot_id"] == first["snapshot_id"]
    assert second["reused"] == {"blobs": 1, "embeddings": 2}
    assert batches(pipeline) == done


def test_a_changed_file_costs_one_file(pipeline: Pipeline, make_repository: Make) -> None:
    """Only the new content is parsed and embedded."""
    pipeline.index(make_repository({"greet.py": PYTHON, "other.py": OTHER}))
    [before] = pipeline.sql("SELECT max(parsed_at) AS at FROM blobs")

    receipt = pipeline.index(make_repository({"other.py": OTHER + "# changed\n"}))

    parsed = pipeline.sql("SELECT language FROM blobs WHERE parsed_at > :at", at=before.at)
    assert len(parsed) == 1
    assert receipt["reused"]["blobs"] == 1
    assert verify_repository(pipeline.runtime, "repository").ok


def test_a_deleted_file_leaves_with_the_old_manifest(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """What the commit no longer names is no longer found."""
    pipeline.index(make_repository({"greet.py": PYTHON, "other.py": OTHER}))
    assert paths_found(pipeline, "unrelated") == {"other.py"}

    pipeline.index(make_repository({"other.py": None}))

    assert paths_found(pipeline, "unrelated") == set()
    assert verify_repository(pipeline.runtime, "repository").ok


def test_a_rename_costs_nothing(pipeline: Pipeline, make_repository: Make) -> None:
    """The same content at another path: a new manifest, no work."""
    repository = make_repository({"greet.py": PYTHON})
    pipeline.index(repository)
    done = batches(pipeline)
    git(repository, "mv", "greet.py", "welcome.py")

    receipt = pipeline.index(make_repository({}))

    assert receipt["reused"] == {"blobs": 1, "embeddings": 2}
    assert batches(pipeline) == done
    assert paths_found(pipeline, "greet") == {"welcome.py"}


def test_a_branch_costs_what_differs(pipeline: Pipeline, make_repository: Make) -> None:
    """A second ref has its own live snapshot over shared content."""
    repository = make_repository({"greet.py": PYTHON})
    pipeline.index(repository)
    git(repository, "checkout", "-q", "-b", "feature")
    make_repository({"other.py": OTHER})

    receipt = pipeline.index(repository, ref="feature")

    assert receipt["ref"] == "feature"
    assert receipt["reused"]["blobs"] == 1
    assert paths_found(pipeline, "unrelated") == set()
    assert paths_found(pipeline, "unrelated", ref="feature") == {"other.py"}


def test_a_fork_costs_a_manifest(pipeline: Pipeline, make_repository: Make) -> None:
    """Another repository with the same files shares all of the work."""
    files = {"greet.py": PYTHON, "other.py": OTHER}
    pipeline.index(make_repository(files, "original"))
    done = batches(pipeline)

    receipt = pipeline.index(make_repository(files, "fork"))

    assert receipt["reused"] == {"blobs": 2, "embeddings": 4}
    assert batches(pipeline) == done
    assert verify_repository(pipeline.runtime, "fork").ok


def test_going_back_to_an_old_commit_costs_nothing(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """Content is kept, so a branch that is reset is live again at once."""
    repository = make_repository({"greet.py": PYTHON})
    pipeline.index(repository)
    pipeline.index(make_repository({"greet.py": OTHER}))
    git(repository, "reset", "-q", "--hard", "HEAD~1")
    done = batches(pipeline)

    receipt = pipeline.index(repository)

    assert receipt["reused"] == {"blobs": 1, "embeddings": 2}
    assert batches(pipeline) == done
    assert paths_found(pipeline, "unrelated") == set()


def test_the_same_name_for_another_source_is_refused(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """Two sources never share one repository by accident."""
    pipeline.index(make_repository({"greet.py": PYTHON}, "one/app"))
    with pytest.raises(BadInputError, match="--name"):
        pipeline.ask(make_repository({"greet.py": PYTHON}, "two/app"))


def test_two_runs_at_once_share_one_snapshot(pipeline: Pipeline, make_repository: Make) -> None:
    """A run that finds its commit being indexed waits for it instead of repeating it."""
    repository = make_repository({"greet.py": PYTHON})
    first, second = pipeline.ask(repository), pipeline.ask(repository)

    pipeline.drain()

    receipts = pipeline.receipt(first), pipeline.receipt(second)
    assert receipts[0]["snapshot_id"] == receipts[1]["snapshot_id"]
    assert {receipt["state"] for receipt in receipts} == {"succeeded"}
    assert verify_repository(pipeline.runtime, "repository").ok


def test_other_models_embed_what_is_indexed_already(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """A snapshot for another model is complete only when its own vectors exist."""
    repository = make_repository({"greet.py": PYTHON})
    pipeline.index(repository)
    pipeline.sql(
        "INSERT INTO embedding_models (key, name, setting)"
        " VALUES ('former', 'former', '/nowhere/former')"
    )
    pipeline.sql(
        "UPDATE embeddings SET model_id = (SELECT id FROM embedding_models WHERE key = 'former')"
    )
    pipeline.sql(
        "UPDATE snapshots SET text_model_id = m.id, code_model_id = m.id"
        " FROM embedding_models m WHERE m.key = 'former'"
    )

    receipt = pipeline.index(repository)

    assert receipt["state"] == "succeeded"
    assert receipt["reused"] == {"blobs": 1, "embeddings": 0}
    [row] = pipeline.sql("SELECT count(*) AS n FROM embeddings")
    assert row.n == 4


def test_a_text_of_both_spaces_is_encoded_once(pipeline: Pipeline, make_repository: Make) -> None:
    """Prose is the same in both: one call of the model gives both vectors."""
    seen: list[str] = []

    class Noting(HashEncoder):
        def encode(self, texts: Sequence[str]) -> Vectors:
            seen.extend(texts)
            return super().encode(texts)

    pipeline.use(Noting())
    repository = make_repository({"notes.md": "# Notes\n\nOrders arrive at night.\n"})

    receipt = pipeline.index(repository)

    assert len(seen) == receipt["chunks"] == 1
    assert receipt["vectors"] == {"text": 1, "code": 1, "failed": 0}
