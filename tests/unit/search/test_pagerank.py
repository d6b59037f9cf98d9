"""PageRank against a hand-computed case and against networkx, which torch brings along."""

import networkx as nx  # type: ignore[import-untyped]  # it has no types
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from search.pagerank import DAMPING, pagerank

EDGES = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.floats(0.1, 100)), min_size=1, max_size=20
)
START = st.lists(st.floats(0, 10), min_size=6, max_size=6)


def test_a_pair_where_one_points_to_the_other_by_hand() -> None:
    """One points to the other, which is stuck: the first has 1 / (2 + damping)."""
    ranks = pagerank(2, [0], [1], [1.0], [0, 0])

    assert np.allclose(ranks, [1 / (2 + DAMPING), (1 + DAMPING) / (2 + DAMPING)])


def test_weights_divide_what_a_node_gives() -> None:
    """Three parts to one, one to the other; both give all back."""
    ranks = pagerank(3, [0, 0, 1, 2], [1, 2, 0, 0], [3.0, 1.0, 1.0, 1.0], [1, 0, 0])

    assert np.isclose(ranks[1], 3 * ranks[2])


def test_visitors_start_where_the_focus_is() -> None:
    """What nobody reaches from there has no rank."""
    ranks = pagerank(3, [0, 1, 2], [1, 0, 2], [1.0, 1.0, 1.0], [1, 0, 0])

    assert ranks[2] < 1e-6 < ranks[1] < ranks[0]


@settings(deadline=None)  # networkx loads scipy the first time
@given(edges=EDGES, start=START)
def test_it_agrees_with_networkx(edges: list[tuple[int, int, float]], start: list[float]) -> None:
    """On any small graph; parallel edges add up."""
    graph = nx.DiGraph()
    graph.add_nodes_from(range(6))
    for source, target, weight in edges:
        before = graph.get_edge_data(source, target, {"weight": 0.0})["weight"]
        graph.add_edge(source, target, weight=before + weight)
    wanted = dict(enumerate(start)) if sum(start) > 0 else None
    expected = nx.pagerank(graph, DAMPING, wanted, tol=1e-10, max_iter=500)

    sources, targets, weights = (list(column) for column in zip(*edges, strict=True))
    ranks = pagerank(6, sources, targets, weights, start)

    assert np.allclose(ranks, [expected[node] for node in range(6)], atol=1e-6)
    assert np.isclose(ranks.sum(), 1)
