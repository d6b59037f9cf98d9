"""From a source to a searchable index, every stage for real."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.verify import verify_repository
from tests.harness import PYTHON, Pipeline, git

Make = Callable[..., Path]
Write = Callable[[dict[str, str | bytes]], Path]


def test_a_repository_is_indexed_to_its_end(pipeline: Pipeline, make_repository: Make) -> None:
    """Every file is parsed, every chunk has both vectors, and the receipt says so."""
    repository = make_repository({"greet.py": PYTHON, "README.md": "# Greeting\n\nHow to greet.\n"})

    receipt = pipeline.index(repository)

    assert receipt["state"] == "succeeded"
    assert receipt["files"] == {"discovered": 2, "indexed": 2, "skipped": {}, "quarantined": 0}
    assert receipt["commit"] == git(repository, "rev-parse", "HEAD")
    assert receipt["ref"] == "main"
    assert receipt["chunks"] == receipt["vectors"]["text"] == receipt["vectors"]["code"] == 2
    assert receipt["vectors"]["failed"] == 0
    assert receipt["reused"] == {"blobs": 0, "embeddings": 0}


def test_times_are_in_order(pipeline: Pipeline, make_repository: Make) -> None:
    """Lexically searchable comes before vectors, vectors before the end."""
    spent = pipeline.index(make_repository({"greet.py": PYTHON}))["seconds"]

    assert 0 < spent["lexical"] <= spent["vector"] <= spent["total"]


def test_what_is_indexed_verifies(pipeline: Pipeline, make_repository: Make) -> None:
    """The index holds exactly what the source holds."""
    pipeline.index(make_repository({"greet.py": PYTHON, "a/b/c.sh": "echo hi\n"}))

    verdict = verify_repository(pipeline.runtime, "repository")

    assert verdict.ok
    assert verdict.expected["files"] == verdict.stored["files"] == 2
    assert verdict.stored["vectors_text"] == verdict.stored["chunks"]


def test_a_plain_folder_is_indexed(pipeline: Pipeline, write_files: Write) -> None:
    """Without git the identity of what was read is a digest of its content."""
    receipt = pipeline.index(write_files({"greet.py": PYTHON}))

    assert receipt["state"] == "succeeded"
    assert receipt["commit"].startswith("tree:")
    assert verify_repository(pipeline.runtime, "source").ok


def test_uncommitted_work_is_left_out(pipeline: Pipeline, make_repository: Make) -> None:
    """A repository is indexed as committed, whatever lies in its work tree."""
    repository = make_repository({"greet.py": PYTHON})
    (repository / "draft.py").write_text("x = 1\n")

    assert pipeline.index(repository)["files"]["discovered"] == 1


def test_the_work_tree_is_indexed_when_asked_for(pipeline: Pipeline, make_repository: Make) -> None:
    """With --worktree files count as they lie, except ignored ones."""
    repository = make_repository({"greet.py": PYTHON, ".gitignore": "*.log\n"})
    (repository / "draft.py").write_text("x = 1\n")
    (repository / "noise.log").write_text("noise\n")

    receipt = pipeline.index(repository, worktree=True)

    paths = {row.path for row in pipeline.sql("SELECT path FROM snapshot_files")}
    assert paths == {".gitignore", "draft.py", "greet.py"}
    assert receipt["commit"].startswith("tree:")


def test_every_skipped_file_has_a_reason(pipeline: Pipeline, make_repository: Make) -> None:
    """Nothing disappears silently."""
    repository = make_repository(
        {
            "greet.py": PYTHON,
            "vendor/other.py": PYTHON,
            "package-lock.json": "{}",
            "empty.py": "",
            "drawing.svg": "<svg/>",
        }
    )

    files = pipeline.index(repository)["files"]

    assert files["indexed"] == 1
    assert files["skipped"] == {"empty": 1, "lock_file": 1, "unsupported": 1, "vendored": 1}


def test_secrets_are_not_stored(pipeline: Pipeline, write_files: Write) -> None:
    """Neither the source nor any chunk holds the token; its line stays."""
    token = "ghp_" + "a1B2" * 9
    receipt = pipeline.index(write_files({"settings.py": f"TOKEN = '{token}'\nOTHER = 1\n"}))

    [row] = pipeline.sql("SELECT source FROM blob_sources")
    assert token not in row.source
    assert row.source.count("\n") == 2
    assert receipt["secrets_redacted"] == 1
    assert pipeline.sql("SELECT 1 FROM code_chunks WHERE lexemes::text ILIKE '%a1b2a1b2%'") == []


def test_a_file_with_syntax_errors_is_indexed(pipeline: Pipeline, write_files: Write) -> None:
    """Broken code is searchable code."""
    receipt = pipeline.index(write_files({"broken.py": "def f(:\n    return = 1\n" * 5}))

    assert receipt["state"] == "succeeded"
    assert receipt["chunks"] >= 1
    assert [row.has_errors for row in pipeline.sql("SELECT has_errors FROM blobs")] == [True]


def test_equal_inputs_are_embedded_once(pipeline: Pipeline, write_files: Write) -> None:
    """The same code in two files costs one vector per space."""
    pipeline.index(write_files({"a.py": PYTHON, "b.py": PYTHON + "\n# the end\n"}))

    [row] = pipeline.sql(
        "SELECT count(*) AS n, count(DISTINCT (space, input_id)) AS d FROM embeddings"
    )
    assert row.n == row.d


@pytest.mark.parametrize(
    ("files", "reason"),
    [({}, "is empty"), ({"logo.png": b"\x89PNG\r\n\x1a\n\0\0"}, "none of the 1 files")],
)
def test_a_source_without_anything_to_index_fails_the_run(
    pipeline: Pipeline, write_files: Write, files: dict[str, str | bytes], reason: str
) -> None:
    """The reason is on the receipt, and no half-made snapshot stays."""
    folder = write_files(files)
    folder.mkdir(exist_ok=True)

    receipt = pipeline.index(folder)

    assert receipt["state"] == "failed"
    assert receipt["error"]["class"] == "NothingToIndexError"
    assert reason in receipt["error"]["message"]
    assert pipeline.sql("SELECT 1 FROM snapshots") == []


def test_a_source_that_vanished_fails_the_run(pipeline: Pipeline, make_repository: Make) -> None:
    """Bad input is not retried."""
    repository = make_repository({"greet.py": PYTHON})
    asked = pipeline.ask(repository)
    repository.rename(repository.with_name("elsewhere"))

    pipeline.drain()

    receipt = pipeline.receipt(asked)
    assert receipt["state"] == "failed"
    assert [row.attempt for row in pipeline.sql("SELECT attempt FROM batches")] == [1]
