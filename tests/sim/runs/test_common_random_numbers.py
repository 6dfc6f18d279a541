"""Different protocols and different settings meet the same luck: comparisons rest on it."""

import itertools
from collections import defaultdict
from collections.abc import Collection
from typing import Any

import numpy as np
import pytest

from sim import protocols as kinds
from sim.runs.build import Facts, build
from sim.scenario import Scenario
from sim.world.random_streams import Streams
from sim.world.world import World
from tests.sim import tiny
from tests.worlds import least

LISTED: dict[str, dict[str, Any]] = {
    "independent": {"kind": "braintorrent"},
    "random_initiator": {"kind": "braintorrent", "schedule": "random_initiator"},
    "lockstep": {"kind": "braintorrent", "schedule": "lockstep", "max_senders": 2},
    "fedavg": {"deadline": "30 s"},
    "local": {},
}
# Those on a machine of their own meet nothing that others meet.
OTHERS = [
    kind
    for kind, protocol in kinds.PROTOCOLS.items()
    if kind not in {"braintorrent", *LISTED} and not protocol.is_reference
]
PROTOCOLS = LISTED | {kind: least(kind) for kind in OTHERS}
ALL = [*LISTED, *(pytest.param(kind, marks=pytest.mark.slow) for kind in OTHERS)]
CHURN = {
    "kind": "churn",
    "nodes": "all",
    "mean_time_to_failure": "60 s",
    "mean_time_to_repair": "20 s",
}
Spans = dict[str, list[tuple[str, float]]]


def described(faults: dict[str, Any], clients: int = 5, **changes: Any) -> Scenario:
    return Scenario.model_validate(
        {
            "name": "luck",
            "duration": "600 s",
            "seeds": [0],
            "task": {"name": "digits", "partition": {"kind": "iid"}},
            "model": {"name": "mlp"},
            "training": {"learning_rate": 0.1, "batch_size": 32, "local_epochs": 1},
            "clients": {
                "count": clients,
                "step_time": {"distribution": "lognormal", "median": "1 s", "sigma": 0.6},
                "round_jitter": 0.3,
            },
            "network": {
                "latency": {"distribution": "uniform", "low": "20 ms", "high": "150 ms"},
                "uplink": "10 kB/s",
                "downlink": "10 kB/s",
                "packet_loss": 0.05,
                "transfer_loss": 0.02,
            },
            "server": {"uplink": "1 MB/s", "downlink": "1 MB/s", "aggregation_time": "1 s"},
            "evaluation": {"every": "60 s"},
            "protocols": PROTOCOLS,
            "faults": faults,
            **changes,
        }
    )


def ran(scenario: Scenario, protocol: str, seed: int = 0) -> World:
    """The world of one run at its end; every client has the same work in a local round."""
    clients = scenario.clients.count
    facts = Facts((100,) * clients, (4,) * clients, 100 * clients, 4 * clients, 256)
    world, _ = build(scenario, protocol, seed, tiny.lineage(), facts)
    tiny.run(world.clock, scenario.duration)
    world.network.end()
    return world


def ups_and_downs(world: World) -> Spans:
    """(kind, time) of each crash and each recovery, by node."""
    found: Spans = defaultdict(list)
    for row in world.trace.rows:
        if row.kind in ("crash", "recover", "storage_lost"):
            found[row.node].append((row.kind, row.time_s))
    return found


def crashes(world: World) -> dict[str, list[float]]:
    return {
        node: [time_s for kind, time_s in changes if kind == "crash"]
        for node, changes in ups_and_downs(world).items()
    }


def attempts(world: World, fault: str) -> tuple[set[tuple[str, int]], set[tuple[str, int]]]:
    """(node, attempt) of all attempts at a local round, and of those that the fault ended."""
    made, failed = set(), set()
    for row in world.trace.rows:
        if row.kind in ("train", "train_lost"):
            assert row.attempt is not None
            attempt = row.node, row.attempt
            made.add(attempt)
            if row.cause == fault:
                failed.add(attempt)
    return made, failed


