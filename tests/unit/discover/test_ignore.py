"""The rules of one `.gitignore`. `tests/integration/discover/test_folder.py` compares with git."""

import time

import pytest

from tasks.discover.ignore import is_ignored, parse_rules


@pytest.mark.parametrize(
    ("rules", "path", "ignored"),
    [
        ("*.log", "a.log", True),
        ("*.log", "deep/er/a.log", True),
        ("*.log", "a.log.py", False),
        ("/a.py", "a.py", True),
        ("/a.py", "deep/a.py", False),
        ("build/", "build/", True),
        ("build/", "build", False),
        ("build/", "deep/build/", True),
        ("docs/*.txt", "docs/a.txt", True),
        ("docs/*.txt", "docs/deep/a.txt", False),
        ("docs/*.txt", "deep/docs/a.txt", False),
        ("**/cache/*.db", "a/b/cache/x.db", True),
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/b/c/z", True),
        ("a/**/z", "b/a/z", False),
        ("a/**", "a/b", True),
        ("a/**", "a/", False),
        ("*", "anything", True),
        ("*.py\n!keep.py", "keep.py", False),
        ("!keep.py\n*.py", "keep.py", True),
        ("*.log\n!important/", "important/x.log", True),
        ("# comment", "# comment", False),
        ("\\#file", "#file", True),
        ("\\!file", "!file", True),
        ("a[0-9].py", "a7.py", True),
        ("a[!0-9].py", "a7.py", False),
        ("foo[!a]", "foo/", False),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("trailing  ", "trailing", True),
        ("trailing\\ ", "trailing ", True),
        ("crlf\r", "crlf", True),
        ("", "a", False),
        ("/", "a", False),
        ("a\\", "a", False),
        ("[z-a]", "a", False),
        ("\ufeffbom", "bom", True),
        ("ü*", "über", True),
    ],
)
def test_a_rule_means_what_git_says(rules: str, path: str, ignored: bool) -> None:
    """A folder's path ends with a slash; the last rule that matches decides."""
    assert ignored is is_ignored((parse_rules("", rules.encode()),), path)


def test_a_rule_that_is_not_utf8_matches_its_bytes() -> None:
    """Old file names and old rules go together."""
    rules = parse_rules("", b"caf\xe9\n")

    assert is_ignored((rules,), b"caf\xe9".decode(errors="surrogateescape"))


def test_the_deepest_file_decides() -> None:
    """It may take back what one above says."""
    chain = (parse_rules("", b"*.log\n"), parse_rules("keep/", b"!*.log\n"))

    assert not is_ignored(chain, "keep/a.log")


def test_a_deeper_file_that_is_silent_leaves_it_to_the_one_above() -> None:
    """Silence is no permission."""
    chain = (parse_rules("", b"*.log\n"), parse_rules("deep/", b"*.tmp\n"))

    assert is_ignored(chain, "deep/a.log")


def test_rules_are_relative_to_their_folder() -> None:
    """A leading slash means that folder."""
    rules = parse_rules("sub/", b"/a.py\n")

    assert is_ignored((rules,), "sub/a.py")
    assert not is_ignored((rules,), "sub/sub/a.py")


@pytest.mark.parametrize(
    "pattern",
    [
        "*a" * 60 + "b",
        "*[ab]*" * 60 + "c",
        "**/a/" * 20 + "b",
        "**/a*/" * 20 + "*b",
        "x*/" + "*a" * 30,
    ],
)
@pytest.mark.parametrize("path", ["a" * 1_024, "a/" * 512, "x/" + "a" * 1_000])
def test_a_hostile_rule_takes_no_time(pattern: str, path: str) -> None:
    """A backtracking matcher needs longer than the universe for some of these."""
    rules = parse_rules("", pattern.encode())

    started = time.process_time()
    is_ignored((rules,), path)

    assert len(rules.rules) == 1
    assert time.process_time() - started < 0.5


def test_an_endless_line_is_no_rule() -> None:
    """Compiling it would take long, and it cannot match a path that is indexed."""
    assert parse_rules("", b"a" * 2_000 + b"\n*.log\n").rules == parse_rules("", b"*.log").rules
