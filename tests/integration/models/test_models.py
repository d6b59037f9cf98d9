"""Which model is loaded for which vectors: the one that the database names, as this host has it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from config.errors import EncoderUnavailableError
from schema.model_roles import Registered
from tasks.embed.models import locate
from tests.integration.models.change import FILES, Change


def test_a_model_whose_files_changed_is_not_used(tmp_path: Path) -> None:
    """Its vectors would be of another model under the same name."""
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    registered = Registered(1, "another key", "mine", str(tmp_path))

    with pytest.raises(EncoderUnavailableError, match="its files differ"):
        locate(registered)


def test_a_model_that_this_host_lacks_is_named(tmp_path: Path) -> None:
    """With where it was looked for."""
    registered = Registered(1, "key", "mine", str(tmp_path / "gone"))

    with pytest.raises(EncoderUnavailableError, match=r"mine cannot be used here: .*gone"):
        locate(registered)


def test_two_models_stay_loaded(change: Change) -> None:
    """The two that were used last."""
    runtime = change.pipeline.runtime
    ids = [change.named("hash-1").id]
    for number in (2, 3):
        change.add(f"hash-{number}")
        ids.append(change.named(f"hash-{number}").id)
        change.fill()
        change.promote()
    for model_id in (*ids, ids[1]):
        runtime.encoder(model_id)

    assert list(runtime._encoders) == ["hash-3", "hash-2"]
    assert runtime.encoder(ids[0]).dimensions == 384


def test_an_unknown_model_is_said_to_be_dropped(change: Change) -> None:
    """Rather than searched with another."""
    with pytest.raises(EncoderUnavailableError, match="was dropped"):
        change.pipeline.runtime.encoder(10_000)


def test_vectors_of_different_models_are_not_compared(
    change: Change, make_repository: Callable[..., Path]
) -> None:
    """Left over from settings that once differed: each repository answers alone."""
    change.pipeline.index(make_repository(FILES, "fork"))
    change.add("hash-2")
    change.pipeline.sql(
        "UPDATE snapshots s SET code_model_id = :other FROM repositories p"
        " WHERE p.id = s.repository_id AND p.name = 'fork'",
        other=change.named("hash-2").id,
    )

    answer = change.search(mode="hybrid")

    assert answer.models == {"text": "hash-1"}
    assert any("different models" in reason for reason in answer.degraded)