@pytest.mark.parametrize(
    ("seed", "names"),
    [(0, LISTED), (1, LISTED), pytest.param(0, PROTOCOLS, marks=pytest.mark.slow)],
)
def test_every_node_is_up_and_down_at_the_same_times_under_every_protocol(
    seed: int, names: Collection[str]
) -> None:
    scenario = described(
        {
            "churn": CHURN,
            "often": {**CHURN, "nodes": ["client_1", "client_2"], "loses_storage": True},
            "once": {"kind": "crash", "node": "client_1", "at": "100 s", "recovers_after": "90 s"},
            "dropout": {"kind": "client_dropout", "probability": 0.3},
        }
    )
    found = {name: ups_and_downs(ran(scenario, name, seed)) for name in names}
    servers = [lives.pop("server") for lives in found.values() if "server" in lives]
    assert len(servers[0]) > 5
    assert servers == [servers[0]] * len(servers)
    assert set(found["local"]) == {f"client_{i}" for i in range(5)}
    for name, lives in found.items():
        clients = {node: life for node, life in lives.items() if node.startswith("client_")}
        assert clients == found["local"], name


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ALL)
def test_higher_dropout_probability_fails_a_superset_of_attempts(protocol: str) -> None:
    runs = [
        attempts(
            ran(
                described({"dropout": {"kind": "client_dropout", "probability": probability}}),
                protocol,
            ),
            "dropout",
        )
        for probability in (0.0, 0.1, 0.3, 0.6, 1.0)
    ]
    assert not runs[0][1]
    assert runs[-1][0] == runs[-1][1]
    for (_, fewer), (made, more) in itertools.pairwise(runs):
        # A failed attempt ends early, so that the two runs need not get equally far.
        assert fewer & made <= more
        assert len(more) > len(fewer)


@pytest.mark.parametrize("written", ["mean_time_to_failure", "failure_rate"])
def test_shorter_time_to_failure_brings_each_failure_no_later(written: str) -> None:
    values = ["400 s", "100 s", "30 s", "5 s"]
    if written == "failure_rate":
        values = ["9 / h", "36 / h", "120 / h", "720 / h"]
    churn = {"kind": "churn", "nodes": "all", "mean_time_to_repair": "20 s"}
    runs = [
        crashes(ran(described({"churn": churn | {written: each}}), "fedavg")) for each in values
    ]
    for rare, often in itertools.pairwise(runs):
        assert sum(map(len, often.values())) > sum(map(len, rare.values()))
        for node, times_s in rare.items():
            assert len(often[node]) >= len(times_s)
            for late_s, early_s in zip(times_s, often[node], strict=False):
                assert early_s <= late_s


def test_another_protocol_or_fault_changes_no_failure() -> None:
    alone = described({"churn": CHURN}, protocols={"local": {}})
    more = described(
        {
            "dropout": {"kind": "client_dropout", "probability": 0.5},
            "churn": CHURN,
            "slow": {
                "kind": "slowdown",
                "nodes": "clients",
                "factor": 3.0,
                "at": "10 s",
                "lasts": "99 s",
            },
        }
    )
    assert ups_and_downs(ran(alone, "local")) == ups_and_downs(ran(more, "local"))


def test_another_client_leaves_the_draws_of_the_others_alone() -> None:
    faults = {"churn": CHURN, "dropout": {"kind": "client_dropout", "probability": 0.3}}
    few, many = (ran(described(faults, clients=clients), "fedavg") for clients in (5, 6))
    names = [node.name for node in few.nodes]
    others = [position for position, node in enumerate(many.nodes) if node.name in names]
    assert [many.nodes[position].name for position in others] == names
    for before, position in zip(few.nodes, others, strict=True):
        assert many.nodes[position].machine.step_s == before.machine.step_s
    assert np.array_equal(tiny.latencies_s(many.network, others), tiny.latencies_s(few.network))
    assert np.array_equal(many.network.numbers[others], few.network.numbers)
    changes = ups_and_downs(many)
    assert {name: changes[name] for name in names} == ups_and_downs(few)


def test_another_client_changes_nothing_for_those_who_learn_alone() -> None:
    # Under `local` nobody meets anybody: jitter and dropouts show in the whole trace.
    faults = {
        "churn": {**CHURN, "nodes": "clients"},
        "dropout": {"kind": "client_dropout", "probability": 0.3},
    }
    few, many = (ran(described(faults, clients=clients), "local") for clients in (5, 6))
    newcomer = "client_5"
    assert [row for row in many.trace.rows if row.node != newcomer] == few.trace.rows


# -- the detector and the transfers ------------------------------------------------------------

WORLD = {
    "churn": CHURN,
    "dropout": {"kind": "client_dropout", "probability": 0.3},
    "cut": {
        "kind": "partition",
        "groups": [["client_0", "client_1"]],
        "at": "200 s",
        "heals_after": "50 s",
    },
}
SETTINGS: list[dict[str, Any]] = [
    {"failure_detection": {"kind": "none"}},
    {"failure_detection": {"kind": "perfect"}},
    {"failure_detection": {"kind": "heartbeat", "interval": "1 s", "timeout": "4 s"}},
    {"protocols": {"fedavg": {"deadline": "30 s", "close_at": 0.6, "late_updates": "next_round"}}},
    {"faults": WORLD | {"more": {**CHURN, "nodes": ["client_4"]}}},
    {"clients": 6},
]


