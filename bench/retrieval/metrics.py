"""Means over queries with intervals, and differences between arms, by the bootstrap.

A query has one right answer, so every measure follows from the place of the first hit among ten
results (0: none): its reciprocal, its discounted gain, whether it is among the first k.
The interval is that of the mean over queries drawn anew from the same queries (Efron's percentile
interval); differences are drawn in pairs, both arms answering the same queries.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.retrieval.judge import TOP

Measure = Literal["mrr", "ndcg", "r1", "r5", "r10"]
Values = NDArray[np.float64]

SEED = 20_231
RESAMPLES = 2_000
COVERED = 95.0  # per cent


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its interval."""

    mean: float
    low: float
    high: float

    @property
    def differs(self) -> bool:
        """For a difference: zero is outside of the interval."""
        return self.low > 0 or self.high < 0


def values(places: Sequence[int], measure: Measure) -> Values:
    """The measure of each query."""
    ranks = np.asarray(places, dtype=np.float64)
    found = (ranks >= 1) & (ranks <= TOP)
    safe = np.where(found, ranks, 1.0)
    match measure:
        case "mrr":
            return np.where(found, 1 / safe, 0.0)
        case "ndcg":
            return np.where(found, 1 / np.log2(1 + safe), 0.0)
        case _:
            return (found & (ranks <= int(measure.removeprefix("r")))).astype(np.float64)


def estimate(places: Sequence[int], measure: Measure) -> Estimate:
    """The mean of a measure."""
    return mean(values(places, measure))


def difference(ours: Sequence[int], theirs: Sequence[int], measure: Measure) -> Estimate:
    """The mean of ours minus theirs, query by query."""
    return mean(values(ours, measure) - values(theirs, measure))


def mean(sample: Values) -> Estimate:
    """The mean of a sample, with its interval."""
    means = sample[_draws(len(sample))].mean(axis=1)
    edge = (100 - COVERED) / 2
    low, high = np.percentile(means, (edge, 100 - edge))
    return Estimate(float(sample.mean()), float(low), float(high))


@lru_cache(maxsize=4)
def _draws(size: int) -> NDArray[np.int64]:
    """Which queries each resample holds, shape (RESAMPLES, size); always the same."""
    return np.random.default_rng(SEED).integers(0, size, (RESAMPLES, size))
