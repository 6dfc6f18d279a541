"""Topologies: whom each kind joins, that all are joined, and that a seed decides."""

import sys
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.record.errors import Refusal
from sim.world import TOPOLOGIES, Streams, Topology
from sim.world.topologies.topology import Adjacency
from tests.sim import tiny

DRAWN: list[dict[str, Any]] = [
    {"kind": "k_regular"},
    {"kind": "k_regular", "degree": 2},
    {"kind": "k_regular", "degree": 8},
    {"kind": "erdos_renyi", "probability": 0.3},
    {"kind": "small_world", "degree": 4, "rewired": 0.3},
    {"kind": "barabasi_albert", "edges": 2},
]


def built(clients: int, seed: int = 0, **written: Any) -> Topology:
    kind = TOPOLOGIES[written["kind"]].model_validate(written)
    kind.check(clients)
    return kind.build(clients, Streams(seed))


def edges(topology: Topology) -> list[tuple[int, int]]:
    """Each edge once, the lower client first."""
    clients = range(len(topology.degrees))
    return [(i, j) for i in clients for j in topology.neighbours(i).tolist() if i < j]


def everybodys(topology: Topology) -> list[list[int]]:
    return [topology.neighbours(i).tolist() for i in range(len(topology.degrees))]


def reached(topology: Topology) -> set[int]:
    found, ahead = {0}, [0]
    while ahead:
        new = set(topology.neighbours(ahead.pop()).tolist()) - found
        found |= new
        ahead += new
    return found


def test_complete_and_ring() -> None:
    assert everybodys(built(3, kind="complete")) == [[1, 2], [0, 2], [0, 1]]
    assert everybodys(built(4, kind="ring")) == [[1, 3], [0, 2], [1, 3], [0, 2]]
    for kind in ("complete", "ring"):
        assert everybodys(built(1, kind=kind)) == [[]]
        assert everybodys(built(2, kind=kind)) == [[1], [0]]


def test_a_torus_is_as_square_as_can_be() -> None:
    # 0 1 2 3 / 4 5 6 7 / 8 9 10 11: the last row is above the first, the last column beside it.
    twelve = built(12, kind="torus")
    assert everybodys(twelve)[5] == [1, 4, 6, 9]
    assert everybodys(twelve)[0] == [1, 3, 4, 8]
    assert set(twelve.degrees) == {4}
    # 0 1 2 / 3 4 5: what is above is what is below.
    assert everybodys(built(6, kind="torus")) == [
        [1, 2, 3], [0, 2, 4], [0, 1, 5], [0, 4, 5], [1, 3, 5], [2, 3, 4]
    ]  # fmt: skip


@pytest.mark.parametrize("clients", [1, 2, 3, 7, 13])
def test_primes_make_no_torus(clients: int) -> None:
    with pytest.raises(Refusal) as caught:
        built(clients, kind="torus")
    sizes = {1: "4", 2: "4", 3: "4", 7: "6 or 8", 13: "12 or 14"}[clients]
    assert f"as {sizes} of them" in caught.value.allowed


def test_listed_pairs_are_neighbours() -> None:
    topology = built(4, kind="edges", pairs=[[2, 0], ["client_1", "2"], [3, "client_0"]])
    assert everybodys(topology) == [[2, 3], [2], [0, 1], [0]]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(DRAWN), st.integers(10, 40), st.integers(0, 1000))
def test_what_is_drawn_joins_all(written: dict[str, Any], clients: int, seed: int) -> None:
    if written.get("degree") == 2:
        clients = 10  # A longer one is hardly ever a single circle.
    topology = built(clients, seed, **written)
    neighbours = everybodys(topology)
    assert reached(topology) == set(range(clients))
    for index, theirs in enumerate(neighbours):
        assert index not in theirs
        assert all(one < other for one, other in pairwise(theirs))
        assert all(index in neighbours[other] for other in theirs)
        assert topology.degrees[index] == len(theirs)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 40), st.integers(0, 1000))
