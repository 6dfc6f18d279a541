"""What real processes must be told of a world: numbers, luck, and when its faults strike.

All of it is what the simulator itself builds from the scenario and draws from its named streams:
so both sides play one world.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sim.faults import Fault
from sim.faults.crash import Crash
from sim.faults.degrade import Degrade
from sim.faults.partition import Partition
from sim.protocols.gossip import Gossip, Gossiping
from sim.protocols.shared.peers import Peers
from sim.protocols.swarm import Swarming
from sim.record.settings import selects
from sim.runs.build import build
from sim.runs.data import Data
from sim.runs.playing import Run, unlearned
from sim.scenario import Scenario
from sim.world import Node

Floats = npt.NDArray[np.float64]

BOOT_S = 2.0
"""So long before a node is back its process starts, which nobody hears of yet."""


class Act(NamedTuple):
    """What is done at an instant: `does`, with its `arguments`, as the harness knows it.

    `kind`, `node`: how a trace calls that, and whom it strikes; empty: nothing, and the network.
    """

    at_s: float
    does: str
    arguments: tuple[Any, ...]
    kind: str
    node: str = ""


class Plan:
    """One protocol of a scenario, under its first seed."""

    def __init__(self, scenario: Scenario, protocol: str) -> None:
        self.scenario, self.settings = scenario, scenario.protocols[protocol]
        seed = scenario.seeds[0]
        self.run = Run(scenario, protocol, seed, Data().facts(scenario, protocol, seed))
        self._world, self._running = build(
            scenario, protocol, seed, unlearned(scenario), self.run.facts
        )
        self._wiring = self._world.network.wiring

    @property
    def names(self) -> tuple[str, ...]:
        """Clients in their order, then servers."""
        return self._wiring.names

    @property
    def rates(self) -> Mapping[str, tuple[float, float]]:
        """Of each node's link, bytes per second up and down."""
        both = zip(self._wiring.uplink.tolist(), self._wiring.downlink.tolist(), strict=True)
        return dict(zip(self.names, both, strict=True))

    @cached_property
    def delays_s(self) -> Floats:
        """One way, from row to column [n, n]."""
        every = np.arange(len(self.names))
        return self._wiring.latencies.between(every[:, None], every)

    @property
    def size(self) -> float:
        """How many times what is under way on a link a model is, where it is that least.

        That is bandwidth times round trip, of the narrower of a pair's two links.
        """
        narrower = np.minimum(self._wiring.uplink[:, None], self._wiring.downlink)
        return float(self._world.model_bytes / (narrower * (self.delays_s + self.delays_s.T)).max())

    def node(self, name: str) -> dict[str, Any]:
        """A node's configuration, but for where and when it runs."""
        node = self._world.nodes[self.names.index(name)]
        detection = self.scenario.failure_detection.model_dump()
        phases = self._world.streams.uniforms("heartbeat_phase", self._world.network.numbers)
        return {
            "name": name,
            "protocol": self.settings.kind,
            "settings": self.settings.model_dump(),
            "model_bytes": self._world.model_bytes,
            "train_s": list(self._trainings_s(node)),
            "interval_s": detection["interval"],
            "phase_s": detection["interval"] * float(phases[node.index]),
            "timeout_s": detection["timeout"],
            "until_s": self.scenario.duration,
            "neighbours": self._neighbours(node),
            "merge_s": self._world.merge_s,
            "aggregation_s": self._world.aggregation_s,
            "stall_s": self._wiring.stall_timeout_s,
            "luck": self._luck(node),
        }

    def _trainings_s(self, node: Node) -> Iterator[float]:
        """How long each attempt at a local round takes, as many as can matter."""
        work_s, left_s = node.machine.steps * node.machine.step_s, self.scenario.duration
        for attempt in itertools.count():
            if not work_s or left_s <= 0:
                return
            draw = self._world.streams.stream("jitter", node.name, attempt)
            yield (lasts_s := work_s * float(draw.lognormal(0.0, node.machine.jitter)))
            left_s -= lasts_s

    def _neighbours(self, node: Node) -> list[str]:
        if not isinstance(self._running, Peers) or self._running.topology.is_complete:
            return []
        return [self.names[peer] for peer in self._running.topology.neighbours(node.index)]

    # -- luck ------------------------------------------------------------------------------------

    def _luck(self, node: Node) -> dict[str, Any]:
        """What the protocol draws there, by the names that real nodes know it by."""
        if isinstance(self._running, Gossiping) and isinstance(self.settings, Gossip):
            period_s = self.settings.period
            phase = self._world.streams.uniforms("push_phase", node.index)[0]
            ticks = math.ceil(self.scenario.duration / period_s)
            order = [self._order(node, "push_to", number) for number in range(ticks)]
            return {"push_phase_s": period_s * float(phase), "push_to": order}
        if isinstance(self._running, Swarming):
            # No round, and no attempt, is shorter than a second here.
            most = math.ceil(self.scenario.duration)
            turns = [self._running.candidates(number) for number in range(most)]
            return {
                "aggregators": [[self.names[client] for client in turn] for turn in turns],
                "ask_of": [self._order(node, "ask_of", number) for number in range(most)],
            }
        return {}

    def _order(self, node: Node, purpose: str, counter: int) -> list[str]:
        """In which order a node tries its peers, where all are."""
        everyone = len(self._world.clients)
        blocks = self._world.streams.shuffled(everyone, purpose, node.index, counter)
        order = itertools.chain.from_iterable(block.tolist() for block in blocks)
        return [self.names[peer] for peer in order if peer != node.index]

    # -- faults ----------------------------------------------------------------------------------

    def acts(self) -> list[Act]:
        """What befalls hosts, in the order of time."""
        every = itertools.chain.from_iterable(map(self._acts, self.scenario.faults.values()))
        return sorted(every, key=lambda act: act.at_s)

    def _acts(self, fault: Fault) -> list[Act]:
        find = next(find for kind, find in _ACTS.items() if isinstance(fault, kind))
        return find(fault, self.names)


def _crash(fault: Crash, names: tuple[str, ...]) -> list[Act]:
    begins_s, ends_s = fault.window_s
    end, begin = ("crash", "boot") if fault.of == "host" else ("kill", "start")
    acts = []
    for name in fault.strikes(names):
        acts.append(Act(begins_s, end, (name,), "crash", name))
        if ends_s < math.inf:
            acts.append(Act(ends_s - BOOT_S, begin, (name, ends_s), ""))
            acts.append(Act(ends_s, "speak", (name,), "recover", name))
    return acts


def _partition(fault: Partition, names: tuple[str, ...]) -> list[Act]:
    begins_s, ends_s = fault.window_s
    groups = [[name for name in names if selects(group, name)] for group in fault.groups]
    return [Act(begins_s, "cut", (groups,), "partition"), Act(ends_s, "heal", (), "heal")]


def _degrade(fault: Degrade, names: tuple[str, ...]) -> list[Act]:
    begins_s, ends_s = fault.window_s
    acts = []
    for name in fault.strikes(names):
        slow = name, fault.bandwidth, fault.extra_latency
        acts.append(Act(begins_s, "degrade", slow, "degrade", name))
        acts.append(Act(ends_s, "restore", (name,), "degrade", name))
    return acts


_ACTS: Mapping[type[Fault], Callable[[Any, tuple[str, ...]], list[Act]]] = {
    Crash: _crash,
    Partition: _partition,
    Degrade: _degrade,
}
