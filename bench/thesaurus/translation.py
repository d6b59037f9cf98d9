"""Which words are translated by which: IBM's model 1, by expectation and maximization.

Brown et al., "The Mathematics of Statistical Machine Translation", Computational Linguistics 1993.
Every word of the one side is taken to come from some word of the other side of its pair, or from
nowhere. So where two words stand side by side in many pairs, the one that explains more of the
translations takes them from the other.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

ROUNDS = 6
MIN_EXPECTED = 2.0  # so many translations must be expected in all pairs, or it is chance

Ids = NDArray[np.int64]


def translations(
    pairs: Sequence[tuple[Ids, Ids]], shares: Sequence[float], sizes: tuple[int, int]
) -> dict[tuple[int, int], float]:
    """The probability of a target word, given a source word, by (source, target).

    Args:
        pairs: the different words of each side, by number.
        shares: how much each pair counts.
        sizes: how many words each side has.
    """
    nothing, width = sizes
    links = [_links(source, target, nothing) for source, target in pairs if len(target)]
    origins = np.concatenate([origin for origin, _ in links])
    targets = np.concatenate([target for _, target in links])
    each = [len(source) + 1 for source, target in pairs for _ in target]
    words = np.repeat(np.arange(len(each)), each)
    counted = np.concatenate(
        [np.full(len(target), s) for (_, target), s in zip(pairs, shares, strict=True)]
    )
    keys, place = np.unique(origins * width + targets, return_inverse=True)
    probable = np.full(len(keys), 1.0 / width)
    for _ in range(ROUNDS):
        now = probable[place]
        now *= (counted / np.bincount(words, now))[words]
        expected = np.bincount(place, now)
        probable = expected / np.bincount(keys // width, expected)[keys // width]
    kept = (expected >= MIN_EXPECTED) & (keys // width != nothing)
    return {
        divmod(int(key), width): float(value)
        for key, value in zip(keys[kept], probable[kept], strict=True)
    }


def _links(source: Ids, target: Ids, nothing: int) -> tuple[Ids, Ids]:
    """Each target word with each word that it may come from, one target after the other."""
    origins = np.append(source, nothing)
    return np.tile(origins, len(target)), np.repeat(target, len(origins))
