"""Removes secrets and personal data from text that leaves the process: logs, errors, output.

One place, so that one property test covers every exit. It may be crude: a message that lost a
harmless word is still a message. Source code is not scrubbed here, and its e-mail addresses and
home folders stay: its secrets are redacted before storage by `tasks/discover/redact.py`.

Every rule is linear in its input: a repetition is bounded, or cannot start inside another one.
"""

import re

MAX_CHARS = 20_000
CUT = "…"

_KEY = r"pass(?:word|wd|phrase)|pwd|secret|token|(?:api|access|account|private|secret)[_-]?key"
_NO_PLACEHOLDER = r"(?!<[a-z -]{1,20}>)"
_USER = r"[^/\\\s:'\"<>(),;\]]+"

# What the issuers of credentials document; the shapes of `tasks/discover/redact.py`, less strictly.
_TOKENS = (
    r"gh[pousr]_\w{20,}",
    r"github_pat_\w{20,}",
    r"gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent|oas)-[\w-]{20,}",
    r"GR1348941[\w-]{20,}",
    r"xox[abeoprs](?:\.xox[bp])?-[\w-]{10,}",
    r"xapp-[\w-]{10,}",
    r"hooks\.slack\.com/services/[\w/]{10,}",
    r"(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z0-9]{16}",
    r"AIza[\w-]{35}",
    r"ya29\.[\w-]{20,}",
    r"GOCSPX-[\w-]{20,}",
    r"sk-[\w-]{20,}",  # OpenAI, Anthropic and those who follow them
    r"[prs]k_(?:live|test)_\w{10,}",
    r"whsec_\w{20,}",
    r"npm_[A-Za-z0-9]{36,}",
    r"pypi-AgE[\w-]{16,}",
    r"hf_[A-Za-z0-9]{30,}",
    r"SG\.[\w-]{16,64}\.[\w-]{16,}",
    r"sq0[a-z]{3}-[\w-]{22,}",
    r"(?:AC|SK)[a-z0-9]{32}",  # Twilio
    r"[0-9a-f]{32}-us\d{1,2}",  # Mailchimp
    r"[MNO][\w-]{23,25}\.[\w-]{6}\.[\w-]{27,}",  # Discord
)

# Ordered: whole credentials first, then their parts.
RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(
            r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?"
            r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
            re.DOTALL,
        ),
        "<private key>",
    ),
    (re.compile(r"(?<=://)[^/\s'\"]{1,512}@"), "<credentials>@"),
    (re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(_TOKENS)})[\w-]*"), "<token>"),
    (re.compile(r"(?<!\d)\d{8,10}:[\w-]{35,}"), "<token>"),  # Telegram
    (
        re.compile(r"(?:(?<![\w-])|(?<=%20))eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*){0,8}"),
        "<jwt>",
    ),
    (
        re.compile(
            rf"(?i)(\bauthorization[\"']?\s{{0,4}}[=:]\s{{0,4}}[\"']?){_NO_PLACEHOLDER}[^\s\"'][^\r\n\"']{{0,1024}}"
        ),
        r"\1<credentials>",
    ),
    (re.compile(r"(?i)\b(bearer)\s{1,8}[\w.~+/=-]{8,}"), r"\1 <credentials>"),
    # not "basic authentication"
    (re.compile(r"\b((?i:basic))\s{1,8}(?=[a-z]{0,64}[^a-z\s])[\w+/=-]{8,}"), r"\1 <credentials>"),
    (
        re.compile(
            rf"(?i)({_KEY})([\"']?\s{{0,4}}[=:]\s{{0,4}}){_NO_PLACEHOLDER}"
            r"(?:'[^'\n]{1,1024}'?|\"[^\"\n]{1,1024}\"?|[^\s'\",;&=:][^\s'\",;&]{2,})"
        ),
        r"\1\2<redacted>",
    ),
    (re.compile(rf"(?i)(--(?:{_KEY})\s{{1,4}}){_NO_PLACEHOLDER}[^\s-]\S{{2,}}"), r"\1<redacted>"),
    (
        re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_][\w-]{1,62}"),
        "<e-mail>",
    ),
    (re.compile(rf"(?<![\w.~])(?:/mnt/[a-z]|/var|/export)?/(?:home|Users)/+{_USER}"), "~"),
    (
        re.compile(
            rf"(?i)\b[a-z]:[\\/]{{1,2}}Users[\\/]{{1,2}}(?:[^\\/:*?\"<>|\r\n]{{1,64}}(?=[\\/])|{_USER})"
        ),
        "~",
    ),
)


def scrub(text: str) -> str:
    """`text` without credentials, keys, e-mail addresses and home folders.

    Of a longer one the first `MAX_CHARS` stay, up to a space, because half a token has no shape.
    """
    if len(text) > MAX_CHARS:
        start = text[: MAX_CHARS - len(CUT)].rsplit(maxsplit=1)
        text = start[0] + CUT if len(start) > 1 else CUT
    for pattern, replacement in RULES:
        text = pattern.sub(replacement, text)
    return text[:MAX_CHARS]


def one_line(text: str) -> str:
    """`text` scrubbed and safe to print."""
    return printable(scrub(text))


def printable(text: str) -> str:
    """`text` as it is, but with control and bidirectional characters escaped: for source code."""
    return "".join(_visible(c) for c in text)


def _visible(char: str) -> str:
    bidirectional = "\u202a" <= char <= "\u202e" or "\u2066" <= char <= "\u2069"
    if char.isprintable() and not bidirectional:
        return char
    return char.encode("unicode_escape").decode("ascii")
