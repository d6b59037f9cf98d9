"""Scrubbing: nothing secret or personal leaves the process in text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.scrub import one_line, scrub

CANARIES = {
    "url": ("postgresql://user:hunter2@host/db", "hunter2"),
    "aws": ("key AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
    "github": ("ghp_" + "a1" * 18, "ghp_a1"),
    "gitlab": ("glpat-" + "x" * 20, "glpat-xxx"),
    "slack": ("xoxb-1234567890-abcdef", "1234567890"),
    "jwt": ("eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.abc", "eyJzdWIi"),
    "bearer": ("Authorization: Bearer abcdefgh12345678", "abcdefgh12345678"),
    "assignment": ("password = 'hunter2hunter2'", "hunter2hunter2"),
    "e-mail": ("mail jane.doe@example.org now", "jane.doe"),
    "home": ("/home/jane/project/x.py", "jane"),
    "mac home": ("/Users/jane/x.py", "jane"),
    "windows home": ("C:\\Users\\jane\\x.py", "jane"),
    "private key": ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "MIIE"),
}


@pytest.mark.parametrize(("text", "secret"), CANARIES.values(), ids=CANARIES)
def test_a_secret_is_removed(text: str, secret: str) -> None:
    """Of every known shape."""
    assert secret not in scrub(f"before {text} after")


@pytest.mark.parametrize(
    "text",
    ["the parser died on this file", "src/app/main.py:12: error", "commit 3f2a9c1 @ main"],
)
def test_harmless_text_stays(text: str) -> None:
    """A scrubbed message still says what happened."""
    assert text == scrub(text)


@given(st.text(max_size=300), st.sampled_from(sorted(CANARIES)), st.text(max_size=300))
def test_a_secret_is_removed_wherever_it_stands(before: str, name: str, after: str) -> None:
    """Whatever surrounds it."""
    text, secret = CANARIES[name]
    assert secret not in scrub(f"{before}\n{text}\n{after}")


@given(st.text(max_size=500))
def test_scrubbing_twice_changes_nothing(text: str) -> None:
    """Logs may be scrubbed on several ways."""
    once = scrub(text)
    assert once == scrub(once)


@given(st.text(max_size=300))
def test_one_line_is_one_printable_line(text: str) -> None:
    """No control character reaches a terminal."""
    assert one_line(text).isprintable()
