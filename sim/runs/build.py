"""From a scenario to one run's world: physics drawn from named streams, nodes, faults, protocol.

A room of its own because it needs no learner, only five numbers about it: a world can be built and
its control plane run without torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.compute import Lineage
from sim.faults import FAULTS
from sim.faults.partition import groups_of
from sim.faults.settings import ClientDropoutSettings, NetworkPartitionSettings
from sim.protocols import PROTOCOLS, RunningProtocol
from sim.record.rows import POOLED, SERVER
from sim.scenario import Scenario
from sim.scenario.sections import LatencyMatrix
from sim.world.clock import Clock
from sim.world.network import Floats, Network, Wiring
from sim.world.node import Machine, Node
from sim.world.random_streams import Streams
from sim.world.trace import Trace
from sim.world.world import World

POOLED_CLIENT = -1  # How `models` numbers "all clients' data".
BLOCK = 256  # Latencies are mirrored in squares of so many nodes.


@dataclass(frozen=True)
class Facts:
    """What the control plane must know of the learner.

    `samples`, `steps` [clients]: training samples, and optimiser steps in a local round;
    `pooled_*`: the same of all data together; `vector_length`: float32 numbers in a model.
    """

    samples: tuple[int, ...]
    steps: tuple[int, ...]
    pooled_samples: int
    pooled_steps: int
    vector_length: int


def build(
    scenario: Scenario, protocol: str, seed: int, graph: Lineage, facts: Facts
) -> tuple[World, RunningProtocol]:
    """The world of one run at time 0, with every behaviour and fault started."""
    settings = scenario.protocols[protocol]
    streams, clock, trace = Streams(seed), Clock(), Trace()
    names, machines = _population(scenario, settings.kind, streams, facts)
    network = Network(clock, trace, streams, _wiring(scenario, names, streams))
    nodes = [
        Node(index, name, clock, network, trace, streams, graph, machine)
        for index, (name, machine) in enumerate(zip(names, machines, strict=True))
    ]
    server = scenario.server
    world = World(
        clock,
        network,
        trace,
        streams,
        graph,
        clients=[node for node in nodes if node.name != SERVER],
        server=next((node for node in nodes if node.name == SERVER), None),
        model_bytes=4 * facts.vector_length,
        merge_s=scenario.clients.merge_time,
        aggregation_s=server.aggregation_time if server else 0.0,
        checkpoint_every=server.checkpoint_every if server else 1,
    )
    running = PROTOCOLS[settings.kind](settings, world)
    _install_faults(scenario, world)
    for node in nodes:
        node.start()
    return world, running


def _install_faults(scenario: Scenario, world: World) -> None:
    by_name = {node.name: node for node in world.nodes}
    for name, fault in scenario.faults.items():
        if isinstance(fault, ClientDropoutSettings):
            continue  # Drawn by the node at each attempt.
        if isinstance(fault, NetworkPartitionSettings):
            concerned: tuple[str, ...] = ()
        else:
            concerned = _concerned(scenario, fault)
        nodes = [by_name[each] for each in concerned if each in by_name]
        FAULTS[fault.kind](name, fault, nodes, world)


def _concerned(scenario: Scenario, fault: Any) -> tuple[str, ...]:
    return scenario.resolve((fault.node,) if fault.kind == "crash" else fault.nodes)


def _population(
    scenario: Scenario, kind: str, streams: Streams, facts: Facts
) -> tuple[tuple[str, ...], list[Machine]]:
    count = scenario.clients.count
    step_s = _step_times(scenario, streams)
    if kind == "pooled":
        # One virtual machine with the clients' computing power together, out of every fault's way.
        pooled = Machine(
            float(np.median(step_s)) / count,
            POOLED_CLIENT,
            facts.pooled_samples,
            facts.pooled_steps,
        )
        return (POOLED,), [pooled]
    dropouts = {
        name: (fault, dict.fromkeys(scenario.resolve(fault.nodes)))
        for name, fault in scenario.faults.items()
        if isinstance(fault, ClientDropoutSettings)
    }
    names = tuple(f"client_{i}" for i in range(count))
    machines = [
        Machine(
            float(step_s[i]),
            i,
            facts.samples[i],
            facts.steps[i],
            scenario.clients.round_jitter,
            tuple(
                (fault_name, fault.probability)
                for fault_name, (fault, concerned) in dropouts.items()
                if name in concerned
            ),
        )
        for i, name in enumerate(names)
    ]
    if kind != "fedavg":
        return names, machines
    return (*names, SERVER), [*machines, Machine(0.0, POOLED_CLIENT, 0, 0)]


def _step_times(scenario: Scenario, streams: Streams) -> Floats:
    step_time = scenario.clients.step_time
    if isinstance(step_time, tuple):
        return np.array(step_time, dtype=np.float64)
    count = scenario.clients.count
    return np.concatenate(
        [step_time.draw(streams.stream("step_time", f"client_{i}"), 1) for i in range(count)]
    )


def _wiring(scenario: Scenario, names: tuple[str, ...], streams: Streams) -> Wiring:
    network, server = scenario.network, scenario.server
    clients = scenario.clients.count
    if names == (POOLED,):
        return Wiring(names, np.zeros((1, 1)), np.ones(1), np.ones(1))
    uplink, downlink = (
        np.broadcast_to(np.asarray(link, dtype=np.float64), clients)
        for link in (network.uplink, network.downlink)
    )
    if names[-1] == SERVER:
        assert server is not None
        uplink = np.append(uplink, server.uplink)
        downlink = np.append(downlink, server.downlink)
    return Wiring(
        names,
        _latencies(scenario, len(names), streams),
        uplink,
        downlink,
        network.sharing,
        network.message_loss,
        tuple(
            (fault.at, fault.at + fault.heals_after, groups_of(fault, names))
            for fault in scenario.faults.values()
            if isinstance(fault, NetworkPartitionSettings)
        ),
        symmetric=not isinstance(network.latency, LatencyMatrix),
    )


def _latencies(scenario: Scenario, count: int, streams: Streams) -> Floats:
    """One way [count, count], symmetric; a pair's draw is the later node's, so it never moves."""
    latency, clients = scenario.network.latency, scenario.clients.count
    if isinstance(latency, LatencyMatrix):
        return latency.seconds()[:count, :count]
    seconds = np.zeros((count, count))
    for later in range(1, clients):
        seconds[later, :later] = latency.draw(streams.stream("latency", f"client_{later}"), later)
    if count > clients:
        seconds[clients, :clients] = latency.draw(streams.stream("latency", SERVER), clients)
    _mirror(seconds)
    return seconds


def _mirror(seconds: Floats) -> None:
    """Copy the lower triangle to the upper one, by blocks that fit into the processor's cache."""
    for start in range(0, len(seconds), BLOCK):
        rows = seconds[start : start + BLOCK, : start + BLOCK]
        square = rows[:, start:]
        square += np.triu(square.T, 1)
        seconds[:start, start : start + BLOCK] = rows[:, :start].T
