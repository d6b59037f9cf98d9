"""Secrets go, everything else stays where it was."""

import re
import time

import pytest
from detect_secrets.plugins import (
    aws,
    basic_auth,
    discord,
    github_token,
    jwt,
    mailchimp,
    npm,
    sendgrid,
    slack,
    square_oauth,
    stripe,
    twilio,
)
from detect_secrets.plugins.base import RegexBasedDetector
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.discover.redact import SHAPES, Secret, redact
from tests.canaries import CANARIES, IN_CONTEXT, PEM, TOKENS

# Their detectors of tokens that have a shape of their own.
PUBLISHED = [
    *(aws.AWSKeyDetector(), basic_auth.BasicAuthDetector(), discord.DiscordBotTokenDetector()),
    *(github_token.GitHubTokenDetector(), jwt.JwtTokenDetector(), mailchimp.MailchimpDetector()),
    *(npm.NpmDetector(), sendgrid.SendGridDetector(), slack.SlackDetector()),
    *(square_oauth.SquareOAuthDetector(), stripe.StripeDetector(), twilio.TwilioKeyDetector()),
]

HARMLESS = [
    'url = f"redis://{user}:{password}@{host}"',
    "https://user:<password>@example.org",
    "mysql://%s:%s@%s/%s",
    "https://example.org:8080/a@b",
    "http://[::1]:80/x@y",
    "arn:aws:sns:us-west-2:111111111111:Glacier-InventoryRetrieval-topic-Example",
    "sha512-" + "c4NaRy/+" * 10 + "c4NaRy==",
    'if "-----BEGIN ' + 'PRIVATE KEY-----" in text:\n    return PEM\n',
    'BEGIN = "-----BEGIN ' + 'PRIVATE KEY-----"\nEND = "-----END ' + 'PRIVATE KEY-----"\n',
    "-----BEGIN PUBLIC KEY-----\n" + "c4NaRy" * 10 + "c4Na\n-----END PUBLIC KEY-----",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "550e8400-e29b-41d4-a716-446655440000",
    "MAX_RETRIES_PER_CONNECTION.assert_called_once_with(timeout)",
    "ghp_short",
    "eyJust_a_name.method",
]


@pytest.mark.parametrize(("kind", "token"), TOKENS)
def test_a_token_is_replaced_by_its_kind(kind: str, token: str) -> None:
    """In code, whole, and what surrounds it stays."""
    result = redact(f'a = 1\nkey = "{token}"  # mine\n')

    assert f'a = 1\nkey = "<redacted:{kind}>"  # mine\n' == result.text
    assert [Secret(kind, 2)] == result.secrets


@pytest.mark.parametrize(("kind", "template", "secret"), IN_CONTEXT)
def test_a_secret_in_context_leaves_the_context(kind: str, template: str, secret: str) -> None:
    """User, host and variable name are worth finding."""
    result = redact(template.format(secret))

    assert template.format(f"<redacted:{kind}>") == result.text
    assert [Secret(kind, 1)] == result.secrets


@pytest.mark.parametrize("plugin", PUBLISHED, ids=lambda plugin: plugin.secret_type)
def test_what_bc_detect_secrets_finds_is_gone(plugin: RegexBasedDetector) -> None:
    """Also by the expressions that are ours instead of theirs."""
    text = "\n".join(
        [token for _, token in TOKENS] + [template.format(x) for _, template, x in IN_CONTEXT]
    )
    clean = redact(text).text

    assert any(pattern.search(text) for pattern in plugin.denylist)
    assert not any(pattern.search(clean) for pattern in plugin.denylist)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays(text: str) -> None:
    """Interpolations, hashes, names, and code about keys."""
    assert text == redact(text).text


def test_a_private_key_is_replaced_line_by_line() -> None:
    """So that the lines below keep their numbers."""
    result = redact(f"key = '''{PEM}'''\nx = 1\n")

    placeholders = "\n".join(["<redacted:private-key>"] * 7)
    assert f"key = '''{placeholders}'''\nx = 1\n" == result.text
    assert [Secret("private-key", 1)] == result.secrets


