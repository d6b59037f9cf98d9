"""Takes secrets out of source code before anything is stored: kind and line stay, the value goes.

Named tokens only: what is found has a shape that its issuer documents. No entropy, no "looks like
a password" context, because an index full of holes answers nothing. Apart from `config/scrub.py`,
which cleans our own logs and may be crude: here line structure is kept, so that every line number
of the index is a line number of the file.

Shapes come from the detectors of bc-detect-secrets (each a regular expression published in its
`denylist`). The expression is ours where theirs can take quadratic time, cuts a token short or
needs context to be right (JWT, OpenAI, npm, GitLab, Azure, AWS, credentials in URLs), where it is
slow (Discord, Telegram), and for issuers they lack. All are linear: repetitions are bounded or
cannot start inside one another.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.mailchimp import MailchimpDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.stripe import StripeDetector
from detect_secrets.plugins.twilio import TwilioKeyDetector

from tasks.discover.fingerprint import fingerprint


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret that was taken out. Its value is kept nowhere."""

    kind: str
    line: int
    """Counted from 1, by line feeds."""


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text without its secrets."""

    text: str
    secrets: list[Secret]


@dataclass(frozen=True, slots=True)
class Shape:
    """What one kind of token looks like."""

    kind: str
    literals: tuple[str, ...]
    """A text that holds none of these holds no such token: the cheap test before the costly one."""
    pattern: re.Pattern[str]
    """Its group `secret` is taken out; the whole match if it has none."""


def _published(
    kind: str, patterns: Iterable[re.Pattern[str]], literals: tuple[str, ...]
) -> list[Shape]:
    """Shapes of bc-detect-secrets, each extended to the end of the token it may cut short."""
    return [
        Shape(kind, literals, re.compile(rf"(?:{pattern.pattern})[A-Za-z0-9_-]*", pattern.flags))
        for pattern in patterns
    ]


def _own(kind: str, literals: tuple[str, ...], pattern: str) -> Shape:
    return Shape(kind, literals, re.compile(pattern))


# RFC 3986's delimiters; `{`, `<`, `%` and `$` start an interpolation, which is code, no password.
_URL_CREDENTIALS = r"://[^\s:/?#\[\]@!$&'()*+,;=]*:(?P<secret>(?![{<%])[^\s:/?#\[\]@!$&'()*+,;=]+)@"

_JWT_START = r"(?:(?<![A-Za-z0-9_-])|(?<=%20))"

# Ordered: a password in a URL may itself be a token, and the URL's rule then takes the whole.
SHAPES: Final = (
    _own("url-credentials", ("://",), _URL_CREDENTIALS),
    *_published(
        "github-token", GitHubTokenDetector.denylist, ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")
    ),
    _own("github-token", ("github_pat_",), r"github_pat_[A-Za-z0-9_]{36,255}"),
    _own(
        "gitlab-token",
        ("gl", "GR1348941"),
        r"(?:gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent|oas)-|GR1348941)[A-Za-z0-9_-]{20,}",
    ),
    *_published("slack-token", SlackDetector.denylist, ("xox", "hooks.slack.com")),
    *_published("stripe-key", StripeDetector.denylist, ("k_live_",)),
    *_published("sendgrid-key", SendGridDetector.denylist, ("SG.",)),
    *_published("square-token", SquareOAuthDetector.denylist, ("sq0csp-",)),
    *_published("twilio-key", TwilioKeyDetector.denylist, ("AC", "SK")),
    *_published("mailchimp-key", MailchimpDetector.denylist, ("-us",)),
    # a macaroon that names its index, in base64
    _own("pypi-token", ("pypi-AgE",), r"pypi-AgE[A-Za-z0-9_-]{64,}"),
    _own("npm-token", ("npm_",), r"npm_[A-Za-z0-9]{36,}"),
    _own(
        "npm-token",
        ("_authToken",),
        r"_authToken[ \t]{0,4}=[ \t]{0,4}[\"']?(?P<secret>(?:NpmToken\.)?[A-Za-z0-9-]{36,})",
    ),
    # From here on a token must stand alone. Last, so that what is glued to one has gone by then:
    # a second pass finds nothing new.
    _own(
        "aws-access-key",
        ("AKIA", "ASIA", "ABIA", "ACCA", "A3T"),
        r"(?<![A-Za-z0-9_])(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z0-9]{16}(?![A-Za-z0-9_])",
    ),
    _own(
        "aws-secret-key",
        ("secret", "SECRET", "Secret"),
        r"(?i:aws_?secret_?(?:access_?)?key)[\"']?\s{0,8}[=:]\s{0,8}[\"']?"
        r"(?P<secret>[A-Za-z0-9/+]{40,})",
    ),
    # these two start at a rare character and look back: what stands before it is an id, no secret
    _own(
        "discord-token",
        (".",),
        r"\.(?:(?<=[MNO][A-Za-z0-9_-]{23}\.)|(?<=[MNO][A-Za-z0-9_-]{24}\.)"
        r"|(?<=[MNO][A-Za-z0-9_-]{25}\.))(?P<secret>[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,})",
    ),
    _own(
        "telegram-token",
        (":",),
        r":(?<=[0-9]{8}:)(?<![0-9]{11}:)(?P<secret>[A-Za-z0-9_-]{35})(?![A-Za-z0-9_-])",
    ),
    _own(
        "openai-key",
        ("T3BlbkFJ",),
        r"(?<![A-Za-z0-9_-])sk-[A-Za-z0-9_-]{16,}T3BlbkFJ[A-Za-z0-9_-]{16,}",
    ),
    _own("anthropic-key", ("sk-ant-",), r"(?<![A-Za-z0-9_-])sk-ant-[A-Za-z0-9_-]{32,}"),
    _own("google-api-key", ("AIza",), r"(?<![A-Za-z0-9_-])AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    _own("huggingface-token", ("hf_",), r"(?<![A-Za-z0-9_-])hf_[A-Za-z]{34}(?![A-Za-z0-9_-])"),
    _own(
        "azure-storage-key",
        ("ccount",),
        r"(?i:account_?key)[\"']?\s{0,8}[=:]\s{0,8}[\"']?(?P<secret>[A-Za-z0-9+/]{86,88}={1,2})",
    ),
    _own(
        "jwt",
        ("eyJ",),
        _JWT_START + r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_+/=-]*)?",
    ),
)

_KEY_EDGE = re.compile(
    r"-----(?P<edge>BEGIN|END) (?:[A-Z0-9]{1,16} ){0,4}PRIVATE KEY(?: BLOCK)?-----"
)
_KEY_BODY = re.compile(r"[A-Za-z0-9+/=]{40}")
_KEY_CHARS = 32_768  # RSA with 16,384 bits has 13,000 characters
# What may follow an opening without its closing: encoded lines, also quoted and joined in code.
_KEY_LINES = re.compile(r"(?:[\s\"'+,\\rn]{0,32}[A-Za-z0-9+/=]{40,})+")
_LINE = re.compile(r"[^\r\n]+")

REDACTION_VERSION: Final = fingerprint(
    (
        *((shape.kind, shape.literals, shape.pattern.pattern) for shape in SHAPES),
        *(_KEY_EDGE.pattern, _KEY_BODY.pattern, _KEY_CHARS, _KEY_LINES.pattern),
    )
)
"""Changes whenever some text may be redacted differently, also by another bc-detect-secrets."""


def redact(text: str) -> Redacted:
    """`text` with each secret replaced by `<redacted:kind>`.

    Keeps the number and the order of lines; doing it twice changes nothing more. Takes time linear
    in the text.
    """
    secrets: list[Secret] = []
    text = _without_private_keys(text, secrets)
    for shape in SHAPES:
        if any(literal in text for literal in shape.literals):
            text = _without(shape, text, secrets)
    secrets.sort(key=lambda secret: secret.line)
    return Redacted(text, secrets)


def _without(shape: Shape, text: str, secrets: list[Secret]) -> str:
    group = "secret" if "secret" in shape.pattern.groupindex else 0
    return _replaced(
        text, shape.kind, (m.span(group) for m in shape.pattern.finditer(text)), secrets
    )


def _without_private_keys(text: str, secrets: list[Secret]) -> str:
    if "PRIVATE KEY" not in text:
        return text
    return _replaced(text, "private-key", _private_keys(text), secrets)


def _private_keys(text: str) -> Iterable[tuple[int, int]]:
    """Where private keys start and end; an opening without a key after it is only code."""
    edges = list(_KEY_EDGE.finditer(text))
    for edge, following in zip(edges, [*edges[1:], None], strict=False):
        if edge["edge"] == "END":
            continue
        if following and following["edge"] == "END" and following.start() - edge.end() < _KEY_CHARS:
            if _KEY_BODY.search(text, edge.end(), following.start()):
                yield edge.start(), following.end()
        elif body := _KEY_LINES.match(text, edge.end()):
            yield edge.start(), body.end()


def _replaced(text: str, kind: str, spans: Iterable[tuple[int, int]], secrets: list[Secret]) -> str:
    """`text` with each line of each span replaced; notes each span in `secrets`."""
    placeholder = f"<redacted:{kind}>"
    pieces: list[str] = []
    line, end = 1, 0
    for start, stop in spans:
        line += text.count("\n", end, start)
        secrets.append(Secret(kind, line))
        line += text.count("\n", start, stop)
        pieces += text[end:start], _LINE.sub(placeholder, text[start:stop])
        end = stop
    return "".join((*pieces, text[end:]))