def test_all_have_the_degree_that_is_asked_for(clients: int, seed: int) -> None:
    degree = int(np.ceil(np.log2(clients)))
    assert set(built(clients, seed, kind="k_regular").degrees) == {degree + degree * clients % 2}
    for degree in range(3, clients):
        if degree * clients % 2 == 0:
            topology = built(clients, seed, kind="k_regular", degree=degree)
            assert set(topology.degrees) == {degree}


def test_edges_are_as_many_as_their_papers_say() -> None:
    assert len(edges(built(30, kind="barabasi_albert", edges=3))) == 3 * 27
    assert len(edges(built(30, kind="small_world", degree=4, rewired=0.5))) == 60
    lattice = built(6, kind="small_world", degree=4, rewired=0.0)
    assert everybodys(lattice)[0] == [1, 2, 4, 5]
    assert set(built(9, kind="erdos_renyi", probability=1.0).degrees) == {8}
    # Of 19,900 pairs each is there with 0.1: 1,990 and a standard deviation of 42.
    assert abs(len(edges(built(200, kind="erdos_renyi", probability=0.1))) - 1990) < 3 * 42


@pytest.mark.parametrize("written", DRAWN, ids=str)
def test_a_seed_decides(written: dict[str, Any]) -> None:
    first = edges(built(12, 0, **written))
    assert edges(built(12, 0, **written)) == first
    assert any(edges(built(12, seed, **written)) != first for seed in (1, 2))


def test_other_releases_of_the_library_draw_the_same() -> None:
    lasts = {
        "k_regular": [0, 2, 3, 8],
        "erdos_renyi": [0, 1, 3, 5, 6, 7],
        "small_world": [0, 1, 3, 8],
        "barabasi_albert": [3, 7],
    }
    for written in DRAWN[:1] + DRAWN[3:]:
        assert built(10, 0, **written).neighbours(9).tolist() == lasts[written["kind"]]


def test_a_graph_is_drawn_again_until_all_are_joined() -> None:
    import networkx

    written = {"kind": "erdos_renyi", "probability": 0.2}
    firsts = [
        int(Streams(seed).stream("topology").integers(2**32, size=1)[0]) for seed in range(20)
    ]
    graphs = [networkx.fast_gnp_random_graph(10, 0.2, seed) for seed in firsts]
    assert not all(map(networkx.is_connected, graphs))
    for seed in range(20):
        assert len(reached(built(10, seed, **written))) == 10
    with pytest.raises(Refusal, match="none of 100 graphs that were drawn joins all 50 clients"):
        built(50, kind="erdos_renyi", probability=0.01)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=30))
def test_sums_over_neighbours(clients: int, pairs: list[tuple[int, int]]) -> None:
    known = [(i, j) for i, j in pairs if max(i, j) < clients and i != j]
    matrix = np.zeros((clients, clients), dtype=np.int64)
    for i, j in known:
        matrix[i, j] = matrix[j, i] = 1
    values = np.arange(clients) ** 2 + 1
    topology = Adjacency(clients, known)
    assert topology.sums(values).tolist() == (matrix @ values).tolist()
    assert topology.degrees.tolist() == matrix.sum(axis=0).tolist()
    everybody = built(clients, kind="complete")
    assert everybody.sums(values).tolist() == (values.sum() - values).tolist()


def test_large_ones_take_neither_room_nor_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "networkx", None)  # An import of it would fail.
    complete, ring = built(100_000, kind="complete"), built(100_000, kind="ring")
    assert complete.degrees[7] == 99_999 and complete.neighbours(7)[7] == 8
    assert ring.neighbours(0).tolist() == [1, 99_999]


@pytest.mark.parametrize("protocol", ["braintorrent", "fedavg", "local", "pooled"])
def test_every_protocol_meets_the_same_graph(protocol: str) -> None:
    links = [[0.0] * 9 for _ in range(9)]
    server = {"uplink": "1 kB/s", "downlink": "1 kB/s", "aggregation_time": "0 s"}
    written = {"kind": "k_regular", "degree": 3}
    settings = {"deadline": "30 s"} if protocol == "fedavg" else {}
    described = tiny.scenario(
        links, [1.0] * 8, {protocol: settings}, server=server, topology=written
    )
    world, _ = tiny.world(described, samples=[1] * 8, steps=[1] * 8)
    assert edges(world.topology) == edges(built(8, 0, **written))
