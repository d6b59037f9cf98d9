"""Removes secrets and personal data from text that leaves the process: logs, errors, output.

One place, so that one property test covers every exit. Source code is not scrubbed here: its
secrets are redacted before storage by `tasks/discover/redact.py`.
"""

import re
from collections.abc import Callable

Replacement = str | Callable[[re.Match[str]], str]

# Ordered: whole credentials first, then their parts. Each pattern is linear in its input.
RULES: tuple[tuple[re.Pattern[str], Replacement], ...] = (
    (
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
            re.DOTALL,
        ),
        "<private key>",
    ),
    (re.compile(r"(?<=://)[^/\s@'\"]{1,512}@"), "<credentials>@"),
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), "<aws key>"),
    (re.compile(r"\b(?:gh[pousr]_\w{20,255}|github_pat_\w{20,255})"), "<github token>"),
    (re.compile(r"\bglpat-[\w-]{20,64}"), "<gitlab token>"),
    (re.compile(r"\bxox[abopsr]-[\w-]{10,255}"), "<slack token>"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.?[\w-]*"), "<jwt>"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), r"\1 <credentials>"),
    (
        re.compile(
            r"(?i)\b(password|passwd|pwd|secret|token|api[_-]?key)(\s*[=:]\s*)(['\"]?)[^\s'\",;&<]{3,}"
        ),
        r"\1\2\3<redacted>",
    ),
    (re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}\b"), "<e-mail>"),
    (re.compile(r"(?<![\w.])/(?:home|Users)/[^/\s:'\"]+"), "~"),
    (re.compile(r"(?i)\b[a-z]:\\Users\\[^\\\s:'\"]+"), "~"),
)

MAX_CHARS = 20_000


def scrub(text: str) -> str:
    """`text` without credentials, keys, e-mail addresses and home folders, cut to `MAX_CHARS`."""
    text = text[:MAX_CHARS]
    for pattern, replacement in RULES:
        text = pattern.sub(replacement, text)
    return text


def one_line(text: str) -> str:
    """`text` scrubbed and safe to print: control and bidirectional characters are escaped."""
    return "".join(_visible(c) for c in scrub(text))


def _visible(char: str) -> str:
    bidirectional = "\u202a" <= char <= "\u202e" or "\u2066" <= char <= "\u2069"
    if char.isprintable() and not bidirectional:
        return char
    return char.encode("unicode_escape").decode("ascii")
