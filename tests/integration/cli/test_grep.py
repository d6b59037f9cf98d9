"""`mnemo grep`: output for people and programs, exit codes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import Cli


@pytest.fixture(scope="module")
def shop(mnemo: Cli, make_shop: Callable[[str], Path]) -> str:
    """An indexed repository."""
    assert mnemo("index", str(make_shop("lines")), "--name", "lines").code == 0
    return "lines"


def test_lines_are_shown_with_their_places(mnemo: Cli, shop: str) -> None:
    """One line each, then on stderr what was read."""
    shown = mnemo("grep", r"def \w+_price", "--repo", shop)

    assert (shown.code, shown.stdout.count("\n")) == (0, 1)
    assert shown.stdout.startswith("lines/shop/cart.py:14:     def total_price(self, prices):")
    assert "lines @ main" in shown.stderr


def test_lines_around_are_shown_on_demand(mnemo: Cli, shop: str) -> None:
    """Above and below."""
    shown = mnemo("grep", "CLASS CART", "-F", "-i", "--context", "1", "--repo", shop)

    assert "lines/shop/cart.py:4: class Cart:" in shown.stdout
    assert "Holds the articles" in shown.stdout


def test_programs_get_one_document(mnemo: Cli, shop: str) -> None:
    """With what an answer is worth, and the commit that it reads."""
    found = mnemo("grep", "voucher", "--repo", shop, "--path", "*.py", "--limit", "2", "--json")

    document = found.json
    assert (document["pattern"], document["complete"]) == ("voucher", False)
    assert document["reasons"] == ["there are more lines than the limit of 2"]
    assert document["snapshots"][0].keys() >= {"repository", "ref", "commit", "state", "age_s"}
    assert document["results"][0]["path"] == "shop/discount.py"
    assert document["results"][0].keys() >= {"line", "column", "text", "symbol", "also"}


def test_nothing_found_is_an_answer(mnemo: Cli, shop: str) -> None:
    """Exit code 0."""
    shown = mnemo("grep", "no such line", "--repo", shop)

    assert (shown.code, shown.stdout) == (0, "")
    assert "nothing found" in shown.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("(?=x)",), "--fixed"),
        (("x" * 10_000,), "at most 1,000"),
        (("x", "--limit", "100000"), "between 1 and 1,000"),
    ],
)
def test_bad_input_is_two(mnemo: Cli, shop: str, arguments: tuple[str, ...], says: str) -> None:
    """One line on stderr, nothing on stdout."""
    refused = mnemo("grep", *arguments)

    assert shop
    assert (refused.code, refused.stdout) == (2, "")
    [line] = refused.stderr.splitlines()
    assert says in line