@pytest.mark.parametrize(
    "text",
    [
        PEM.replace("\n", "\\n"),
        PEM.replace("\n", "\r\n"),
        PEM.replace("\n", '\\n"\n    "'),
        PEM.rpartition("\n")[0].rpartition("\n")[0],
        PEM.replace("RSA ", ""),
        PEM.replace("RSA ", "OPENSSH "),
        PEM.replace("RSA PRIVATE KEY", "PGP PRIVATE KEY BLOCK"),
    ],
)
def test_a_private_key_is_found_in_every_dress(text: str) -> None:
    """Escaped, with CRLF, in joined strings, cut off, of every type."""
    result = redact(f"before\n{text}\nafter\n")

    assert "c4NaRyc4NaRy" not in result.text
    assert result.text.startswith("before\n")
    assert result.text.endswith("after\n")
    assert len(result.secrets) == 1


def test_two_keys_are_two_secrets() -> None:
    """And what lies between them stays."""
    result = redact(f"{PEM}\nbetween = 1\n{PEM}\n")

    assert "\nbetween = 1\n" in result.text
    assert [Secret("private-key", 1), Secret("private-key", 9)] == result.secrets


def test_secrets_are_listed_by_line() -> None:
    """Whatever the order of the detectors."""
    first, second = CANARIES["jwt"][0], CANARIES["aws-access-key"][0]

    result = redact(f"{first}\n\n{second}\n{first}\n")

    assert [(1, "jwt"), (3, "aws-access-key"), (4, "jwt")] == [
        (s.line, s.kind) for s in result.secrets
    ]


def test_line_endings_are_kept() -> None:
    """All of them."""
    token = CANARIES["github-token"][0]

    result = redact(f"a\r\n{token}\rb\n\r\n{token}")

    assert re.findall(r"[\r\n]", "a\r\n\rb\n\r\n") == re.findall(r"[\r\n]", result.text)


PIECES = st.one_of(
    st.sampled_from([token for _, token in TOKENS]),
    st.sampled_from([template.format(secret) for _, template, secret in IN_CONTEXT]),
    st.sampled_from([shape.literals[0] for shape in SHAPES]),
    st.sampled_from([PEM, *PEM.split("\n"), *HARMLESS, "://a:", "@", "eyJ", "sk-", "-----END "]),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12),
    st.sampled_from(["\n", "\r\n", " ", "=", '"', ".", "-", "_", "<redacted:jwt>"]),
)
TEXTS = st.lists(PIECES, max_size=12).map("".join)


@given(TEXTS)
@settings(deadline=None)
def test_redacting_twice_is_redacting_once(text: str) -> None:
    """A stored text can be checked by redacting it again."""
    once = redact(text).text

    assert once == redact(once).text
    assert [] == redact(once).secrets


@given(TEXTS)
@settings(deadline=None)
def test_line_breaks_survive(text: str) -> None:
    """Line numbers of the index are those of the file."""
    assert re.findall(r"[\r\n]", text) == re.findall(r"[\r\n]", redact(text).text)


@given(TEXTS, st.sampled_from([token for _, token in TOKENS]), TEXTS)
@settings(deadline=None)
def test_no_surroundings_hide_a_token(before: str, token: str, after: str) -> None:
    """On a line of its own it goes, whatever stands above and below."""
    assert token not in redact(f"{before}\n{token}\n{after}").text.split("\n")


HOSTILE_UNITS = [
    *("eyJ", "eyJaaaaaaaa.", "sk-", "sk-" + "a" * 16 + "T3BlbkFJ", "sk-ant-", "T3BlbkFJ"),
    *("://", "://a:", "://" + "a" * 90, "AKIA", "M", "1", "A" * 40 + " ", "_", "." * 3),
    *("0123456789abcdef" * 2 + "-us", "account_key=", "aws_secret_access_key=", "_authToken="),
    *("glpat-", "glagent-", "xoxb-1-", "https://hooks.slack.com/services/T", "ghp_"),
    *("SG." + "a" * 22 + ".", "pypi-AgEIcHlwaS5vcmc", ":" + "a" * 34, "12345678:" + "a" * 34),
    *("-----BEGIN PRIVATE KEY-----", "-----BEGIN AAAAAAA ", "-----END PRIVATE KEY-----"),
    "-----BEGIN PRIVATE KEY-----\n" + "A" * 64,
    "-----BEGIN PRIVATE KEY-----" + "\\n" * 40,
]


@pytest.mark.parametrize("unit", HOSTILE_UNITS)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    """The largest file that is ever read takes no second; quadratic time would take hours."""
    text = unit * ((2 << 20) // len(unit))

    started = time.process_time()
    redact(text)

    assert time.process_time() - started < 2
