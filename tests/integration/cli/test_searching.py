"""`mnemo search` as people and programs meet it: context, budget, freshness, cached vectors."""

from collections.abc import Callable
from pathlib import Path

import pytest

from search.budget import token_bound
from tests.commands import Cli


@pytest.fixture(scope="module")
def shop(mnemo: Cli, make_shop: Callable[[str], Path]) -> str:
    """An indexed repository."""
    assert mnemo("index", str(make_shop("asked")), "--name", "asked").code == 0
    return "asked"


def test_definitions_are_shown_whole(mnemo: Cli, shop: str) -> None:
    """And below them, on stderr, what was read."""
    shown = mnemo(
        *("search", '"holds the articles"', "--repo", shop),
        *("--context", "symbol", "--limit", "1"),
    )

    assert "asked/shop/cart.py:1-16  class Cart" in shown.stdout
    assert "def total_price(self, prices):" in shown.stdout
    assert "asked @ main" in shown.stderr


def test_a_budget_is_kept(mnemo: Cli, shop: str) -> None:
    """By all that is printed."""
    answer = mnemo(
        *("search", "cart voucher mail", "--repo", shop, "--context", "symbol"),
        *("--budget", "500", "--json"),
    )

    assert token_bound(answer.stdout) <= 500
    assert answer.json["results"]
    assert answer.json["clipped"]
    assert answer.json["coverage"] == {"lexical": 1.0, "text": 1.0, "code": 1.0}


def test_an_answer_says_how_fresh_it_is(mnemo: Cli, shop: str) -> None:
    """The snapshot that was read."""
    answer = mnemo("search", "cart", "--repo", shop, "--limit", "1", "--json").json

    (read,) = answer["snapshots"]
    assert (read["repository"], read["ref"], read["state"]) == (shop, "main", "complete")
    assert read["commit"] == answer["commits"][shop]
    assert read["age_s"] >= 0


def test_a_question_that_was_asked_before_loads_no_model(mnemo: Cli, shop: str) -> None:
    """A new process takes the vector from the broker."""
    patient = {"MNEMO_LOG_LEVEL": "info", "MNEMO_TIMEOUTS__SEARCH_CACHE": "30"}
    question = ("search", "who sends a letter to the buyer", "--repo", shop, "--json")

    first = mnemo(*question, **patient)
    second = mnemo(*question, **patient)

    assert "encoder.loaded" in first.stderr
    assert "encoder.loaded" not in second.stderr
    assert second.json["results"] == first.json["results"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--budget", "500"), "--json"),
        (("--budget", "199", "--json"), "between 200 and 100,000"),
        (("--context", "file"), "file"),
    ],
)
def test_bad_input_is_two(mnemo: Cli, arguments: tuple[str, ...], says: str) -> None:
    """One line on stderr."""
    refused = mnemo("search", "cart", *arguments)

    assert refused.code == 2
    assert says in refused.stderr
