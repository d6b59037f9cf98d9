"""Which words are translated by which."""

from collections.abc import Sequence

import numpy as np
import pytest

from bench.thesaurus.translation import translations

WORDS = ("remove", "file", "list")
CODE = ("unlink", "path", "append")


def learned(*said: tuple[str, str], shares: Sequence[float] = ()) -> dict[tuple[str, str], float]:
    """From descriptions and code, by words."""
    pairs = [
        (
            np.array([WORDS.index(word) for word in description.split()], dtype=np.int64),
            np.array([CODE.index(word) for word in code.split()], dtype=np.int64),
        )
        for description, code in said
    ]
    sizes = (len(WORDS), len(CODE))
    found = translations(pairs, shares or [1.0] * len(pairs), sizes)
    return {(WORDS[word], CODE[other]): chance for (word, other), chance in found.items()}


def test_what_explains_more_takes_the_translation() -> None:
    """`unlink` always stands beside `remove`, and beside `file` only when that is there too."""
    found = learned(*[("remove file", "unlink path"), ("remove", "unlink"), ("file", "path")] * 5)

    assert found[("remove", "unlink")] > 0.9
    assert found[("file", "path")] > 0.9
    assert found.get(("file", "unlink"), 0) < 0.1


def test_chances_are_of_all_that_a_word_translates_to() -> None:
    """They add up to one where nothing is left out."""
    found = learned(*[("list", "append"), ("list", "path")] * 50)

    assert sum(chance for (word, _), chance in found.items() if word == "list") == pytest.approx(1)


def test_what_stands_there_once_is_chance() -> None:
    """It is not told."""
    assert learned(("list", "append")) == {}


def test_a_pair_counts_by_its_share() -> None:
    """So that one large package does not decide."""
    found = learned(
        *[("list", "append")] * 10, *[("list", "path")] * 10, shares=[1.0] * 10 + [0.5] * 10
    )

    assert found[("list", "append")] > 1.5 * found[("list", "path")]
