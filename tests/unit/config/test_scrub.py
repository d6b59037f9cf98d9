"""Scrubbing: nothing secret or personal leaves the process in text."""

import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from config.scrub import MAX_CHARS, RULES, one_line, scrub
from tests.canaries import IN_CONTEXT, PEM, PERSONAL, TOKENS

FOLLOWING = ["", " ", ".", ",", ";", ")", "]", "'", '"', "\n"]

# Every shape that is redacted in source code, and what only messages must not hold.
SECRETS = {
    **{f"{kind} {token[:8]}": (token, token[:20]) for kind, token in TOKENS},
    **{
        f"{kind} in {template[:20]}": (template.format(token), token[:20])
        for kind, template, token in IN_CONTEXT
    },
    "private key": (PEM, "c4NaRyc4NaRy"),
    "private key of PGP": (PEM.replace("RSA PRIVATE KEY", "PGP PRIVATE KEY BLOCK"), "c4NaRyc4"),
    "private key without end": (PEM[:200], "c4NaRyc4NaRy"),
    "private key in one line": (PEM.replace("\n", "\\n"), "c4NaRyc4NaRy"),
    "Google token": ("ya29." + "c4NaRy" * 5, "c4NaRyc4NaRy"),
    "Google client": ("GOCSPX-" + "c4NaRy" * 5, "c4NaRyc4NaRy"),
    "Slack app": ("xapp-1-" + "c4NaRy" * 5, "c4NaRyc4NaRy"),
    **PERSONAL,
}
HARMLESS = [
    "the parser died on this file",
    "src/app/main.py:12: error",
    "commit 3f2a9c1 @ main",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "550e8400-e29b-41d4-a716-446655440000",
    "basic authentication failed",
    'password authentication failed for user "mnemo"',
    "numpy@1.26.4 and @main",
    "app/home/index.py",
    "/root/project and ~/project",
    "at 12:30:45 in host:port form",
    "the URL holds credentials: they would be stored with the index",
]


@pytest.mark.parametrize(("text", "secret"), SECRETS.values(), ids=SECRETS)
def test_a_secret_is_removed(text: str, secret: str) -> None:
    """Of every known shape."""
    assert secret in text
    assert secret not in scrub(f"before {text} after")


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_text_stays(text: str) -> None:
    """A scrubbed message still says what happened."""
    assert text == scrub(text)


@given(st.text(max_size=300), st.sampled_from(sorted(SECRETS)), st.text(max_size=300))
def test_a_secret_is_removed_wherever_it_stands(before: str, name: str, after: str) -> None:
    """Whatever surrounds it."""
    text, secret = SECRETS[name]
    assume(secret not in before + after)
    assert secret not in scrub(f"{before}\n{text}\n{after}")


@given(
    st.text(" ,;()[]<>\"'", max_size=3),
    st.sampled_from(sorted(SECRETS)),
    st.sampled_from(FOLLOWING),
)
def test_a_secret_is_removed_within_a_line(before: str, name: str, after: str) -> None:
    """In quotes, in brackets, at the end of a sentence."""
    text, secret = SECRETS[name]
    assert secret not in scrub(f"it says {before}{text}{after}")


PIECES = st.one_of(
    st.sampled_from([text for text, _ in SECRETS.values()]),
    st.sampled_from(
        [*HARMLESS, "password=", "/home/", "://", "@", "<token>", "Bearer ", "--token "]
    ),
    st.text(max_size=12),
    st.sampled_from([" ", "\n", "=", ":", "'", '"', "/", ".", "-", "<", ">"]),
)


@given(st.lists(PIECES, max_size=10).map("".join))
def test_scrubbing_twice_changes_nothing(text: str) -> None:
    """Logs may be scrubbed on several ways."""
    once = scrub(text)
    assert once == scrub(once)


@given(st.integers(1, 60), st.sampled_from(sorted(SECRETS)))
def test_no_half_of_a_secret_is_left_where_a_text_is_cut(short: int, name: str) -> None:
    """A token that is cut in two has no shape any more."""
    text, secret = SECRETS[name]
    clean = scrub("x " * ((MAX_CHARS - short) // 2) + text + " y" * MAX_CHARS)

    assert len(clean) <= MAX_CHARS
    assert secret[:8] not in clean


HOSTILE_UNITS = [
    *("a", "-", "a.", "a@", "a-", "_", "9", "9:", ".", "A.", "/", "<", " ", "=", ":", "'", '"'),
    *("eyJ", "-eyJ", "eyJaaaaaaaa.", "://", "://a", "://a@", "gh", "ghp_", "sk-", "xoxb-", "SG.a"),
    *(
        "AKIA",
        "AIza",
        "M" + "a" * 24 + ".",
        "9" * 10 + ":",
        "a" * 32 + "-us",
        "password",
        "secret=",
    ),
    *("password:  ", "password='", "--password ", "basic ", "bearer ", "authorization: "),
    *("/home/", "/home", "C:\\Users\\", "C:\\Users\\a ", "/mnt/c", "a@a.", "a@" + "a." * 9),
    *("-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY", "PRIVATE KEY-----"),
]


@pytest.mark.parametrize("unit", HOSTILE_UNITS)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    """Ten times what is ever scrubbed takes a moment; quadratic time would take minutes."""
    text = unit * (10 * MAX_CHARS // len(unit))

    started = time.process_time()
    for pattern, replacement in RULES:
        pattern.sub(replacement, text)

    assert time.process_time() - started < 2


@given(st.text(max_size=300))
def test_one_line_is_one_printable_line(text: str) -> None:
    """No control character reaches a terminal."""
    assert one_line(text).isprintable()
