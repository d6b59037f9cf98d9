"""`mnemo symbol`, `refs`, `outline` and `map`: output for people and programs, exit codes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import Cli


@pytest.fixture(scope="module")
def shop(mnemo: Cli, make_shop: Callable[[str], Path]) -> str:
    """An indexed repository."""
    assert mnemo("index", str(make_shop("symbols")), "--name", "symbols").code == 0
    return "symbols"


def test_symbol_shows_definitions(mnemo: Cli, shop: str) -> None:
    """Class and method, as one line of place and one of signature."""
    shown = mnemo("symbol", "Cart.total_price", "--repo", shop)
    document = mnemo("symbol", "Cart.total_price", "--repo", shop, "--json").json

    assert shown.code == 0
    assert "symbols/shop/cart.py:14-16  method Cart.total_price" in shown.stdout
    assert document["definitions"][0]["source"].startswith("def total_price(self, prices):")


def test_an_unknown_symbol_is_an_answer(mnemo: Cli, shop: str) -> None:
    """With names that look alike."""
    shown = mnemo("symbol", "aply_voucher", "--repo", shop)

    assert (shown.code, shown.stdout) == (0, "")
    assert "apply_voucher" in shown.stderr


def test_refs_show_callers_and_callees(mnemo: Cli, shop: str) -> None:
    """With how each was resolved."""
    callers = mnemo("refs", "greet.greet", "--repo", shop, "--json").json
    callees = mnemo("refs", "Greeter.greet", "--repo", shop, "--callees", "--json").json
    shown = mnemo("refs", "greet.greet", "--repo", shop)

    assert [use["caller"] for use in callers["references"]] == ["Greeter.greet"]
    assert [use["definition"]["symbol"] for use in callees["callees"]] == ["greet"]
    assert "call in Greeter.greet → greet  0.95 file" in shown.stdout


def test_outline_and_map_show_files(mnemo: Cli, shop: str) -> None:
    """Definitions with their lines."""
    outline = mnemo("outline", "discount.py", "--repo", shop)
    drawn = mnemo("map", "--repo", shop, "--budget", "30", "--json").json

    assert "def apply_voucher(total, voucher)  :4-6" in outline.stdout
    assert 0 < drawn["tokens"] <= 30
    assert "apply_voucher" in mnemo("map", "--repo", shop).stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("symbol", ""),
        ("symbol", "x", "--repo", "nowhere"),
        ("refs", "x", "--repo", "nowhere"),
        ("refs", "x", "--limit", "0"),
        ("outline", "nowhere.py"),
        ("map", "--budget", "0"),
    ],
)
def test_bad_input_is_two(mnemo: Cli, shop: str, arguments: tuple[str, ...]) -> None:
    """One line on stderr, nothing on stdout."""
    refused = mnemo(*arguments)

    assert shop
    assert (refused.code, refused.stdout) == (2, "")
    assert refused.stderr
