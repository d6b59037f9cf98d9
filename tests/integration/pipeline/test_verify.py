"""Verification finds whatever is not as it should be, and equal indexes have equal digests."""

from collections.abc import Callable
from pathlib import Path

import pytest

from config.errors import UnknownRepositoryError
from tasks.verify import Verdict, verify_repository
from tests.harness import PYTHON, Pipeline

Make = Callable[..., Path]
FILES = {"a.py": PYTHON, "b.py": PYTHON + "\nLIMIT = 3\n", "docs/c.md": "# Title\n\nText.\n"}


@pytest.fixture
def indexed(pipeline: Pipeline, make_repository: Make) -> Callable[[], Verdict]:
    """Verifies a repository that was indexed before."""
    pipeline.index(make_repository(dict(FILES)))
    assert verify_repository(pipeline.runtime, "repository").ok
    return lambda: verify_repository(pipeline.runtime, "repository")


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM code_chunks WHERE id = (SELECT min(id) FROM code_chunks)",
        "DELETE FROM embeddings WHERE space = 'text'",
        "DELETE FROM snapshot_files WHERE path = 'a.py'",
        "UPDATE blobs SET state = 'parsed'",
        "UPDATE blobs SET sha256 = 'x' WHERE language = 'markdown'",
        (
            "INSERT INTO code_chunks (blob_id, ordinal, kind, name_path, signature, docstring,"
            " start_line, end_line, start_byte, end_byte, text_id, code_id, lexemes, length)"
            " SELECT blob_id, 99, kind, name_path, signature, docstring, start_line, end_line,"
            " start_byte, end_byte, text_id, code_id, lexemes, length FROM code_chunks LIMIT 1"
        ),
    ],
)
def test_damage_is_found(pipeline: Pipeline, indexed: Callable[[], Verdict], damage: str) -> None:
    """A lost, doubled or half-written piece makes the verdict fail and changes the digest."""
    before = indexed()
    pipeline.sql(damage)

    after = indexed()

    assert not after.ok
    assert before.digest != after.digest or after.outstanding


def test_a_change_of_the_source_is_found(pipeline: Pipeline, tmp_path: Path) -> None:
    """A folder is compared as it lies now."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.py").write_text(PYTHON)
    (folder / "b.py").write_text("x = 1\n")
    pipeline.index(folder)
    (folder / "b.py").unlink()
    (folder / "c.py").write_text("y = 1\n")

    verdict = verify_repository(pipeline.runtime, "folder")

    assert (verdict.missing, verdict.unexpected) == (["c.py"], ["b.py"])


def test_equal_content_has_an_equal_digest(pipeline: Pipeline, make_repository: Make) -> None:
    """Whatever the ids, times and batches were."""
    pipeline.index(make_repository(dict(FILES), "one"))
    first = verify_repository(pipeline.runtime, "one").digest
    pipeline.sql("TRUNCATE repositories, blobs, embedding_inputs, batches, index_runs CASCADE")
    runtime = pipeline.runtime
    runtime.settings = runtime.settings.model_copy(update={"batch_files": 1})

    pipeline.index(make_repository(dict(FILES), "two"))

    assert verify_repository(pipeline.runtime, "two").digest == first


def test_an_unknown_repository_is_named(pipeline: Pipeline) -> None:
    """The message lists what is there."""
    with pytest.raises(UnknownRepositoryError, match="none yet"):
        verify_repository(pipeline.runtime, "nowhere")
