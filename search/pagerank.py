"""Personalised PageRank by power iteration, over a weighted directed graph in numpy.

Source: Page, Brin, Motwani and Winograd, "The PageRank Citation Ranking", 1999; damping 0.85 and
the treatment of nodes without a way out (they jump as a new visitor would) as in networkx.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

DAMPING = 0.85
TOLERANCE = 1e-9  # summed over all nodes
MAX_ROUNDS = 200

Ranks = NDArray[np.float64]


def pagerank(
    nodes: int,
    sources: Sequence[int],
    targets: Sequence[int],
    weights: Sequence[float],
    start: Sequence[float],
) -> Ranks:
    """The rank of each node, shape (nodes,), summing to 1.

    Args:
        nodes: how many there are, at least one.
        sources: per edge the node it leaves, shape (edges,).
        targets: per edge the node it reaches, shape (edges,).
        weights: per edge, positive, shape (edges,).
        start: where a visitor starts, shape (nodes,), any scale; all zero means anywhere.
    """
    source = np.asarray(sources, dtype=np.int64)
    target = np.asarray(targets, dtype=np.int64)
    weight = np.asarray(weights, dtype=np.float64)
    jump = np.asarray(start, dtype=np.float64)
    jump = jump / jump.sum() if jump.sum() > 0 else np.full(nodes, 1 / nodes)
    out = np.bincount(source, weights=weight, minlength=nodes)
    share = weight / out[source]
    stuck = out == 0
    ranks = np.full(nodes, 1 / nodes)
    for _ in range(MAX_ROUNDS):
        flow = np.bincount(target, weights=ranks[source] * share, minlength=nodes)
        after = DAMPING * (flow + ranks[stuck].sum() * jump) + (1 - DAMPING) * jump
        change = float(np.abs(after - ranks).sum())
        ranks = after
        if change < TOLERANCE:
            break
    return ranks
