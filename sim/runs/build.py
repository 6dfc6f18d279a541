"""From a scenario to one run's world: physics drawn from named streams, nodes, faults, protocol.

It needs no learner, only a few facts about it: a world can be played without torch.
"""

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from models.training import ALL_CLIENTS
from sim.compute import Lineage
from sim.protocols import MOST_PAIRED, Fastest, Protocol, Running
from sim.record.code import mistake_in, whose_fault
from sim.record.errors import Mistakes, Path, Refusal, ScenarioError
from sim.record.metrics import LabelShares
from sim.record.rows import POOLED, is_server
from sim.record.settings import SHORTEST_S
from sim.runs.suspicions import remembered
from sim.scenario import Scenario
from sim.world import (
    MOST_AT_ONCE,
    Behaviour,
    Clock,
    Latencies,
    Machine,
    Network,
    Node,
    Streams,
    Trace,
    Wiring,
    World,
    old_objects_left_alone,
)

Floats = npt.NDArray[np.float64]

MOST_PAIRS_AT_ONCE = 5_000_000
"""Messages of one instant between so many pairs take minutes: what takes longer never ends."""
LUCKY = 4.0
"""Standard deviations: of 30,000 local rounds' times one is so much shorter than the median."""


@dataclass(frozen=True)
class Facts:
    """What the control plane must know of the learner.

    `samples`, `steps` [clients]: training samples, and optimiser steps in a local round;
    `pooled_*`: the same of all data together; `vector_length`: float32 numbers in a model.
    `label_shares` [clients][classes]: of a client's samples the share of each class; None if the
    task has no classes. `notes`: what is doubtful about the data, a line each. `site_names`
    [clients]: what the user's files call the site that each client is, if they do.
    """

    samples: tuple[int, ...]
    steps: tuple[int, ...]
    pooled_samples: int
    pooled_steps: int
    vector_length: int
    label_shares: LabelShares | None = None
    notes: tuple[str, ...] = ()
    site_names: tuple[str, ...] = ()

    @property
    def steps_by_client(self) -> dict[int, int]:
        """Optimiser steps in a local round of each client, and of all data together."""
        return dict(enumerate(self.steps)) | {ALL_CLIENTS: self.pooled_steps}


@old_objects_left_alone()
def build(
    scenario: Scenario, protocol: str, seed: int, lineage: Lineage, facts: Facts
) -> tuple[World, Running]:
    """The world of one run at time 0, with every behaviour and fault started."""
    settings = scenario.protocols[protocol]
    streams, trace = Streams(seed), Trace(protocol, seed, scenario.output.trace)
    # All may send to all at one instant, several times, as long as anybody could wait for that.
    clock = Clock(MOST_AT_ONCE + 20 * min(len(scenario.client_names) ** 2, MOST_PAIRS_AT_ONCE))
    every_machine = _machines(scenario, streams, facts)
    machines = {name: every_machine[name] for name in settings.runs_on(scenario.client_names)}
    wiring = _wiring(scenario, machines, streams)
    network = Network(clock, trace, streams, wiring, scenario.failure_detection)
    nodes = [
        Node(index, network, lineage, machine) for index, machine in enumerate(machines.values())
    ]
    clients = [node for node in nodes if not is_server(node.name)]
    scored = scenario.scored(seed)
    server, training = scenario.server, scenario.training_of(protocol)
    world = World(
        clock,
        network,
        trace,
        streams,
        lineage,
        clients=clients,
        servers=[node for node in nodes if is_server(node.name)],
        topology=scenario.topology.build(scenario.clients.count, streams),
        duration_s=scenario.duration,
        model_bytes=4 * facts.vector_length,
        merge_s=scenario.clients.merge_time,
        aggregation_s=server.aggregation_time if server else 0.0,
        checkpoint_every=server.checkpoint_every if server else 1,
        learning_rate=training.learning_rate if training else 1.0,
        label_shares=facts.label_shares,
        scored=[node for node in clients if node.name in scored],
    )
    running = _running(settings, world)
    # Who joins later is absent before any other fault could find it down.
    faults = sorted(scenario.acting_faults.items(), key=lambda one: not one[1].starts_first)
    for name, fault in faults:
        fault.start(name, world)
    for node in nodes:
        node.behave = partial(_behaviour, running, node)
        if scenario.evaluation.suspicions:
            node.behave = remembered(world, node, node.behave)
        node.start()
    return world, running


