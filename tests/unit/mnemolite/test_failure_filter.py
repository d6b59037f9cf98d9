"""Filters of failures: what may be asked for, and what it means."""

from datetime import UTC, datetime

import pytest

from config.errors import BadInputError
from mnemolite.failure_filter import parse_filter, parse_moment
from schema.triage import Filter

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("90s", datetime(2026, 3, 10, 11, 58, 30, tzinfo=UTC)),
        ("2h", datetime(2026, 3, 10, 10, tzinfo=UTC)),
        ("3d", datetime(2026, 3, 7, 12, tzinfo=UTC)),
        ("1w", datetime(2026, 3, 3, 12, tzinfo=UTC)),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T10:00:00+02:00", datetime(2026, 1, 31, 8, tzinfo=UTC)),
    ],
)
def test_a_moment_is_a_date_or_an_age(value: str, moment: datetime) -> None:
    """Dates without a zone are UTC."""
    assert parse_moment(value, now=NOW) == moment


def test_terms_and_options_make_one_filter() -> None:
    """However they were given."""
    found = parse_filter(["stage=embed", "text=a=b"], {"class": "ParseError"}, now=NOW)

    assert found == Filter(stage="embed", text="a=b", error_class="ParseError")


def test_a_glob_becomes_a_pattern() -> None:
    """Its stars match, its underscores are themselves."""
    assert parse_filter(["path=a_b/*.py"], {}, now=NOW).path == r"a\_b/%.py"


@pytest.mark.parametrize(
    "terms",
    [
        ["nonsense"],
        ["colour=red"],
        ["stage=cook"],
        ["state=lost"],
        ["since=yesterday"],
        ["repo=a", "repo=b"],
    ],
)
def test_what_cannot_be_is_refused(terms: list[str]) -> None:
    """A filter that is misunderstood would change the wrong things."""
    with pytest.raises(BadInputError):
        parse_filter(terms, {}, now=NOW)
