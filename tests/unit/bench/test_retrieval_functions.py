"""Which functions make a fair question, and what the question is."""

import pytest

from bench.retrieval.functions import askable, folded, question, read_functions

FAIR = '''
class Cart:
    def add(self, article):
        """Puts an article into the cart.

        Raises an error otherwise.
        """
        if article is None:
            raise ValueError
        self.articles.append(article)
'''


def names(source: str, path: str = "shop/cart.py") -> list[str]:
    """Those of the functions that may be asked for."""
    stripped, found = read_functions(path, source)
    return [one.symbol for one in askable(found, folded(stripped))]


def test_a_function_is_found_where_it_stands_after_stripping() -> None:
    """Its lines are those of the stripped file."""
    stripped, (found,) = read_functions("shop/cart.py", FAIR)

    assert (found.symbol, found.start, found.end, found.body_lines) == ("Cart.add", 3, 6, 3)
    assert found.question == "Puts an article into the cart."
    assert stripped.split("\n")[found.start - 1].strip() == "def add(self, article):"


def test_a_documented_function_of_three_lines_is_fair() -> None:
    """And what the filters below are measured by."""
    assert names(FAIR) == ["Cart.add"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Puts an article into the cart.", "Puts it."),
        ("        if article is None:\n            raise ValueError\n", ""),
        ("def add", "def test_add"),
        ("def add", "def __add__"),
        ("Puts an article into the cart.", ":param article: what is put into the cart"),
        ("Puts an article into the cart.", "add(article) puts it into the cart"),
        ("self.articles", "# puts an article, into the cart\n        self.articles"),
    ],
    ids=["short", "tiny", "test", "dunder", "field", "signature", "verbatim"],
)
def test_an_unfair_question_is_not_asked(old: str, new: str) -> None:
    """Too short, trivial, about tests, or answered by its own words."""
    assert names(FAIR.replace(old, new)) == []


def test_functions_in_tests_are_not_asked_for() -> None:
    """They are searched all the same."""
    assert names(FAIR, "shop/tests/cart.py") == []


@pytest.mark.parametrize(
    "twin",
    [
        FAIR.replace("Puts an article", "Adds an article"),
        FAIR.replace("articles.append", "things.append"),
    ],
    ids=["equal code", "equal question"],
)
def test_what_two_functions_answer_is_not_asked(twin: str) -> None:
    """There would be two right answers."""
    assert names(FAIR + twin) == []


def test_a_question_has_no_markup_and_an_end() -> None:
    """Roles and backticks go; a long one is cut between words."""
    assert question("Returns the\n:class:`~a.b.Cart` of ``x``.\n\nMore.") == (
        "Returns the a.b.Cart of x."
    )
    assert question("word " * 100) == ("word " * 51).strip()
