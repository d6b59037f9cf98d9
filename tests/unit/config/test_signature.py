"""Signatures: errors of one kind have one, errors of different kinds have two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.signature import MAX_CHARS, signature

SAME = {
    "numbers": ("line 12 of 40 is broken", "line 7 of 9001 is broken"),
    "decimals": ("took 5.03 s", "took 12 s"),
    "addresses": ("object at 0x7f3a", "object at 0xdeadbeef"),
    "commits": ("no commit 3f2a9c1d here", "no commit a94a8fe5ccb19ba61c4c here"),
    "uuids": (
        "run 3f2504e0-4f89-11d3-9a0c-0305e82c3301 ended",
        "run 11111111-2222-3333-4444-555555555555 ended",
    ),
    "paths": ("/srv/app/a.py: cannot be parsed", "lib/deep/b.rs: cannot be parsed"),
    "file names": ("cannot parse setup.py:12", "cannot parse main.rs"),
    "quotes": ("no module 'spam'", 'no module "eggs"'),
    "urls": ("GET https://a.example/x failed", "GET http://b.example:80/y?z=1 failed"),
    "white space": ("a\n  b", "a b"),
    "secrets": ("password=hunter2hunter2 refused", "password=other9other9 refused"),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_what_varies_does_not_count(one: str, other: str) -> None:
    """Two occurrences of one error share a signature."""
    assert signature("E", one) == signature("E", other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("out of memory", "out of time"),
        ("the parser died on this file", "parsing took longer than its limit"),
        ("can't connect", "can't bind"),
        ("a decade passed", "a facade passed"),
    ],
)
def test_different_errors_differ(one: str, other: str) -> None:
    """Words are kept, even those that look like digests."""
    assert signature("E", one) != signature("E", other)


def test_the_class_counts() -> None:
    """The same words of another error are another error."""
    assert signature("A", "x") != signature("B", "x")


def test_a_signature_is_readable() -> None:
    """A person recognises the error in it."""
    message = "(/src/a.py): line 12, no module 'spam' at 0x7f3a."
    assert signature("ParseError", message) == (
        "ParseError: (<path>): line <n>, no module <name> at <hex>."
    )


def test_no_secret_enters_a_signature() -> None:
    """It is stored and shown."""
    assert "hunter2" not in signature("E", "postgresql://user:hunter2@host refused it")


@given(st.text())
def test_any_text_has_a_short_and_stable_signature(message: str) -> None:
    """One line, whatever the message holds."""
    found = signature("E", message)

    assert len(found) <= MAX_CHARS
    assert found.splitlines() in ([found], [])
    assert signature("E", message) == found
