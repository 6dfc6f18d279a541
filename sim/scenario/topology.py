"""What must fit together across a scenario: nodes that exist, lists as long as the clients.

A room of its own because no single part of a scenario can see these mistakes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sim.faults.settings import CrashSettings, NetworkPartitionSettings
from sim.protocols.settings import FedAvgSettings
from sim.record.errors import Path
from sim.record.settings.base import mistake
from sim.scenario.sections import LatencyMatrix

if TYPE_CHECKING:
    from sim.scenario.scenario import Scenario

_MOST_EVALUATIONS = 100_000


def check_topology(scenario: Scenario) -> None:
    """Raise the first mistake that only the whole scenario shows."""
    _seeds(scenario)
    _lists(scenario)
    _latency(scenario)
    _fault_nodes(scenario)
    _partitions(scenario)
    _protocols(scenario)
    _metrics(scenario)
    if scenario.duration / scenario.evaluation.every > _MOST_EVALUATIONS:
        least = f"at least {scenario.duration / _MOST_EVALUATIONS:g} s for this duration"
        raise mistake("evaluates too often", least, "evaluation", "every")


def _seeds(scenario: Scenario) -> None:
    for index, seed in enumerate(scenario.seeds):
        if seed in scenario.seeds[:index]:
            raise mistake(f"{seed} is listed twice", "each seed once", "seeds", index)


def _metrics(scenario: Scenario) -> None:
    known = scenario.task.metrics
    aims = (
        (("evaluation", "target"), scenario.evaluation.target),
        (("stop_when",), scenario.stop_when),
    )
    for path, aim in aims:
        if aim is not None and aim.metric not in known:
            raise mistake(
                f"{aim.metric!r} is none of the task's metrics", ", ".join(known), *path, "metric"
            )


def _lists(scenario: Scenario) -> None:
    count = scenario.clients.count
    lists = (
        (("clients", "step_time"), scenario.clients.step_time),
        (("network", "uplink"), scenario.network.uplink),
        (("network", "downlink"), scenario.network.downlink),
    )
    for path, values in lists:
        if isinstance(values, tuple) and len(values) != count:
            raise mistake(f"lists {len(values)} values", f"{count}, one per client", *path)


def _latency(scenario: Scenario) -> None:
    latency, count = scenario.network.latency, scenario.clients.count
    if not isinstance(latency, LatencyMatrix):
        return
    sizes = (count + 1,) if scenario.server is not None else (count, count + 1)
    if len(latency.matrix) not in sizes:
        allowed = " or ".join(f"{size} x {size}" for size in sizes)
        if scenario.server is not None:
            allowed += ", the server last"
        what = f"is {len(latency.matrix)} x {len(latency.matrix)}"
        raise mistake(what, allowed, "network", "latency", "matrix")


def _named_nodes(scenario: Scenario) -> Iterator[tuple[Path, str]]:
    for name, fault in scenario.faults.items():
        if isinstance(fault, CrashSettings):
            yield ("faults", name, "node"), fault.node
        elif isinstance(fault, NetworkPartitionSettings):
            for row, group in enumerate(fault.groups):
                for column, node in enumerate(group):
                    yield ("faults", name, "groups", row, column), node
        elif isinstance(fault.nodes, tuple):
            for index, node in enumerate(fault.nodes):
                yield ("faults", name, "nodes", index), node


def _fault_nodes(scenario: Scenario) -> None:
    count = scenario.clients.count
    for path, node in _named_nodes(scenario):
        if node != "server" and int(node.removeprefix("client_")) >= count:
            allowed = f"client_0 to client_{count - 1}, or server"
            raise mistake(f"{node} does not exist", allowed, *path)


def _partitions(scenario: Scenario) -> None:
    for name, fault in scenario.faults.items():
        if not isinstance(fault, NetworkPartitionSettings) or len(fault.groups) > 1:
            continue
        if set(scenario.node_names) <= set(fault.groups[0]):
            what = "puts all nodes in one group"
            raise mistake(what, "at least two groups", "faults", name, "groups")


def _protocols(scenario: Scenario) -> None:
    for name, protocol in scenario.protocols.items():
        if not isinstance(protocol, FedAvgSettings):
            continue
        path = ("protocols", name)
        if scenario.server is None:
            what = f"is missing, but protocols.{name} has a server"
            raise mistake(what, "uplink, downlink and aggregation_time", "server")
        if protocol.deadline is None and (scenario.faults or scenario.network.message_loss > 0):
            what = "is missing, but faults or message_loss can stall a round"
            raise mistake(what, "a duration, e.g. '2 min'", *path, "deadline")
        if protocol.retry_cap < protocol.retry_initial:
            raise mistake("is shorter than retry_initial", "at least as long", *path, "retry_cap")
