"""A scenario's topology: its forms, its mistakes, its file, and how it is varied."""

from pathlib import Path

import pytest

from sim.record.errors import ScenarioError
from sim.runs.build import check_topologies
from sim.scenario import Scenario, dump, grid, load
from sim.world import Complete

RING_OF_FIVE = "0,1\nclient_1,client_2\n\n 2 , client_3\n3,4\n4,0\n"


def described(*overrides: str, clients: int = 10) -> Scenario:
    return load("no_faults", [f"clients.count={clients}", *overrides])


def test_without_one_everybody_talks_to_everybody() -> None:
    assert described().topology == Complete()
    assert described("topology=ring") == described("topology={kind: ring}")


MISTAKES = [
    ("star", "topology: 'star' is not known here", "complete, ring, torus, k_regular"),
    ("erdos_renyi", "topology.probability: is missing", "chance that two clients"),
    ("{kind: k_regular, degree: 10}", "topology.degree: 10 neighbours are more than", "at most 9"),
    ("{kind: k_regular, degree: 1}", "topology.degree: joins clients in pairs", "at least 2"),
    ("{kind: k_regular, degree: 0}", "topology.degree: 0 is too small", "at least 1"),
    ("{kind: small_world, degree: 10, rewired: 0}", "topology.degree: 10 neigh", "an even"),
    ("{kind: small_world, degree: 3, rewired: 0}", "topology.degree: 3 neighbours", "an even"),
    ("{kind: small_world, degree: 2, rewired: 2}", "topology.rewired: 2 is too large", "at most 1"),
    ("{kind: barabasi_albert, edges: 10}", "topology.edges: 10 neighbours", "at most 9"),
    ("{kind: edges, pairs: []}", "topology.pairs: names no edges", "a CSV file"),
    ("{kind: edges, pairs: [[0, 1]]}", "topology.pairs: nothing leads from client_0 to client_2",
     "edges that join all clients"),
    ("{kind: edges, pairs: [[0, 10]]}", "topology.pairs.0.1: client_10 does not exist",
     "client_0..client_9"),
    ("{kind: edges, pairs: [[0, server]]}", "topology.pairs.0.1: 'server' is no client", "client_"),
    ("{kind: edges, pairs: [[0, 1.5]]}", "topology.pairs.0.1: 1.5 is no client", "client_"),
    ("{kind: edges, pairs: [[0, -1]]}", "topology.pairs.0.1: -1 is no client", "client_"),
    ("{kind: edges, pairs: 3}", "topology.pairs: 3 is no list of pairs", "a CSV file"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "what", "allowed"), MISTAKES, ids=[one[0] for one in MISTAKES])
