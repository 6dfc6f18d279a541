"""Metropolis weights: rows worked out by hand, and what holds on every graph."""

from fractions import Fraction

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.protocols.shared.mixing import metropolis


def matrix(
    graph: networkx.Graph, gone: frozenset[tuple[int, int]] = frozenset()
) -> list[list[Fraction]]:
    """W [n, n]; `gone`: (i, j) if j's model doesn't come to i."""
    rows = []
    for i in graph:
        here = [i, *(j for j in sorted(graph[i]) if (i, j) not in gone)]
        row = metropolis(i, {j: graph.degree(j) for j in here})
        whole = sum(row.values())
        rows.append([Fraction(row.get(j, 0), whole) for j in graph])
    return rows


def test_star_of_four() -> None:
    one, three = Fraction(1, 4), Fraction(3, 4)
    assert matrix(networkx.star_graph(3)) == [
        [one] * 4,
        [one, three, 0, 0],
        [one, 0, three, 0],
        [one, 0, 0, three],
    ]


@pytest.mark.parametrize("count", [2, 3, 7, 10, 49])
def test_weights_of_a_complete_graph_are_equal_to_the_last_bit(count: int) -> None:
    row = metropolis(0, dict.fromkeys(range(count), count - 1))
    assert {weight / sum(row.values()) for weight in row.values()} == {1 / count}


@given(st.integers(2, 12), st.floats(0.1, 1.0), st.integers(0, 2**32 - 1))
def test_on_every_graph_they_are_doubly_stochastic(count: int, density: float, seed: int) -> None:
    graph = networkx.fast_gnp_random_graph(count, density, seed)
    rows = matrix(graph)
    assert all(sum(row) == 1 and min(row) >= 0 for row in rows)
    assert all(rows[i][j] == rows[j][i] for i in graph for j in graph)
    # A model that doesn't come takes nothing from the weights of the others.
    for i, j in graph.edges:
        row = matrix(graph, frozenset({(i, j)}))[i]
        assert row[i] == rows[i][i] + rows[i][j]
        assert [w for k, w in enumerate(row) if k not in (i, j)] == [
            w for k, w in enumerate(rows[i]) if k not in (i, j)
        ]
