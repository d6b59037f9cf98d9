"""What is learned from descriptions and the code that they describe."""

from itertools import chain

from bench.thesaurus.__main__ import MIN_PAIRS, lines
from bench.thesaurus.pairs import Pair

PACKAGES = ("one", "two", "three")


def pairs(words: str, code: str, *packages: str) -> list[Pair]:
    """A pair that stands often enough in each package."""
    one = (tuple(words.split()), frozenset(code.split()))
    return [Pair(package, *one) for package in packages or PACKAGES for _ in range(MIN_PAIRS)]


def learned(*said: list[Pair]) -> dict[str, list[str]]:
    """The lines of a thesaurus by their words."""
    return {word: rest for word, *rest in map(str.split, lines(list(chain.from_iterable(said))))}


def test_a_word_has_the_chance_that_code_repeats_it() -> None:
    """Half of the code that *parses* says so, in another spelling; the average smooths."""
    chance = learned(pairs("parses text", "parse text"), pairs("parses text", "text"))

    assert 50 <= int(chance["parses"][0]) < 55
    assert int(chance["text"][0]) > 95
    assert int(chance["*"][0]) == 75


def test_a_word_is_related_to_what_code_has_instead() -> None:
    """Not to itself, and less to what other words explain."""
    found = learned(pairs("remove file", "unlink file"), pairs("open file", "open file"))

    shares = {other: int(share) for other, share in (o.split(":") for o in found["remove"][1:])}
    assert max(shares, key=shares.__getitem__) == "unlink"
    assert "open" not in [other.partition(":")[0] for other in found["open"][1:]]


def test_what_stands_in_few_packages_is_not_learned() -> None:
    """It may mean something else everywhere but there."""
    found = learned(pairs("open file", "open file"), pairs("remove", "unlink", *PACKAGES[:2]))

    assert found.keys() == {"*", "open", "file"}
