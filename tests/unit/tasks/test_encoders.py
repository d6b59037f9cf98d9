"""Encoders: batches, unit vectors, and the stand-in for tests."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.embed.hash_encoder import HashEncoder
from tasks.embed.vectors import token_batches, unit_rows


@given(st.lists(st.integers(0, 300), max_size=200), st.integers(1, 4_096))
def test_every_text_is_in_one_batch(lengths: list[int], limit: int) -> None:
    """None is lost, none is encoded twice."""
    batches = list(token_batches(lengths, limit))

    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))


@given(st.lists(st.integers(1, 300), max_size=200))
def test_a_batch_holds_no_more_tokens_than_allowed(lengths: list[int]) -> None:
    """Padding counts: every text costs as much as the longest."""
    for batch in token_batches(lengths, 512):
        assert len(batch) * max(lengths[index] for index in batch) <= 512 or len(batch) == 1


def test_a_fixed_number_of_texts_can_be_asked_for() -> None:
    """As other pipelines do it, for comparison."""
    assert [32, 32, 6] == [len(batch) for batch in token_batches([10] * 70, 4_096, 32)]


def test_rows_become_unit_vectors() -> None:
    """Whatever their length was."""
    rows = unit_rows(np.array([[3.0, 4.0], [0.1, 0.0]], dtype=np.float32))

    assert np.allclose(np.linalg.norm(rows, axis=1), 1)


@pytest.mark.parametrize("row", [[0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0], [1e-9, 0.0]])
def test_a_row_without_direction_becomes_nan(row: list[float]) -> None:
    """It must never be stored, so it is marked."""
    assert np.isnan(unit_rows(np.array([row], dtype=np.float32))).all()


@given(st.lists(st.text(max_size=80), min_size=1, max_size=20))
def test_the_hash_encoder_always_gives_unit_vectors(texts: list[str]) -> None:
    """Also for empty texts."""
    vectors = HashEncoder().encode(texts)

    assert vectors.shape == (len(texts), 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_the_hash_encoder_is_deterministic() -> None:
    """The same text has the same vector in every process."""
    assert np.array_equal(HashEncoder().encode(["a b"]), HashEncoder().encode(["a b"]))


def test_versions_of_the_hash_encoder_share_no_direction() -> None:
    """They stand for different models; the setting says which one and how wide."""
    texts = ["load the user by its name", "delete all invoices of last year"]
    one, two = HashEncoder.named("hash-1"), HashEncoder.named("hash-2")

    assert np.array_equal(one.encode(texts), HashEncoder().encode(texts))
    assert np.abs(np.sum(one.encode(texts) * two.encode(texts), axis=1)).max() < 0.5
    assert HashEncoder.named("hash-3-16").encode(texts).shape == (2, 16)


def test_what_names_no_hash_encoder_is_refused() -> None:
    """A model's folder is none."""
    with pytest.raises(ValueError, match="names no hash encoder"):
        HashEncoder.named("hash")


def test_texts_with_common_words_are_near() -> None:
    """Enough meaning for a test to find something."""
    a, b, c = HashEncoder().encode(["load the user", "load a user", "delete all invoices"])
    assert a @ b > a @ c


def test_openvino_reports_to_nobody() -> None:
    """It would send an event for every import, and write an identity into the home folder."""
    code = (
        "from tasks.embed import openvino_encoder\n"
        "from openvino.tools.ovc import telemetry_utils\n"
        "print(telemetry_utils.tm.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "openvino.tools.ovc.telemetry_stub"
