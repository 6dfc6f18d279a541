"""What holds in every world: random scenarios with all faults, protocols, schedules, sharings."""

import math
from collections import defaultdict
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from sim.compute import ModelRef
from sim.protocols import Running
from sim.runs.build import Facts, build
from sim.scenario import Scenario
from sim.world.network import Transfer
from sim.world.node import Node
from sim.world.world import World
from tests.sim import tiny
from tests.sim.runs.ignorance import guarded

# Far above what any of these worlds needs: who steps on is caught in a loop without time.
MOST_EVENTS = 200_000
# Faults strike nodes that are down already, too.
STRIKES = ("crash", "recover", "storage_lost", "slowdown")


def quantity(value: float, unit: str = "s") -> str:
    return f"{value} {unit}"


# Few values on a common grid, so that much happens at the same instant.
times = st.sampled_from([0.0, 0.25, 1.0, 2.5, 5.0, 7.75, 13.0, 20.0, 39.5, 40.0])
spans = st.sampled_from([10.0, 0.25, 1.0, 3.0, 5.5, 30.0])
caps = st.none() | st.sampled_from([3.0, 0.5, 30.0]).map(quantity)
detections = st.sampled_from(
    [
        {"kind": "heartbeat", "interval": "1 s", "timeout": "3 s"},
        {"kind": "heartbeat"},
        {"kind": "perfect"},
        {"kind": "none"},
    ]
)
bandwidths = st.sampled_from([8192, 1024, 2048, 4096, 512, 1_000_000])


@st.composite
def faults(draw: st.DrawFn, nodes: list[str]) -> dict[str, Any]:
    """One fault of any kind."""
    node = st.sampled_from(nodes)
    some = st.lists(node, min_size=1, max_size=len(nodes) - 1, unique=True)
    kind = draw(st.sampled_from(["crash", "churn", "client_dropout", "slowdown", "partition"]))
    if kind == "crash":
        back = draw(st.none() | spans.map(quantity))
        return {
            "kind": kind,
            "node": draw(node),
            "at": quantity(draw(times)),
            "recovers_after": back,
            "loses_storage": draw(st.booleans()),
        }
    if kind == "churn":
        return {
            "kind": kind,
            "nodes": draw(st.sampled_from(["all", "clients", "server"]) | some),
            "mean_time_to_failure": quantity(draw(spans)),
            "mean_time_to_repair": quantity(draw(spans)),
            "loses_storage": draw(st.booleans()),
        }
    if kind == "client_dropout":
        return {"kind": kind, "probability": draw(st.sampled_from([0.3, 0.05, 0.9, 1.0]))}
    if kind == "slowdown":
        return {
            "kind": kind,
            "nodes": draw(some),
            "factor": draw(st.sampled_from([1.0, 2.0, 50.0])),
            "at": quantity(draw(times)),
            "lasts": quantity(draw(spans)),
        }
    return {
        "kind": kind,
        "groups": [draw(some)],
        "at": quantity(draw(times)),
        "heals_after": quantity(draw(spans)),
    }


def braintorrents() -> st.SearchStrategy[dict[str, Any]]:
    number = st.just("all") | st.integers(1, 4)
    return st.fixed_dictionaries(
        {
            "kind": st.just("braintorrent"),
            "schedule": st.sampled_from(["independent", "random_initiator", "lockstep"]),
            "peers": number,
            "max_senders": number,
            "ping_timeout": st.none() | st.sampled_from([0.5, 0.25, 2.0]).map(quantity),
            "transfer_timeout": caps,
        }
    )