def fates(world: World) -> dict[tuple[str, int], tuple[float, str | None]]:
    """By node and attempt at a local round: how long it took, and the fault that it drew.

    Of attempts that no crash ended.
    """
    return {
        (row.node, row.attempt): (round(row.duration_s, 6), row.cause)
        for row in world.trace.rows
        if row.kind in ("train", "train_lost")
        and row.cause in (None, "dropout")
        and row.attempt is not None
    }


@pytest.mark.parametrize("changed", SETTINGS, ids=lambda changed: "-".join(map(str, changed)))
def test_no_setting_changes_a_nodes_life_its_speed_or_its_way_to_others(
    changed: dict[str, Any],
) -> None:
    before = ran(described(WORLD), "fedavg")
    after = ran(described(**{"faults": WORLD} | changed), "fedavg")
    names = [node.name for node in before.nodes]
    spared = [name for name in names if not ("faults" in changed and name == "client_4")]
    lives = ups_and_downs(before), ups_and_downs(after)
    assert all(lives[0][name] == lives[1][name] for name in spared)
    here = {node.name: node.machine for node in after.nodes}
    assert all(here[node.name] == node.machine for node in before.nodes)
    place = [after.network.wiring.names.index(name) for name in names]
    latency_s = tiny.latencies_s(after.network, place)
    assert np.array_equal(latency_s, tiny.latencies_s(before.network))
    both = fates(before).keys() & fates(after).keys()
    assert len(both) > 50
    assert all(fates(before)[each] == fates(after)[each] for each in both)


@pytest.mark.parametrize("detection", ["heartbeat", "perfect", "none"])
def test_who_believes_whom_to_be_down_is_the_same_under_every_protocol(detection: str) -> None:
    scenario = described(WORLD, failure_detection={"kind": detection}, duration="300 s")
    clients = np.arange(5)
    beliefs: dict[str, list[list[bool]]] = {}
    for name in ("independent", "lockstep", "fedavg"):
        facts = Facts((100,) * 5, (4,) * 5, 500, 20, 256)
        world, _ = build(scenario, name, 0, tiny.lineage(), facts)
        found = beliefs[name] = []
        for now_s in range(10, 300, 10):
            tiny.run(world.clock, float(now_s))
            found += [
                world.detector.suspects(node.index, clients).tolist()
                for node in world.clients
                if world.network.up.current[node.index]
            ]
    assert beliefs["independent"] == beliefs["lockstep"] == beliefs["fedavg"]
    assert any(map(any, beliefs["fedavg"])) == (detection != "none")


@pytest.mark.parametrize(
    "protocol", [name for name in ALL if name not in ("random_initiator", "local")]
)
def test_luck_of_a_pairs_messages_is_named_by_their_number_alone(
    protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By (purpose, source, target): which numbers were drawn, in their order.
    drawn: defaultdict[tuple[Any, ...], list[int]] = defaultdict(list)
    several, single = Streams.uniforms, Streams.uniform
    others = {"heartbeat_loss", "start_loss", "peers", "senders", "partner", "push_to", "ask_of"}

    def recorded(streams: Streams, purpose: str, *numbers: Any) -> Any:
        if len(numbers) == 3 and purpose not in others:
            parts = np.broadcast_arrays(*(np.atleast_1d(each) for each in numbers))
            for source, target, number in zip(*(part.tolist() for part in parts), strict=True):
                drawn[purpose, source, target].append(number)
        return several(streams, purpose, *numbers)

    def recorded_single(streams: Streams, purpose: str, *numbers: int) -> float:
        if len(numbers) == 3:
            drawn[(purpose, *numbers[:2])].append(numbers[2])
        return single(streams, purpose, *numbers)

    monkeypatch.setattr(Streams, "uniforms", recorded)
    monkeypatch.setattr(Streams, "uniform", recorded_single)
    ran(described(WORLD), protocol)
    for key, numbers in drawn.items():
        assert numbers == list(range(len(numbers))), key
    asked = {"ask", "ping_loss", "pong_loss"}
    mine = {"independent": asked, "lockstep": asked, "fedavg": {"report", "acknowledgement"}}
    found = {purpose for purpose, *_ in drawn}
    assert found == {"transfer_loss", *mine.get(protocol, found)}
