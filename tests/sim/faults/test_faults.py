"""Faults: their order at ties, their long-run shares, and that they are the same for everybody."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from sim.faults import FAULTS
from sim.world.world import World
from tests.sim import tiny

CLIENTS = 3
SERVER = {"uplink": "2048 B/s", "downlink": "2048 B/s", "aggregation_time": "0.5 s"}


def suffering(
    faults: dict[str, Any], protocol: str = "local", clients: int = CLIENTS, **more: Any
) -> World:
    latency = [[0.0 if i == j else 0.25 for j in range(clients + 1)] for i in range(clients + 1)]
    settings = {"deadline": "30 s"} if protocol == "fedavg" else {}
    described = tiny.scenario(
        latency, [1.0] * clients, {protocol: settings}, server=SERVER, faults=faults, **more
    )
    made, _ = tiny.world(described, samples=[100] * clients, steps=[4] * clients)
    return made


def outages(world: World) -> dict[str, list[tuple[str, float]]]:
    """The crashes and recoveries of each node."""
    found: dict[str, list[tuple[str, float]]] = {}
    for time_s, _, node, kind, _, _ in tiny.events(world.trace, "crash", "recover"):
        found.setdefault(node, []).append((kind, time_s))
    return found


def test_completion_wins_the_tie_with_a_crash() -> None:
    # Round 0 ends at 4, the very instant of the crash: the model is stored.
    world = suffering({"blow": {"kind": "crash", "node": "client_0", "at": "4 s"}})
    tiny.run(world.clock, 10.0)
    assert [event[:4] for event in tiny.events(world.trace) if event[2] == "client_0"] == [
        (0.0, 4.0, "client_0", "train"),
        (4.0, 0.0, "client_0", "crash"),
        (4.0, 0.0, "client_0", "train_lost"),
    ]
    assert world.clients[0].storage.rounds == 1


def test_delivery_wins_the_tie_with_a_crash() -> None:
    # FedAvg's model of 1024 B is at every client at 0.25 + 1024 / (2048/3) = 1.75.
    world = suffering({"blow": {"kind": "crash", "node": "server", "at": "1.75 s"}}, "fedavg")
    tiny.run(world.clock, 1.75)
    kinds = [event[3] for event in tiny.events(world.trace)]
    assert kinds == ["transfer"] * CLIENTS + ["crash"]


def test_several_nodes_crash_and_recover_at_one_instant() -> None:
    # A common cause takes both: their second rounds are lost at 6, and begin anew at 9.
    nodes = ["client_0", "client_2"]
    fault = {"kind": "crash", "nodes": nodes, "at": "6 s", "recovers_after": "3 s"}
    world = suffering({"power": fault})
    tiny.run(world.clock, 10.0)
    assert [(time_s + lasts_s, *of) for time_s, lasts_s, *of in tiny.events(world.trace)] == [
        (4.0, "client_0", "train", "", "round=0 attempt=0"),
        (4.0, "client_1", "train", "", "round=0 attempt=0"),
        (4.0, "client_2", "train", "", "round=0 attempt=0"),
        (6.0, "client_0", "crash", "", "power"),
        (6.0, "client_2", "crash", "", "power"),
        (6.0, "client_0", "train_lost", "", "round=1 attempt=1 cause=power"),
        (6.0, "client_2", "train_lost", "", "round=1 attempt=1 cause=power"),
        (8.0, "client_1", "train", "", "round=1 attempt=1"),
        (9.0, "client_0", "recover", "", "power"),
        (9.0, "client_2", "recover", "", "power"),
    ]


def test_of_a_crash_of_several_the_server_is_one() -> None:
    fault = {"kind": "crash", "nodes": "all", "at": "1.75 s"}
    world = suffering({"blow": fault}, "fedavg")
    tiny.run(world.clock, 9.0)
    assert outages(world) == {node.name: [("crash", 1.75)] for node in world.nodes}


def test_slowdown_for_a_while() -> None:
    # 2 s of work until 2, 1 more by 4, the last 1 by 5; client 1 is not concerned.
    fault = {"kind": "slowdown", "nodes": ["client_0"], "factor": 2.0, "at": "2 s", "lasts": "2 s"}
    world = suffering({"drag": fault})
    tiny.run(world.clock, 5.0)
    trains = {e[2]: e[:2] for e in tiny.events(world.trace, "train")}
    assert trains == {"client_0": (0.0, 5.0), "client_1": (0.0, 4.0), "client_2": (0.0, 4.0)}
    assert tiny.events(world.trace, "slowdown") == [
        (2.0, 0.0, "client_0", "slowdown", "", "cause=drag factor=2.0"),
        (4.0, 0.0, "client_0", "slowdown", "", "cause=drag factor=1.0"),
    ]


def test_partition_is_told_in_the_trace_and_heals() -> None:
    fault = {"kind": "partition", "groups": [["client_0"]], "at": "2 s", "heals_after": "3 s"}
    world = suffering({"cut": fault}, "braintorrent")
    tiny.run(world.clock, 60.0)
    assert tiny.events(world.trace, "partition", "heal") == [
        (2.0, 0.0, "", "partition", "", "cut"),
        (5.0, 0.0, "", "heal", "", "cut"),
    ]
    between = [
        event
        for event in tiny.events(world.trace, "transfer")
        if "client_0" in (event[2], event[4]) and event[0] < 5.0
    ]
    assert between == []
    assert any("client_0" in (e[2], e[4]) for e in tiny.events(world.trace, "transfer"))


def test_crash_of_a_server_that_is_not_there() -> None:
    world = suffering({"blow": {"kind": "crash", "node": "server", "at": "4 s"}})
    tiny.run(world.clock, 10.0)
    assert outages(world) == {}


def churn(mttf_s: float, mttr_s: float, nodes: Any = "clients") -> dict[str, Any]:
    return {
        "churn": {
            "kind": "churn",
            "nodes": nodes,
            "mean_time_to_failure": f"{mttf_s} s",
            "mean_time_to_repair": f"{mttr_s} s",
        }
    }


@pytest.mark.slow
def test_long_run_availability_under_churn() -> None:
    # A node that fails at rate a = 1/MTTF and is repaired at rate b = 1/MTTR is up for the share
    # b/(a+b) = MTTF/(MTTF+MTTR) of a long time T. The share's variance over T is, for exponential
    # times, 2ab/((a+b)^3 T), and starting up adds a/((a+b)^2 T) to its mean.
    mttf_s, mttr_s, until_s, clients = 100.0, 25.0, 50_000.0, 16
    world = suffering(churn(mttf_s, mttr_s), clients=clients)
    tiny.run(world.clock, until_s)
    shares = []
    for node in world.clients:
        up_s, since = 0.0, 0.0
        for kind, time_s in outages(world)[node.name]:
            up_s += time_s - since if kind == "crash" else 0.0
            since = time_s
        shares.append((up_s + (until_s - since) * node.up) / until_s)
    a, b = 1 / mttf_s, 1 / mttr_s
    expected = b / (a + b) + a / ((a + b) ** 2 * until_s)
    deviation = np.sqrt(2 * a * b / ((a + b) ** 3 * until_s) / clients)
    assert abs(np.mean(shares) - expected) < 2.58 * deviation  # 99 %
    # A wrong mean time by a tenth would be seen.
    assert abs(1.1 * mttf_s / (1.1 * mttf_s + mttr_s) - expected) > 4 * deviation


@pytest.mark.parametrize("protocol", ["braintorrent", "fedavg"])
def test_every_protocol_meets_the_same_outages(protocol: str) -> None:
    faults = churn(30.0, 10.0, "all")
    alone, other = suffering(faults), suffering(faults, protocol)
    for world in (alone, other):
        tiny.run(world.clock, 500.0)
    expected, met = outages(alone), outages(other)
    assert len(expected) == CLIENTS
    assert {name: met[name] for name in expected} == expected
    assert ("server" in met) == (protocol == "fedavg")


def test_shorter_time_to_failure_brings_each_failure_no_later() -> None:
    worlds = [suffering(churn(mttf_s, 10.0)) for mttf_s in (60.0, 30.0, 15.0)]
    for world in worlds:
        tiny.run(world.clock, 1000.0)
    for node in range(CLIENTS):
        crashes = [
            [time for kind, time in outages(world)[f"client_{node}"] if kind == "crash"]
            for world in worlds
        ]
        for rare, often in itertools.pairwise(crashes):
            assert len(often) >= len(rare) > 0
            assert all(early <= late for early, late in zip(often, rare, strict=False))


def test_adding_a_client_leaves_the_others_outages_alone() -> None:
    few, more = suffering(churn(30.0, 10.0)), suffering(churn(30.0, 10.0), clients=CLIENTS + 1)
    for world in (few, more):
        tiny.run(world.clock, 500.0)
    met = outages(more)
    assert {name: met[name] for name in outages(few)} == outages(few)
    assert len(met) == CLIENTS + 1


def test_a_node_s_luck_is_its_own_whatever_its_faults_are_called() -> None:
    one = churn(30.0, 10.0)["churn"]
    renamed = suffering({"other": one})
    apart = suffering(
        {"few": {**one, "nodes": ["client_0"]}, "all": {**one, "nodes": ["client_1"]}}
    )
    seeded = suffering({"churn": {**one, "seed": 1}})
    twice = suffering({"first": one, "second": {**one, "nodes": ["client_0"]}})
    usual = suffering({"churn": one})
    for world in (renamed, apart, seeded, twice, usual):
        tiny.run(world.clock, 500.0)
    met = outages(usual)
    assert outages(renamed) == met
    assert outages(apart) == {name: met[name] for name in ("client_0", "client_1")}
    assert outages(seeded).keys() == met.keys() and outages(seeded) != met
    # A second fault of the kind draws something else, and leaves other nodes alone.
    both = outages(twice)
    assert len(both["client_0"]) > len(met["client_0"])
    assert {**both, "client_0": met["client_0"]} == met


def test_zero_failure_rate_never_fails() -> None:
    fault = {"kind": "churn", "nodes": "all", "failure_rate": "0 / h", "mean_time_to_repair": "1 s"}
    world = suffering({"churn": fault}, "fedavg")
    tiny.run(world.clock, 500.0)
    assert outages(world) == {}


def test_the_failures_of_churn_are_foreseen() -> None:
    # Each of four nodes is up 1 s and down 3 s at a time: 250 failures and repairs in 1,000 s.
    wear = {"kind": "churn", "nodes": "all", "mean_time_to_repair": "3 s"}
    nodes = ("client_0", "client_1", "client_2", "server")
    churn = FAULTS["churn"].model_validate(wear | {"failure_rate": "1 / s"})
    assert churn.events(1000.0, nodes) == 4 * 2 * 250
    assert FAULTS["churn"].model_validate(wear | {"failure_rate": "0 / s"}).events(9.0, nodes) == 0
    world = suffering({"wear": wear | {"failure_rate": "1 / s"}}, "fedavg")
    tiny.run(world.clock, 1000.0)
    found = sum(map(len, outages(world).values()))
    assert found == pytest.approx(4 * 2 * 250, rel=0.1)


def test_a_fault_knows_whom_it_can_strike_and_when() -> None:
    clients = ("client_0", "client_1")
    cut = {"kind": "partition", "at": "2 s", "heals_after": "3 s"}
    apart = FAULTS["partition"].model_validate(cut | {"groups": [["server"]]})
    assert (apart.window_s, apart.strikes(clients), apart.strikes((*clients, "server"))) == (
        (2.0, 5.0),
        (),
        (*clients, "server"),
    )
    blow = FAULTS["crash"].model_validate({"kind": "crash", "node": "server", "at": "4 s"})
    assert (blow.window_s, blow.strikes(clients)) == ((4.0, math.inf), [])
    drag = {"kind": "slowdown", "nodes": ["client_1"], "factor": 2.0, "at": "1 s", "lasts": "2 s"}
    slow = FAULTS["slowdown"].model_validate(drag)
    assert (slow.window_s, slow.strikes(clients)) == ((1.0, 3.0), ["client_1"])
    luck = {"kind": "client_dropout", "probability": 0.5}
    assert FAULTS["client_dropout"].model_validate(luck).strikes((*clients, "pooled")) == [*clients]
