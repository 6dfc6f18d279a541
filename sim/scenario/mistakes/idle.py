"""What stands in a scenario and changes nothing, or not what it seems to: a sentence each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from models.tasks import TaskSettings
from models.training import TrainingSettings
from sim.faults import Fault
from sim.protocols import Protocol
from sim.record.errors import Refusal
from sim.record.settings import CostsSettings
from sim.record.words import time_text
from sim.scenario.groups import GroupSettings
from sim.scenario.sections import (
    BY_REGION,
    ClientsSettings,
    EvaluationSettings,
    NetworkSettings,
    ServerSettings,
)
from sim.world import FailureDetection, TopologySettings


def idle_faults(
    faults: Mapping[str, Fault],
    nodes: Sequence[Sequence[str]],
    topology: TopologySettings,
    duration_s: float,
) -> Iterator[str]:
    """Which faults change nothing, or something else, and which meet at one node.

    `nodes`: of each protocol.
    """
    struck = {
        name: {node for each in nodes for node in fault.strikes(each)}
        for name, fault in faults.items()
    }
    for name, fault in faults.items():
        begins_s, joins_s = fault.window_s[0], fault.present_s[0]
        if joins_s >= duration_s:
            yield (
                f"faults.{name} lets clients join at {time_text(joins_s)}, when the run of "
                f"{time_text(duration_s)} is over: they are never there"
            )
        elif begins_s >= duration_s:
            yield (
                f"faults.{name} begins at {time_text(begins_s)}, when the run of "
                f"{time_text(duration_s)} is over: it changes nothing"
            )
        elif not struck[name]:
            yield f"faults.{name} strikes no node that a protocol runs on: it changes nothing"
        elif text := fault.seems(topology, duration_s):
            yield f"faults.{name} {text}"
    acting = [_Acting(name, fault, struck[name]) for name, fault in faults.items()]
    for one, other in itertools.combinations(acting, 2):
        yield from _together(one, other, duration_s)


def false_suspicions(
    faults: Mapping[str, Fault], failure_detection: FailureDetection
) -> Iterator[str]:
    """Which faults delay messages for longer than nodes wait for each other's."""
    for name, fault in faults.items():
        try:
            failure_detection.check(fault.delays_s)
        except Refusal as refusal:
            setting = ".".join(("failure_detection", *map(str, refusal.path)))
            delay = f"delays messages by {time_text(fault.delays_s)}"
            yield f"faults.{name} {delay}, and {setting} {refusal.what}"


class _Acting(NamedTuple):
    name: str
    fault: Fault
    nodes: set[str]

    @property
    def is_fixed(self) -> bool:
        """Whether it acts at a time of its own, not always."""
        return self.fault.window_s != (0.0, math.inf) or self.fault.crash_s is not None

    @property
    def is_crash(self) -> bool:
        return self.fault.crash_s is not None

    @property
    def joins_s(self) -> float:
        """Before which its nodes aren't there; 0 if it doesn't make them join."""
        return self.fault.present_s[0]

    @property
    def leaves_s(self) -> float:
        """From which on its nodes are gone; infinite if it doesn't make them leave."""
        return self.fault.present_s[1]

    def is_idle_in(self, gone: _Acting) -> bool:
        """Whether it can do nothing to nodes while the other one keeps them away."""
        if self.joins_s or self.leaves_s < math.inf:
            return False  # Who is down joins when it comes up, and leaves all the same.
        if not self.nodes <= gone.nodes:
            return False
        begins_s, ends_s = self.fault.window_s
        if gone.joins_s:
            return ends_s <= gone.joins_s
        if gone.leaves_s < math.inf:
            return begins_s >= gone.leaves_s
        is_longer = ends_s == math.inf > gone.fault.window_s[1]
        return gone.is_crash and not self.is_crash and not is_longer

    def keeps_away(self, them: str) -> str:
        """Why who is kept away can't be struck."""
        if self.joins_s:
            return f"before faults.{self.name} lets {them} join"
        if self.leaves_s < math.inf:
            return f"after faults.{self.name} lets {them} leave"
        return f"while faults.{self.name} holds {them} down"


def _together(one: _Acting, other: _Acting, duration_s: float) -> Iterator[str]:
    """What is to be said of two faults that act at the same time on the same nodes."""
    (begins_s, ends_s), (other_begins_s, other_ends_s) = one.fault.window_s, other.fault.window_s
    begins_s, ends_s = max(begins_s, other_begins_s), min(ends_s, other_ends_s, duration_s)
    both = one.nodes & other.nodes
    if begins_s >= ends_s or not both or not (one.is_fixed and other.is_fixed):
        return
    nodes = min(both) if len(both) == 1 else "the same nodes"
    where = f"{nodes} from {time_text(begins_s)} on"
    together = one.fault.together if type(one.fault) is type(other.fault) else ""
    if together:
        yield f"faults.{one.name} and faults.{other.name} both act on {where}: {together}"
    for idle, gone in ((one, other), (other, one)):
        if not together and idle.is_idle_in(gone):
            why = gone.keeps_away("it" if len(both) == 1 else "them")
            yield f"faults.{idle.name} acts on {where}, {why}: to no effect"


