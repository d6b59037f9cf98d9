"""The line about what was read."""

import pytest

from mnemolite.freshness import age, say_freshness

READ = {"repository": "web", "ref": "main", "commit": "a" * 40, "state": "complete", "age_s": 7_300}


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7_199, "1 h"), (90_000, "1 d")]
)
def test_an_age_has_one_unit(seconds: int, text: str) -> None:
    """The largest that fits."""
    assert age(seconds) == text


def test_one_snapshot_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, like all that is no data."""
    say_freshness([READ])

    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "web @ main aaaaaaaaaaaa, indexed 2 h ago\n")


def test_of_several_the_oldest_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """With its state where it is not complete."""
    say_freshness([READ, READ | {"repository": "old\x1b", "age_s": 90_000, "state": "lexical"}])

    assert capsys.readouterr().err == (
        "2 repositories; the oldest: old\\x1b @ main aaaaaaaaaaaa, lexical, indexed 1 d ago\n"
    )


def test_without_an_index_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """There is nothing to say."""
    say_freshness([])

    assert capsys.readouterr().err == ""
