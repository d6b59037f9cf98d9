"""`python -m bench.thesaurus > search/thesaurus.txt`: learns it anew, in some five minutes."""

import argparse
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from bench.retrieval.__main__ import default_cache
from bench.thesaurus.pairs import Pair, pairs
from bench.thesaurus.translation import translations
from search.variants import variants

MIN_PAIRS, MIN_PACKAGES = 15, 3  # that a word must stand in
EVEN_PAIRS = 800  # a package with more counts by the square root of their share
MOST_RELATED = 4
MIN_SHARE = 0.1
PRIOR = 5  # pairs that a word's chance is smoothed with, at the average chance

HEADER = """\
# What words of a description mean in code; made by bench.thesaurus, which says how.
# word, chance in percent that the code it describes has it, related words with shares in percent
"""


def main() -> None:
    """Prints the thesaurus."""
    parser = argparse.ArgumentParser(prog="python -m bench.thesaurus", description=__doc__)
    parser.add_argument("--cache", type=Path, default=default_cache(), help="default: %(default)s")
    found = pairs(parser.parse_args().cache.absolute())
    print(HEADER, end="")
    print(*lines(found), sep="\n")


def lines(found: Sequence[Pair]) -> Iterator[str]:
    """A line for each word; the first is for all words that have none."""
    words, code = _common(found, lambda pair: pair.words), _common(found, lambda pair: pair.code)
    chances = _chances(found, words)
    average = sum(chances.values()) / len(chances)
    related = _related(found, words, code)
    yield f"* {_percent(average)}"
    for word in sorted(words):
        others = (f"{other}:{100 * share:.0f}" for other, share in related.get(word, ()))
        yield " ".join((word, f"{_percent(chances[word])}", *others))


def _percent(chance: float) -> int:
    """Of a chance: never none and never all, so that its odds are finite."""
    return min(99, max(1, round(100 * chance)))


def _common(found: Iterable[Pair], side: Callable[[Pair], Iterable[str]]) -> dict[str, int]:
    """The words that stand in enough pairs of enough packages, numbered."""
    times: Counter[str] = Counter()
    packages: defaultdict[str, set[str]] = defaultdict(set)
    for pair in found:
        for word in side(pair):
            times[word] += 1
            packages[word].add(pair.package)
    common = sorted(
        word
        for word, number in times.items()
        if number >= MIN_PAIRS and len(packages[word]) >= MIN_PACKAGES and not word.isdigit()
    )
    return {word: number for number, word in enumerate(common)}


def _chances(found: Iterable[Pair], words: Mapping[str, int]) -> dict[str, float]:
    """In what share of the code that a word describes it stands, in some spelling."""
    described: Counter[str] = Counter()
    held: Counter[str] = Counter()
    for pair in found:
        for word in filter(words.__contains__, pair.words):
            described[word] += 1
            held[word] += any(one in pair.code for one in (word, *variants(word)))
    average = sum(held[word] / described[word] for word in words) / len(words)
    return {word: (held[word] + PRIOR * average) / (described[word] + PRIOR) for word in words}


def _related(
    found: Sequence[Pair], words: Mapping[str, int], code: Mapping[str, int]
) -> dict[str, list[tuple[str, float]]]:
    """For each word those of code that translate it and are translated by it.

    The share is the geometric mean of both probabilities, each beside that of the likeliest.
    """
    per_package = Counter(pair.package for pair in found)
    shares = [min(1.0, math.sqrt(EVEN_PAIRS / per_package[pair.package])) for pair in found]
    said = [(_numbers(pair.words, words), _numbers(pair.code, code)) for pair in found]
    there = translations(said, shares, (len(words), len(code)))
    back = translations([pair[::-1] for pair in said], shares, (len(code), len(words)))
    best_there = _best((word, chance) for (word, _), chance in there.items())
    best_back = _best((word, chance) for (_, word), chance in back.items())
    names, lexemes = list(words), list(code)
    related: defaultdict[str, list[tuple[str, float]]] = defaultdict(list)
    for (word, other), chance in there.items():
        share = chance / best_there[word] * back.get((other, word), 0) / best_back.get(word, 1)
        if names[word] != lexemes[other] and share >= MIN_SHARE**2:
            related[names[word]].append((lexemes[other], math.sqrt(share)))
    return {
        word: sorted(others, key=lambda item: (-item[1], item[0]))[:MOST_RELATED]
        for word, others in related.items()
    }


def _best(chances: Iterable[tuple[int, float]]) -> dict[int, float]:
    best: defaultdict[int, float] = defaultdict(float)
    for word, chance in chances:
        best[word] = max(best[word], chance)
    return best


def _numbers(words: Iterable[str], numbers: Mapping[str, int]) -> "np.ndarray":
    return np.array(sorted(numbers[word] for word in words if word in numbers), dtype=np.int64)


if __name__ == "__main__":
    main()