def _running(settings: Protocol, world: World) -> Running:
    running: object = settings.run(world)
    if not isinstance(running, Running):
        raise mistake_in(type(settings).run, f"gives {running!r}", "a Running")
    return running


def _behaviour(running: Running, node: Node) -> Behaviour:
    behaviour: object = running.behaviour(node)
    if not isinstance(behaviour, Generator):
        what = f"gives {behaviour!r}, which can't be played"
        raise mistake_in(type(running).behaviour, what, "a generator, which yields events")
    return behaviour


def check_topologies(scenario: Scenario) -> None:
    """Raise ScenarioError for a topology that under some seed doesn't join all clients."""
    for seed in scenario.seeds:
        mistakes = Mistakes()
        for path, topology in scenario.topologies.items():
            with mistakes.collected(), _blamed_on(scenario, seed, path):
                topology.build(scenario.clients.count, Streams(seed))
        mistakes.tell()


@contextmanager
def _blamed_on(scenario: Scenario, seed: int, path: Path) -> Iterator[None]:
    """Let a Refusal of the block be the scenario's mistake at `path`, under that seed."""
    try:
        yield
    except Refusal as refusal:
        what = f"{refusal.what} (seed {seed})"
        raise scenario.mistake((*path, *refusal.path), what, refusal.allowed) from None


def check_faults(scenario: Scenario, facts: Facts) -> None:
    """Raise Refusal for a fault that makes no sense with the clients' data."""
    for name, fault in scenario.faults.items():
        try:
            fault.check_data(facts.label_shares)
        except Refusal as refusal:
            raise refusal.below("faults", name) from None


def check_fault_files(scenario: Scenario) -> None:
    """Raise ScenarioError for a file that a fault reads, and that can't be used."""
    for name, fault in scenario.acting_faults.items():
        with mistakes_placed(scenario, scenario.seeds[0], "faults", name):
            fault.check_files(scenario.node_names)


@contextmanager
def mistakes_placed(scenario: Scenario, seed: int, *part: str) -> Iterator[None]:
    """Let a mistake that shows only when files are read say where it, or its part, was written."""
    try:
        yield
    except Refusal as refusal:
        mistake = refusal.below(*part)
        when = f" (seed {seed})" if mistake.path == ("task", "partition") else ""
        raise scenario.mistake(mistake.path, f"{mistake.what}{when}", mistake.allowed) from None
    except Exception as error:
        if (cause := whose_fault(error)) is None:
            raise
        raise ScenarioError(cause) from None


def check_timeouts(
    scenario: Scenario, facts: Callable[[Scenario, str, int], Facts] | None = None
) -> None:
    """Raise ScenarioError for a time-out that under some seed nothing can meet.

    `facts` of a protocol and a seed: without them only latencies count.
    """
    for seed in scenario.seeds:
        _check_timeouts(scenario, seed, facts or _no_facts)


def _no_facts(scenario: Scenario, protocol: str, seed: int) -> Facts:
    nothing = (0,) * scenario.clients.count
    return Facts(nothing, nothing, 0, 0, 0)


def _check_timeouts(
    scenario: Scenario, seed: int, facts: Callable[[Scenario, str, int], Facts]
) -> None:
    latencies = _latencies(scenario, scenario.node_names, Streams(seed))
    slowest_s, round_trip_s = _slowest(latencies, scenario)
    checks: list[tuple[Path, Callable[[], None]]] = [
        (("failure_detection",), partial(scenario.failure_detection.check, slowest_s)),
        (("network",), partial(scenario.network.check, round_trip_s)),
    ]
    for name, protocol in scenario.protocols.items():
        fastest = _fastest(scenario, name, seed, latencies, facts(scenario, name, seed))
        checks.append((("protocols", name), partial(protocol.check_times, fastest)))
    mistakes = Mistakes()
    for path, check in checks:
        with mistakes.collected(), _blamed_on(scenario, seed, path):
            check()
    mistakes.tell()


