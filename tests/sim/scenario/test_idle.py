"""What is said of settings and faults that change nothing, or not what they seem to."""

from pathlib import Path

import pytest

from sim.scenario import dump, grid, load


def slow(at: str, *nodes: str, lasts: str = "5 min") -> str:
    return f"{{kind: slowdown, nodes: [{', '.join(nodes)}], factor: 2, at: {at}, lasts: {lasts}}}"


def down(at: str, node: str, after: str = "5 min") -> str:
    return f"{{kind: crash, node: {node}, at: {at}, recovers_after: {after}}}"


CUT = "{kind: partition, groups: [[client_0]], at: %s, heals_after: 5 min}"
JOIN = "{kind: join, nodes: client_2, at: %s}"
POWER = "{kind: crash, nodes: client_0..client_3, at: %s, recovers_after: 5 min}"
SLOW_LINK = "{kind: degrade, nodes: client_0, bandwidth: 0.5, at: %s, lasts: 5 min}"
WHOLE_LINK = "{kind: degrade, nodes: client_0, bandwidth: 1, at: 1 min, lasts: 5 min}"
LEAVE = "{kind: leave, nodes: client_2, at: %s}"
TOGETHER = [
    (
        (slow("1 min", "client_0", "client_1"), slow("3 min", "client_1", "client_2")),
        ["faults.a and faults.b both act on client_1 from 3 min on: their factors multiply"],
    ),
    (
        (slow("1 min", "client_0..client_3"), slow("3 min", "clients")),
        ["faults.a and faults.b both act on the same nodes from 3 min on: their factors multiply"],
    ),
    (
        (CUT % "1 min", CUT % "5 min"),
        [
            "faults.a and faults.b both act on the same nodes from 5 min on: whom one of them sets "
            "apart can't be reached"
        ],
    ),
    (
        (SLOW_LINK % "1 min", SLOW_LINK % "5 min"),
        [
            "faults.a and faults.b both act on client_0 from 5 min on: what is left of bandwidth "
            "multiplies, and extra latencies add up"
        ],
    ),
    (
        (down("1 min", "client_2"), slow("3 min", "client_2")),
        ["faults.b acts on client_2 from 3 min on, while faults.a holds it down: to no effect"],
    ),
    ((down("1 min", "client_2"), slow("3 min", "client_2", "client_3")), []),
    (
        (POWER % "1 min", slow("3 min", "client_2", "client_3")),
        [
            "faults.b acts on the same nodes from 3 min on, while faults.a holds them down: to no "
            "effect"
        ],
    ),
    (
        (POWER % "1 min", POWER % "2 min"),
        [
            "faults.a and faults.b both act on the same nodes from 2 min on: while both hold a "
            "node down, one of them changes nothing"
        ],
    ),
    ((down("1 min", "client_2"), slow("6 min", "client_2")), []),
    ((slow("1 min", "client_0"), slow("3 min", "client_1")), []),
    ((slow("1 min", "client_0", lasts="2 min"), slow("3 min", "client_0")), []),
    ((down("1 min", "client_2"), "{kind: client_dropout, probability: 0.1}"), []),
    ((down("1 min", "client_2"), LEAVE % "3 min"), []),
    ((down("1 min", "client_2", "null"), LEAVE % "3 min"), []),
    (
        (down("5 min", "client_2", "null"), LEAVE % "3 min"),
        ["faults.a acts on client_2 from 5 min on, after faults.b lets it leave: to no effect"],
    ),
    ((slow("5 min", "client_2", "client_3"), LEAVE % "3 min"), []),
    (
        (JOIN % "10 min", down("1 min", "client_2")),
        ["faults.b acts on client_2 from 1 min on, before faults.a lets it join: to no effect"],
    ),
    ((JOIN % "5 min", down("1 min", "client_2")), []),
    ((down("1 min", "client_2", "null"), JOIN % "5 min"), []),
    (
        (slow("3 min", "client_2"), JOIN % "{distribution: uniform, low: 10 min, high: 20 min}"),
        ["faults.a acts on client_2 from 3 min on, before faults.b lets it join: to no effect"],
    ),
    ((slow("3 min", "client_2", "client_3"), JOIN % "10 min"), []),
    (
        (JOIN % "1 min", JOIN % "3 min"),
        ["faults.a and faults.b both act on client_2 from 0 s on: it joins at the later one"],
    ),
    (
        (JOIN % "2 h", CUT % "1 min"),
        ["faults.a lets clients join at 2 h, when the run of 30 min is over: they are never there"],
    ),
    (
        (LEAVE % "1 min", LEAVE % "3 min"),
        [
            "faults.a and faults.b both act on client_2 from 3 min on: who has left can't leave "
            "again"
        ],
    ),
]