@pytest.mark.parametrize("owner", ["", "protocols.braintorrent."])
def test_mistakes(owner: str, written: str, what: str, allowed: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        described(f"{owner}topology={written}")
    start, _, rest = str(caught.value).partition("; allowed: ")
    assert start.startswith(f"--set {owner}topology={written}: {owner}{what}")
    assert rest.startswith(allowed)


def test_mistakes_of_the_number_of_clients() -> None:
    for written, what in {
        "torus": "topology: 7 clients make no torus; allowed: clients in two rows or more, as 6 or",
        "{kind: k_regular, degree: 3}": "topology.degree: 3 neighbours each of 7 clients: one of",
    }.items():
        with pytest.raises(ScenarioError, match=what):
            described(f"topology={written}", clients=7)


def test_a_probability_that_is_too_low_is_told_with_its_seed() -> None:
    thin = "{kind: erdos_renyi, probability: 0.01}"
    check_topologies(described("topology={kind: erdos_renyi, probability: 0.5}"))
    for path in ("topology", "protocols.braintorrent.topology"):
        with pytest.raises(ScenarioError) as caught:
            check_topologies(described(f"{path}={thin}", "seeds=[3, 4]"))
        assert str(caught.value) == (
            f"--set {path}={thin}: {path}.probability: none of 100 graphs that were drawn joins "
            "all 10 clients (seed 3); allowed: a higher probability, e.g. 2 log(n) / n for n "
            "clients"
        )


def file_of(folder: Path, pairs: str, **scenario: str) -> Path:
    """A scenario of five clients in a folder, with a file of edges beside it."""
    (folder / "edges.csv").write_text(pairs, encoding="utf-8")
    path = folder / "scenario.yaml"
    path.write_text(dump(described(clients=5)), encoding="utf-8")
    return path


FROM_FILE = "topology={kind: edges, pairs: edges.csv}"


def test_a_file_of_edges_lies_beside_the_scenario_and_its_content_is_kept(tmp_path: Path) -> None:
    path = file_of(tmp_path, RING_OF_FIVE)
    for owner in ("", "protocols.braintorrent."):
        scenario = load(path, [owner + FROM_FILE])
        (found,) = (one for one in scenario.topologies.values() if one != Complete())
        assert found.model_dump()["pairs"] == ((0, 1), (1, 2), (2, 3), (3, 4), (4, 0))
        stored = tmp_path / "elsewhere" / "stored.yaml"
        stored.parent.mkdir(exist_ok=True)
        stored.write_text(dump(scenario), encoding="utf-8")
        assert load(stored) == scenario


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_a_file_of_edges_as_others_write_it(tmp_path: Path, separator: str) -> None:
    path = file_of(tmp_path, "# a ring\n" + RING_OF_FIVE.replace(",", separator))
    found = load(path, [FROM_FILE]).topology
    assert found.model_dump()["pairs"] == ((0, 1), (1, 2), (2, 3), (3, 4), (4, 0))


@pytest.mark.parametrize(
    ("pairs", "what"),
    [
        ("0,1\nfrom,to\n", ":2:1: topology.pairs.1.0: 'from' is no client; allowed: client_<numb"),
        ("0,1\n1,client_05\n", ":2:3: topology.pairs.1.1: 'client_05' is no client"),
        ("0:1\n", ":1:1: topology.pairs.0: has 1 values, which is no pair; allowed: two clients"),
        ("0,1\n\n1,2,0.5\n", ":3:1: topology.pairs.1: has 3 values, which is no pair"),
        ("0,1\n1,1\n", ":2:1: topology.pairs.1: joins client_1 to itself; allowed: two clients"),
        ("0,1\n1,2\n1,client_0\n", ":3:1: topology.pairs.2: joins client_0 and client_1 again"),
        ("0,1\n1,5\n", ":2:3: topology.pairs.1.1: client_5 does not exist; allowed: client_0..cl"),
        (f"0,{'9' * 5000}\n", ":1:3: topology.pairs.0.1: '999"),
    ],
)
def test_mistakes_in_a_file_of_edges(tmp_path: Path, pairs: str, what: str) -> None:
    path = file_of(tmp_path, pairs)
    with pytest.raises(ScenarioError) as caught:
        load(path, [FROM_FILE])
    assert str(caught.value).startswith(f"{tmp_path / 'edges.csv'}{what}")


def test_files_that_say_nothing(tmp_path: Path) -> None:
    path = file_of(tmp_path, "\n")
    with pytest.raises(ScenarioError, match="topology.pairs: names no edges; allowed: a CSV file"):
        load(path, [FROM_FILE])
    missing = FROM_FILE.replace("edges.csv", "none.csv")
    matrix = "network.latency={matrix: neither.csv, unit: s}"
    with pytest.raises(ScenarioError) as caught:
        load(path, [missing, matrix])
    assert str(caught.value).splitlines() == [
        f"--set {matrix}: network.latency.matrix: no such file 'neither.csv'; allowed: a CSV file "
        "of numbers",
        f"--set {missing}: topology.pairs: no such file 'none.csv'; allowed: a CSV file of two "
        "clients a line",
    ]


def test_a_topology_is_varied_whole_and_by_its_settings() -> None:
    def points(vary: str, *overrides: str) -> list[tuple[float | str, str]]:
        sweep = grid("no_faults", [*overrides], vary=[vary])
        path = vary.partition("=")[0]
        return [
            (point.values[path], list(point.scenario.topologies.values())[-1].kind)
            for point in sweep.points
        ]

    assert points("topology=ring,complete") == [("ring", "ring"), ("complete", "complete")]
    assert points("topology.kind=ring,torus", "topology=k_regular") == [
        ("ring", "ring"),
        ("torus", "torus"),
    ]
    regular = [(2.0, "k_regular"), (4.0, "k_regular")]
    assert points("topology.degree=2,4", "topology=k_regular") == regular
    own = "protocols.braintorrent.topology"
    assert points(f"{own}=ring,torus") == [("ring", "ring"), ("torus", "torus")]
    assert points(f"{own}.degree=2,4", f"{own}=k_regular") == regular
    with pytest.raises(ScenarioError, match=r"topology.degree: no such setting; allowed: kind"):
        grid("no_faults", vary=["topology.degree=2,4"])


def test_a_topology_that_nobody_asks_for_is_told() -> None:
    said = "topology: ring changes nothing: no protocol here talks to neighbours"
    alone = ["topology=ring", "protocols={fedavg: {deadline: 2 min}, local: {}}"]
    crashes = "faults.hubs={kind: targeted, number: 1, at: 1 min}"
    for overrides, sentences in (
        (alone, [said]),
        (["topology=ring"], []),
        (["topology=ring", "protocols={braintorrent: {topology: torus}}"], [said]),
        (["protocols={fedavg: {deadline: 2 min}}"], []),
        (["topology={kind: barabasi_albert, edges: 1}", alone[1], crashes], []),
    ):
        assert list(described(*overrides).idle()) == sentences
