"""Latencies of pairs: the same however they are asked for, and by the law that is said."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from sim.record.settings import Distribution, Duration
from sim.world import Given, Latencies, Regional, Streams, by_law, node_numbers

LAWS: list[Any] = [
    {"distribution": "constant", "value": "70 ms"},
    {"distribution": "uniform", "low": "20 ms", "high": "150 ms"},
    {"distribution": "exponential", "mean": "50 ms"},
    {"distribution": "lognormal", "median": "50 ms", "sigma": 0.5},
    {"distribution": "weibull", "shape": 0.7, "scale": "50 ms"},
    {"distribution": "gamma", "shape": 3.0, "mean": "50 ms"},
]
NAMES = [*(f"client_{i}" for i in range(40)), "server", "standby_1"]
TABLE_S = np.array([[0.01, 0.08], [0.09, 0.02]])


def law(settings: Any) -> Distribution:
    found: Distribution = TypeAdapter(Duration).validate_python(settings)
    return found


def drawn(settings: Any, names: list[str] = NAMES, seed: int = 3) -> Latencies:
    return by_law(law(settings), Streams(seed), node_numbers(names))


def regional(settings: Any) -> Latencies:
    return Regional(TABLE_S, np.arange(len(NAMES)) % 2, drawn(settings))


def given_s() -> Latencies:
    return Given(np.random.default_rng(0).random((len(NAMES), len(NAMES))))


ALL = [*map(drawn, LAWS), *map(regional, LAWS), given_s()]


@pytest.mark.parametrize("latencies", ALL)
def test_a_pair_a_row_a_column_and_a_list_are_parts_of_the_whole(latencies: Latencies) -> None:
    nodes = np.arange(len(NAMES))
    whole_s = latencies.between(nodes[:, None], nodes)
    assert whole_s.shape == (len(NAMES), len(NAMES))
    few = np.array([5, 0, 41, 7])
    assert np.array_equal(latencies.between(7, few), whole_s[7, few])
    assert np.array_equal(latencies.between(few, 7), whole_s[few, 7])
    assert np.array_equal(latencies.between(few, few[::-1]), whole_s[few, few[::-1]])
    assert latencies.between(few[:0], 7).shape == (0,)
    pairs = [*itertools.product(few.tolist(), nodes.tolist())]
    for _ in range(2):  # The second time it is remembered.
        assert [latencies.pair(*pair) for pair in pairs] == [whole_s[pair] for pair in pairs]
    assert latencies.is_symmetric == np.array_equal(whole_s, whole_s.T)
    others_s = whole_s[~np.eye(len(NAMES), dtype=np.bool_)]
    assert latencies.shortest_s <= others_s.min() and others_s.max() <= latencies.longest_s


@pytest.mark.parametrize("settings", LAWS[1:])
def test_pairs_latencies_are_of_the_law_and_independent(settings: Any) -> None:
    names = [f"client_{i}" for i in range(400)]
    latencies, nodes = drawn(settings, names), np.arange(400)
    seconds = latencies.between(nodes[:, None], nodes)
    shares = np.searchsorted(
        np.sort(seconds[np.triu_indices(400, 1)]), law(settings).quantile(LUCK)
    )
    assert shares / (400 * 399 / 2) == pytest.approx(LUCK, abs=0.005)
    # No row and no pair of rows is like another: of ranks, so that no law has too long a tail.
    ranks = np.argsort(np.argsort(seconds + np.diag(np.full(400, np.median(seconds))), axis=1))
    alike = np.asarray(np.corrcoef(ranks))[np.triu_indices(400, 1)]
    assert abs(alike.mean()) < 0.005 and np.abs(alike).max() < 0.3


LUCK = np.array([0.01, 0.25, 0.5, 0.75, 0.99])


def test_who_else_is_there_changes_no_pairs_latency() -> None:
    some = ["client_30", "server", "client_2", "standby_1"]
    few, many = drawn(LAWS[3], some), drawn(LAWS[3])
    for one, other in itertools.combinations(range(4), 2):
        names = NAMES.index(some[one]), NAMES.index(some[other])
        assert few.pair(one, other) == few.pair(other, one) == many.pair(*names)
    assert drawn(LAWS[3], seed=4).pair(0, 1) != many.pair(0, 1)


def test_what_no_pair_exceeds_is_a_pairs_among_few_and_the_laws_among_many() -> None:
    few = drawn(LAWS[3])
    nodes = np.arange(len(NAMES))
    assert few.longest_s == few.between(nodes[:, None], nodes).max()
    many = drawn(LAWS[3], [f"client_{i}" for i in range(1000)])
    assert many.longest_s == pytest.approx(0.05 * np.exp(0.5 * 8.2), rel=0.02)


@given(st.lists(st.tuples(st.integers(0, 41), st.integers(0, 41)), max_size=30))
def test_a_memory_that_is_full_forgets_and_gives_the_same(pairs: list[tuple[int, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sim.world.links.latencies._MOST_KEPT", 3)
        tight, wide = drawn(LAWS[1]), drawn(LAWS[1])
        assert [tight.pair(*pair) for pair in pairs] == [
            wide.between(*pair).item() for pair in pairs
        ]