def _slowest(latencies: Latencies, scenario: Scenario) -> tuple[float, float]:
    """The longest way between two nodes, and the longest round trip, in seconds.

    Of the servers and `MOST_PAIRED` clients, where there are more: so no time-out is refused that
    all can meet.
    """
    clients = min(scenario.clients.count, MOST_PAIRED)
    servers = np.arange(scenario.clients.count, len(scenario.node_names))
    nodes = np.concatenate([np.arange(clients), servers])
    there_s, trip_s = 0.0, 0.0
    for node in nodes.tolist():
        away_s, back_s = latencies.there_and_back(node, nodes)
        there_s = max(there_s, float(away_s.max()))
        trip_s = max(trip_s, float((away_s + back_s).max()))
    return there_s, trip_s


def _fastest(
    scenario: Scenario, protocol: str, seed: int, latencies: Latencies, facts: Facts
) -> Fastest:
    """`latencies`: of all of the scenario's nodes."""
    machines = _machines(scenario, Streams(seed), facts)
    clients = [machines[name] for name in scenario.client_names]
    # Of its servers the first: which of them leads is not known beforehand.
    nodes = [*clients, *(machines[name] for name in scenario.protocols[protocol].servers[:1])]
    return Fastest(
        latencies,
        np.array([machine.uplink for machine in nodes]),
        np.array([machine.downlink for machine in nodes]),
        4 * facts.vector_length,
        np.array([each.steps * each.step_s * math.exp(-LUCKY * each.jitter) for each in clients]),
        scenario.network.transport,
    )


def local_rounds(scenario: Scenario, seed: int, facts: Facts) -> float:
    """About how many local rounds the busiest protocol can finish if nothing holds it up."""
    machines = _machines(scenario, Streams(seed), facts)
    # A draw may be zero.
    round_s = {name: max(SHORTEST_S, each.steps * each.step_s) for name, each in machines.items()}
    return max(
        sum(scenario.duration / round_s[name] for name in names if not is_server(name))
        for names in (one.runs_on(scenario.client_names) for one in scenario.protocols.values())
    )


def _machines(scenario: Scenario, streams: Streams, facts: Facts) -> dict[str, Machine]:
    """Whatever a protocol may run on, by name."""
    clients, network, server = scenario.clients, scenario.network, scenario.server
    step_s = clients.step_times(streams.stream)
    jitter = clients.each("round_jitter", clients.round_jitter)
    where = network.standing(clients, scenario.node_names, streams)
    uplink = network.bandwidths("uplink", clients, where)
    downlink = network.bandwidths("downlink", clients, where)
    local_time_s = network.local_times(clients, where)
    rooms = clients.rooms(4 * facts.vector_length)
    machines = {
        name: Machine(
            float(step_s[i]),
            i,
            facts.samples[i],
            facts.steps[i],
            float(jitter[i]),
            float(uplink[i]),
            float(downlink[i]),
            float(local_time_s[i]),
            rooms[i],
        )
        for i, name in enumerate(scenario.client_names)
    }
    # One virtual machine with the clients' computing power together.
    together_s = float(np.median(step_s)) / clients.count
    machines[POOLED] = Machine(together_s, ALL_CLIENTS, facts.pooled_samples, facts.pooled_steps)
    if server is not None:
        machines |= {
            name: Machine(
                0.0,
                ALL_CLIENTS,
                0,
                0,
                uplink=server.uplink,
                downlink=server.downlink,
                local_time_s=network.local_time_s(where.get(name)),
            )
            for name in scenario.node_names
            if is_server(name)
        }
    return machines


def _latencies(scenario: Scenario, names: tuple[str, ...], streams: Streams) -> Latencies:
    network = scenario.network
    where = network.standing(scenario.clients, scenario.node_names, streams)
    return network.latencies(names, streams, where)


def _wiring(scenario: Scenario, machines: dict[str, Machine], streams: Streams) -> Wiring:
    return Wiring(
        tuple(machines),
        _latencies(scenario, tuple(machines), streams),
        np.array([machine.uplink for machine in machines.values()]),
        np.array([machine.downlink for machine in machines.values()]),
        scenario.network.sharing,
        scenario.network.packet_loss,
        scenario.network.transfer_loss,
        scenario.network.stall_timeout,
        transport=scenario.network.transport,
    )