def idle_looks(every_s: float, run_s: float) -> Iterator[str]:
    """Looks so far apart that there are none."""
    if every_s > run_s:
        yield (
            f"evaluation.every is {time_text(every_s)}, longer than the run of "
            f"{time_text(run_s)}: models are looked at only when it begins and ends"
        )


def idle_suspicions(evaluation: EvaluationSettings, detection: FailureDetection) -> Iterator[str]:
    """Suspicions that nobody can have."""
    if evaluation.suspicions and not detection.detects:
        yield (
            f"evaluation.suspicions changes nothing: with failure_detection {detection.kind} "
            "nobody suspects anybody"
        )


def idle_sample(evaluation: EvaluationSettings, clients: int) -> Iterator[str]:
    """A sample that leaves nobody out."""
    if evaluation.clients != "all" and evaluation.clients >= clients:
        yield f"evaluation.clients changes nothing: all of the {clients} clients are scored"


def idle_partition(task: TaskSettings, clients: int) -> Iterator[str]:
    """A partition that has nothing to part."""
    partition = getattr(task, "partition", None)
    if clients == 1 and partition and partition.model_fields_set > {"kind"}:
        yield "task.partition changes nothing: the one client has all training data"


def idle_momentum(common: TrainingSettings, protocols: Mapping[str, Protocol]) -> Iterator[str]:
    """A momentum that was chosen and is used by none."""
    optimizers = {name: one.training.over(common).optimizer for name, one in protocols.items()}
    using = {name for name, optimizer in optimizers.items() if optimizer == "momentum"}
    chosen = ["training"] if "momentum" in common.model_fields_set and not using else []
    for name, protocol in protocols.items():
        if "momentum" in protocol.training.model_fields_set and name not in using:
            chosen.append(f"protocols.{name}.training")
    for path in chosen:
        yield f"{path}.momentum changes nothing: only the optimizer momentum uses it"


def idle_options(protocols: Mapping[str, Protocol], faults: Mapping[str, Fault]) -> Iterator[str]:
    """Settings of a protocol or a fault that were chosen, and have no effect beside others."""
    serverless = any(not one.needs_server and not one.is_reference for one in protocols.values())
    unused = [("protocols", name, one, one.unused) for name, one in protocols.items()] + [
        ("faults", name, one, one.unused(serverless=serverless)) for name, one in faults.items()
    ]
    for section, name, one, options in unused:
        for option, why in options.items():
            if getattr(one, option) != type(one).model_fields[option].default:
                yield f"{section}.{name}.{option} changes nothing: {why}"


def idle_topology(
    topology: TopologySettings, protocols: Mapping[str, Protocol], faults: Mapping[str, Fault]
) -> Iterator[str]:
    """A topology that was chosen, and that no protocol and no fault asks for."""
    asking = any(one.uses_topology and one.own_topology is None for one in protocols.values())
    if not asking and not any(fault.uses_topology for fault in faults.values()):
        yield f"topology: {topology.kind} changes nothing: no protocol here talks to neighbours"


def idle_regions(network: NetworkSettings, server: ServerSettings | None) -> Iterator[str]:
    """Regions that say nothing which network doesn't say itself, or a server's without any."""
    if network.regions is None:
        return
    if all(getattr(network, name) is not None for name in BY_REGION):
        yield f"network.regions changes no link: network says {', '.join(BY_REGION)} itself"
    if network.regions.server is not None and server is None:
        yield "network.regions.server changes nothing: there is no server"


def idle_groups(
    groups: Mapping[str, GroupSettings], faults: Mapping[str, Fault], costs: CostsSettings | None
) -> Iterator[str]:
    """Groups that have nothing of their own, and are named by no fault."""
    named = {part for fault in faults.values() for _, part in fault.named()}
    named |= costs.groups.keys() if costs else set()
    for name, group in groups.items():
        if name not in named and not group.is_special:
            yield f"clients.groups.{name} changes nothing: it sets nothing, and no fault names it"


def idle_memory(clients: ClientsSettings, protocols: Mapping[str, Protocol]) -> Iterator[str]:
    """Memories that bound nothing, since nobody merges what neighbours send."""
    bounds = {"clients": clients.memory}
    bounds |= {f"clients.groups.{name}": one.memory for name, one in clients.groups.items()}
    if not any(one.uses_topology for one in protocols.values()):
        for path in (path for path, memory in bounds.items() if memory is not None):
            why = "who averages a round sums up updates as they come"
            yield f"{path}.memory changes nothing: {why}"


def idle_costs(costs: CostsSettings | None, protocols: Mapping[str, Protocol]) -> Iterator[str]:
    """Powers of a server that no protocol has."""
    has_server = any(one.needs_server for one in protocols.values())
    if costs is not None and any(costs.server) and not has_server:
        yield "costs of a server change nothing: no protocol here has one"