@pytest.mark.parametrize(("faults", "said"), TOGETHER)
def test_faults_that_meet_at_a_node(faults: tuple[str, str], said: list[str]) -> None:
    overrides = [f"faults.{name}={fault}" for name, fault in zip("ab", faults, strict=True)]
    assert list(load("no_faults", overrides).idle()) == said


def test_links_that_are_degraded_by_nothing() -> None:
    said = "faults.a changes nothing: all bandwidth is left, and no latency is added"
    assert list(load("no_faults", [f"faults.a={WHOLE_LINK}"]).idle()) == [said]


def test_delays_for_which_nodes_that_are_up_are_suspected() -> None:
    slow = "{kind: degrade, nodes: client_0, extra_latency: %s, at: 1 min, lasts: 5 min}"
    late = load("no_faults", [f"faults.a={slow % '11 s'}", f"faults.b={slow % '9 s'}"])
    said = (
        "faults.a delays messages by 11 s, and failure_detection.timeout is shorter than interval "
        "+ latency: it would suspect nodes that are up"
    )
    assert said in list(late.idle_faults())
    assert not any("faults.b delays" in text for text in late.idle())
    patient = {"failure_detection": {"kind": "heartbeat", "timeout": "16 s"}}
    for detection in (patient, {"failure_detection": {"kind": "none"}}):
        assert said not in list(late.with_settings(detection).idle())


@pytest.mark.parametrize(
    ("topology", "by", "is_blind"),
    [
        ("ring", "degree", True),
        ("k_regular", "degree", True),
        ("k_regular", "betweenness", False),
        ("{kind: barabasi_albert, edges: 1}", "degree", False),
    ],
)
def test_an_attack_where_all_are_connected_alike(topology: str, by: str, is_blind: bool) -> None:
    attack = f"faults.a={{kind: targeted, number: 1, at: 1 min, by: {by}}}"
    said = f"faults.a strikes by number: in a {topology} topology all have equally many neighbours"
    assert list(load("no_faults", [f"topology={topology}", attack]).idle()) == [said] * is_blind


SETTINGS = [
    ("training.momentum=0.9", "training.momentum changes nothing: only the optimizer momentum"),
    (
        "protocols.fedavg.training={momentum: 0.5}",
        "protocols.fedavg.training.momentum changes nothing: only the optimizer momentum uses it",
    ),
    ("evaluation.every=45 min", "evaluation.every is 45 min, longer than the run of 30 min: "),
    ("clients.count=1", "task.partition changes nothing: the one client has all training data"),
    (
        "protocols={fedavg: {deadline: 1 min}, d_psgd: {exchange: nonblocking, counts: messages}}",
        "protocols.d_psgd.counts changes nothing: nonblocking never waits",
    ),
    (
        "protocols={fedavg: {deadline: 1 min}, swarm: {wait_after_minimum: 1 min}}",
        "protocols.swarm.wait_after_minimum changes nothing: minimum_peers: all",
    ),
    (
        "protocols.braintorrent.chunks=3",
        "protocols.braintorrent.chunks changes nothing: models travel whole",
    ),
    (
        "protocols.fedavg={deadline: 1 min, replicate_every: 2}",
        "protocols.fedavg.replicate_every changes nothing: there are no standbys",
    ),
    ("clients.groups={slow: {count: 2}}", "clients.groups.slow changes nothing: it sets nothing"),
]


def test_a_memory_where_nobody_merges_what_neighbours_send() -> None:
    served = load("no_faults", ["protocols={fedavg: {}, swarm: {}}", "clients.memory=1 MB"])
    (said,) = served.idle()
    assert said.startswith("clients.memory changes nothing: who averages a round sums up updates")
    assert list(load("no_faults", ["clients.memory=1 MB"]).idle()) == []


