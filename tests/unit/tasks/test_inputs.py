"""What a chunk is embedded as, in both spaces."""

import pytest

from tasks.embed.inputs import digest, text_input

BODY = "def load(path):\n    return open(path).read()\n"


def test_the_text_of_a_definition_is_what_it_is_called() -> None:
    """Name path, signature and docstring, not the body."""
    assert text_input("python", "Store.load", "def load(path)", "Loads it.", BODY) == (
        "Store.load\ndef load(path)\nLoads it."
    )


@pytest.mark.parametrize(("language", "name_path"), [("markdown", "Title"), ("python", "")])
def test_the_text_of_prose_and_of_the_nameless_is_the_body(language: str, name_path: str) -> None:
    """There is nothing better to say about it."""
    assert text_input(language, name_path, "", "", BODY) == BODY


def test_equal_texts_share_a_digest() -> None:
    """That is what makes vectors reusable."""
    assert digest("x") == digest("x") != digest("y")
    assert len(digest("x")) == 32