def fedavgs() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "kind": st.just("fedavg"),
            "deadline": spans.map(quantity),
            "close_at": st.sampled_from([1.0, 0.8, 0.5]),
            "minimum_fraction": st.sampled_from([0.1, 0.5]),
            "participation": st.sampled_from([0.2, 0.7, 1.0]),
            "late_updates": st.sampled_from(["discard", "next_round"]),
            "transfer_timeout": caps,
            "retry_initial": st.just("0.5 s"),
            "retry_cap": st.just("4 s"),
        }
    )


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Scenario, Facts, int]:
    """A scenario of up to 12 nodes with one protocol, the learner's facts, and a seed."""
    clients = draw(st.sampled_from([4, 3, 5, 7, 9, 11, 2, 1]))
    names = [*(f"client_{i}" for i in range(clients)), "server"]
    each = st.lists(
        bandwidths.map(lambda b: quantity(b, "B/s")), min_size=clients, max_size=clients
    )
    alone = st.sampled_from([{"kind": "local"}, {"kind": "pooled"}])
    protocol = draw(alone if draw(st.integers(0, 9)) == 9 else braintorrents() | fedavgs())
    scenario = Scenario.model_validate(
        {
            "name": "any",
            "duration": quantity(draw(st.sampled_from([40.0, 60.0, 5.0]))),
            "seeds": [0],
            "task": {"name": "digits", "partition": {"kind": "iid"}},
            "model": {"name": "mlp"},
            "training": {"learning_rate": 0.1, "batch_size": 32, "local_epochs": 1},
            "clients": {
                "count": clients,
                "step_time": draw(st.sampled_from(["250 ms", "1 s"]))
                if draw(st.booleans())
                else {"distribution": "lognormal", "median": "0.5 s", "sigma": 0.5},
                "round_jitter": draw(st.sampled_from([0.0, 0.5])),
                "merge_time": quantity(draw(st.sampled_from([0.0, 0.25]))),
            },
            "network": {
                "latency": draw(st.sampled_from(["0 s", "125 ms", "250 ms"]))
                if draw(st.booleans())
                else {"distribution": "uniform", "low": "10 ms", "high": "400 ms"},
                "uplink": draw(each),
                "downlink": draw(each),
                "sharing": draw(st.sampled_from(["max_min", "equal", "none"])),
                "packet_loss": draw(st.sampled_from([0.0, 0.02, 0.1, 0.5, 0.99])),
                "transfer_loss": draw(st.sampled_from([0.0, 0.0, 0.3])),
                "stall_timeout": draw(st.sampled_from(["30 s", "2 s"])),
            },
            "failure_detection": draw(detections),
            "server": {
                "uplink": "4 kB/s",
                "downlink": "4 kB/s",
                "aggregation_time": quantity(draw(st.sampled_from([0.0, 0.5]))),
                "checkpoint_every": draw(st.integers(1, 3)),
            },
            "evaluation": {"every": "10 s"},
            "protocols": {"it": protocol},
            "faults": {
                f"fault_{i}": fault
                for i, fault in enumerate(draw(st.lists(faults(names), max_size=4)))
            },
        }
    )
    samples = tuple(draw(st.lists(st.integers(1, 50), min_size=clients, max_size=clients)))
    steps = tuple(draw(st.lists(st.integers(1, 6), min_size=clients, max_size=clients)))
    facts = Facts(samples, steps, sum(samples), sum(steps), tiny.MODEL_BYTES // 4)
    return scenario, facts, draw(st.integers(0, 2**16))


class Witness:
    """Looks over a world's shoulder: every message, every arrival, every merge, every event."""

    def __init__(self, world: World, running: Running) -> None:
        self.world = world
        self.running = running
        self.merges = 0
        self._arrivals: defaultdict[str, list[tuple[int, ModelRef]]] = defaultdict(list)
        self._seen_rows = 0
        self._versions = [(node.storage.incarnation, node.storage.rounds) for node in world.nodes]
        self._send, self._ping = world.network.send, world.network.ping
        self._average, self._weigh = world.averaged, world.lineage.averaged
        self._step = world.clock.step
        for owner, name, method in (
            (world.network, "send", self.send),
            (world.network, "ping", self.ping),
            (world, "averaged", self.averaged),
            (world.lineage, "averaged", self.weighed),
            (world.clock, "step", self.step),
        ):
            setattr(owner, name, method)

    def send(
        self,
        source: int,
        target: int,
        size_bytes: int = 0,
        payload: Any = None,
        *,
        delivered: Callable[[Transfer], object] | None = None,
        purpose: str = "message",
        **how: Any,
    ) -> Transfer:
        nodes, suspects = self.world.nodes, self.world.detector.suspects
        assert nodes[source].up, "a node that is down sends"
        if purpose in ("order", "update"):
            assert not suspects(source, np.array([target]))[0], "sends to whom it suspects"

        def arrived(transfer: Transfer) -> None:
            assert nodes[target].up, "a node that is down receives"
            self._arrivals[nodes[target].name] += [
                (source, model) for model in models_in(transfer.payload)
            ]
            if delivered is not None:
                delivered(transfer)

        how |= {"purpose": purpose, "delivered": arrived}
        return self._send(source, target, size_bytes, payload, **how)

    def ping(self, source: int, peers: Any, *arguments: Any) -> Any:
        assert self.world.nodes[source].up, "a node that is down pings"
        assert not self.world.detector.suspects(source, peers).any(), "pings whom it suspects"
        return self._ping(source, peers, *arguments)

    def averaged(self, models: dict[int, ModelRef]) -> ModelRef:
        """Only what came since the node last crashed, and its own, may be in a merge."""
        self.merges += 1
        merging = self._merging()
        assert merging.up, "a node that is down merges"
        for peer, model in models.items():
            if peer == merging.index:
                assert model is merging.storage.newest
            else:
                assert (peer, model) in self._arrivals[merging.name], "merges what never arrived"
        return self._average(models)

    def _merging(self) -> Node:
        if self.world.server is not None:
            return self.world.server
        row = self.world.trace.rows[-1]
        assert row.kind == "merge"
        return next(node for node in self.world.nodes if node.name == row.node)

    def weighed(self, models: tuple[ModelRef, ...], weights: tuple[float, ...]) -> ModelRef:
        assert len(models) == len(weights)
        assert min(weights) > 0
        assert math.isclose(sum(weights), 1.0, rel_tol=1e-12)
        return self._weigh(models, weights)

    def step(self) -> None:
        self._step()
        assert self.world.clock.events < MOST_EVENTS, "time stands still"
        rows = self.world.trace.rows[self._seen_rows :]
        if rows:  # Storage changes with a row of the trace only.
            self._seen_rows += len(rows)
            for row in rows:
                if row.kind == "crash":
                    self._arrivals[row.node].clear()
            self._compare_versions({row.node for row in rows if row.kind == "storage_lost"})

    def _compare_versions(self, lost: set[str]) -> None:
        for position, node in enumerate(self.world.nodes):
            before = self._versions[position]
            now = node.storage.incarnation, node.storage.rounds
            assert now >= before, "a version went back"
            assert now[0] == before[0] or node.name in lost, "storage lost in silence"
            self._versions[position] = now


def models_in(payload: Any) -> list[ModelRef]:
    """The models of a message: weights with their version, or a report of an update."""
    parts = payload if isinstance(payload, tuple) else (getattr(payload, "update", None),)
    return [part for part in parts if isinstance(part, ModelRef)]


def check_silence(world: World) -> None:
    """Between a crash and the recovery nothing of the node begins, and nothing of it goes on."""
    down_since: dict[str, float] = {}
    downs: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in world.trace.rows:
        if row.kind == "crash":
            assert row.node not in down_since
            down_since[row.node] = row.time_s
        elif row.kind == "recover":
            downs[row.node].append((down_since.pop(row.node), row.time_s))
    for name, since_s in down_since.items():
        downs[name].append((since_s, math.inf))
    for row in world.trace.rows:
        if row.kind in STRIKES:
            continue
        for crash_s, recover_s in downs[row.node]:
            assert not crash_s < row.time_s < recover_s, row
            # A control message that has been sent is on its way, whatever becomes of its sender.
            if row.kind != "message_lost" and row.time_s < crash_s:
                assert row.time_s + row.duration_s <= crash_s + 1e-9, row


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,  # The same worlds at every call: a red test is the change's fault.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(worlds())
def test_every_world_keeps_its_promises(described: tuple[Scenario, Facts, int]) -> None:
    scenario, facts, seed = described
    world, running = build(scenario, "it", seed, tiny.lineage(), facts)
    witness = Witness(world, running)

    with guarded(world):
        tiny.run(world.clock, scenario.duration)

    assert world.clock.now == scenario.duration
    network = world.network
    in_flight, tally = network.end(), network.tally
    assert in_flight >= 0
    assert tally.sent == tally.delivered + sum(tally.lost.values()) + in_flight
    check_silence(world)
    assert min(running.staleness()) >= 0
    crashed = "crash" in world.trace.counts
    event(f"{scenario.protocols['it'].kind}, merges: {witness.merges > 0}, crashes: {crashed}")


@pytest.mark.parametrize(
    "look",
    [
        lambda world: world.clients[1].up,
        lambda world: world.network.up.current[1],
        lambda world: world.network.starts,
        lambda world: world.network.started_s[1],
    ],
)
def test_protocol_that_reads_what_it_cannot_know_is_caught(look: FunctionType) -> None:
    described = tiny.scenario([[0.0, 1.0], [1.0, 0.0]], [1.0, 1.0], {"local": {}})
    world, running = tiny.world(described, samples=[1, 1], steps=[1, 1])
    fault, protocol = (
        FunctionType(look.__code__, {"__name__": name})
        for name in ("sim.faults.any", "sim.protocols.nosy")
    )
    with guarded(world):
        fault(world)
        assert all(seen.up for seen in running.seen())
        with pytest.raises(AssertionError, match="reads"):
            protocol(world)