def test_a_group_that_draws_otherwise_and_a_server_that_nobody_has() -> None:
    far = "clients.groups={far: {count: 1}}"
    clients = "costs={computing_power: 9 W, groups: {far: {computing_power: 3 W}}}"
    assert list(load("no_faults", [far, clients]).idle()) == []
    server = "costs={server_computing_power: 100 W}"
    (said,) = load("no_faults", ["protocols={local: {}}", server]).idle()
    assert said == "costs of a server change nothing: no protocol here has one"


@pytest.mark.parametrize(("override", "said"), SETTINGS)
def test_settings_that_change_nothing(override: str, said: str, tmp_path: Path) -> None:
    scenario = load("no_faults", [override])
    [text] = scenario.idle()
    assert text.startswith(said)
    (tmp_path / "kept.yaml").write_text(dump(scenario), encoding="utf-8")
    assert list(load(tmp_path / "kept.yaml").idle()) == [text]


def test_what_newcomers_start_from_where_a_server_sends_it() -> None:
    fault = "faults.new={kind: join, nodes: client_3, at: 1 min, starts_from: initial}"
    assert list(load("no_faults", [fault]).idle()) == []
    served = "protocols={fedavg: {deadline: 1 min}, local: {}}"
    assert list(load("no_faults", [served, fault]).idle()) == [
        "faults.new.starts_from changes nothing: who joins trains what a server sends it"
    ]


def test_a_sample_that_leaves_nobody_out() -> None:
    def told(clients: int) -> list[str]:
        overrides = [f"evaluation.clients={clients}", "clients.count=3"]
        return list(load("no_faults", overrides).idle_settings())

    assert told(2) == []
    said = "evaluation.clients changes nothing: all of the 3 clients are scored"
    assert told(3) == told(4) == [said]


def test_suspicions_that_nobody_has() -> None:
    def said(kind: str) -> list[str]:
        overrides = [f"failure_detection={kind}", "evaluation.suspicions=true"]
        return list(load("no_faults", ["protocols={local: {}}", *overrides]).idle())

    assert said("heartbeat") == said("perfect") == []
    assert said("none") == [
        "evaluation.suspicions changes nothing: with failure_detection none nobody suspects anybody"
    ]


def test_settings_that_do() -> None:
    for overrides in (
        ["protocols={d_psgd: {counts: messages}}"],
        ["protocols.braintorrent={transfer: chunks, chunks: 3}"],
        ["protocols.fedavg={deadline: 1 min, standbys: 1, replicate_every: 2}"],
        ["protocols={swarm: {minimum_peers: 2, wait_after_minimum: 1 min}}"],
        ["training={optimizer: momentum, learning_rate: 0.1, batch_size: 8, local_steps: 2}"],
        ["training.momentum=0.8", "protocols.fedavg.training={optimizer: momentum}"],
        ["clients.groups={slow: {count: 2}}", f"faults.a={slow('1 min', 'slow')}"],
        ["evaluation.every=30 min"],
    ):
        assert list(load("no_faults", overrides).idle()) == []


def test_a_momentum_that_nobody_chose_is_stored_only_where_it_is_used() -> None:
    assert "momentum" not in dump(load("no_faults"))
    assert "momentum: 0.9" in dump(load("no_faults", ["training.optimizer=momentum"]))
    assert "momentum: 0.8" in dump(load("no_faults", ["training.momentum=0.8"]))
    points = grid("no_faults", vary=["training.optimizer=momentum,sgd"]).points
    assert [list(point.scenario.idle()) for point in points] == [[], []]
    momentum = points[0].scenario
    assert momentum.training and momentum.training.momentum == 0.9
    varied = grid("no_faults", vary=["training.momentum=0.5,0.8"])
    assert varied.units == {"training.momentum": ""}


def test_what_can_be_played_and_takes_long() -> None:
    often = "failure_detection={kind: heartbeat, interval: 1 ms, timeout: 1 s}"
    assert list(load("no_faults", [often, "duration=1 h"]).idle_settings()) == [
        "failure_detection makes about 4e+06 heartbeats of a node in 60 min: a run may take "
        "minutes, or hours"
    ]
    assert not list(load("no_faults", [often, "duration=15 min"]).idle_settings())
