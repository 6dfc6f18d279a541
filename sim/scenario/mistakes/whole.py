"""What only the whole of a scenario shows: sections that don't fit each other.

A check asks by its parameters' names for the sections that it needs. Where one of them is wrong in
itself it is left out, so that all that can be told is told at once.
"""

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from functools import cache, partial, wraps
from typing import Annotated, Any, NamedTuple

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails

from models.networks import ModelSettings, check_fit
from models.tasks import TaskSettings
from models.training import TrainingSettings
from sim.faults import Fault
from sim.protocols import Protocol
from sim.record.errors import Path, Refusal, check_least, did_you_mean, dotted
from sim.record.metrics import limits
from sim.record.rows import SERVER, STAGES, client_name
from sim.record.settings import WORDS, CostsSettings, brief_waits, resolved, span
from sim.record.words import time_text
from sim.scenario.regions import RegionsSettings
from sim.scenario.sections import (
    MOST_SUSPECTED,
    ClientsSettings,
    EvaluationSettings,
    GoalSettings,
    NetworkSettings,
    OutputSettings,
    ServerSettings,
    check_size,
)
from sim.world import FailureDetection, TopologySettings

MOST_EVENTS = 100_000_000
"""So many take an hour of real time, and tens of gigabytes for the trace."""
MANY_EVENTS = 1_000_000
"""Of more it is said that they take long."""
_MOST_EVALUATIONS = 100_000
_BY_NAME = ("faults", "protocols")
"""Sections whose entries stand each for itself."""

Refusals = Iterator[Refusal]


def mistakes(sections: Mapping[str, Any]) -> Refusals:
    """All that these sections of a scenario, by their names, have wrong together."""
    for check in CHECKS:
        needed = _asks_for(check)
        if needed <= sections.keys():
            yield from check(**{name: sections[name] for name in needed})


@cache
def _asks_for(check: Callable[..., object]) -> Set[str]:
    """The names of the sections that a check needs."""
    return inspect.signature(check).parameters.keys()


def sound(
    fields: Mapping[str, FieldInfo], data: Mapping[str, Any], found: Sequence[InitErrorDetails]
) -> dict[str, Any]:
    """The sections that have none of the mistakes found; of faults and protocols, those entries."""
    sections: dict[str, Any] = {}
    wrong = [path for path in map(_path, found) if path]
    for name, field in fields.items():
        entries = {path[1] for path in wrong if path[0] == name and name in _BY_NAME and path[1:]}
        if (written := data.get(name)) is not None and entries:
            written = {key: one for key, one in written.items() if key not in entries}
        elif any(path[0] == name for path in wrong):
            continue
        # Of entries none may be left, and a default may depend on what is wrong.
        with suppress(ValidationError, KeyError):
            sections[name] = _section(field, name in data, written, sections)
    return sections


def _section(field: FieldInfo, is_written: bool, written: Any, others: dict[str, Any]) -> Any:
    if not is_written:
        return field.get_default(call_default_factory=True, validated_data=others)
    kind: Any = Annotated[field.annotation, None, *field.metadata]
    return TypeAdapter(kind).validate_python(written)


def _path(error: InitErrorDetails) -> Path:
    refusal = error.get("ctx", {}).get("error")
    return (*error.get("loc", ()), *(refusal.path if isinstance(refusal, Refusal) else ()))


def node_names(
    clients: ClientsSettings, server: ServerSettings | None, protocols: Mapping[str, Protocol]
) -> tuple[str, ...]:
    """``client_0``, ``client_1``, ... in the order of their numbers, then a server if there is.

    Last those that may take over from it in any of the protocols.
    """
    names = map(client_name, range(clients.count))
    if server is None:
        return tuple(names)
    standbys = sorted({name for one in protocols.values() for name in one.servers} - {SERVER})
    return (*names, SERVER, *standbys)


def goals(
    evaluation: EvaluationSettings, stop_when: GoalSettings | None
) -> dict[tuple[str, ...], GoalSettings]:
    """The scores that a scenario looks for, by their paths."""
    found = {("evaluation", "target"): evaluation.target, ("stop_when",): stop_when}
    return {path: goal for path, goal in found.items() if goal is not None}


def topologies(
    topology: TopologySettings, protocols: Mapping[str, Protocol]
) -> dict[Path, TopologySettings]:
    """The scenario's topology and the protocols' own, by their paths."""
    own = {("protocols", name, "topology"): one.own_topology for name, one in protocols.items()}
    return {("topology",): topology, **{path: one for path, one in own.items() if one is not None}}


def is_unreliable(network: NetworkSettings, faults: Mapping[str, Fault]) -> bool:
    """Whether anything may be lost in a world."""
    return bool(faults) or network.packet_loss + network.transfer_loss > 0


def _by(check: Callable[[], None], *path: str) -> Refusals:
    """The mistake that a check raises, as seen from above `path`."""
    try:
        check()
    except Refusal as refusal:
        yield refusal.below(*path)


def _each_once(what: str, values: Sequence[object], *path: str) -> Refusals:
    for index, value in enumerate(values):
        if value in values[:index]:
            yield Refusal(f"{value} is listed twice", f"each {what} once", (*path, index))


def _seeds(seeds: Sequence[int]) -> Refusals:
    return _each_once("seed", seeds, "seeds")


def _lists(clients: ClientsSettings, network: NetworkSettings) -> Refusals:
    lists = {
        ("clients", "step_time"): clients.step_time,
        ("network", "uplink"): network.uplink,
        ("network", "downlink"): network.downlink,
        ("network", "regions", "clients"): network.regions and network.regions.clients,
    }
    for path, values in lists.items():
        if isinstance(values, tuple) and len(values) != clients.count:
            yield Refusal(f"lists {len(values)} values", f"{clients.count}, one per client", path)


def _learning(
    task: TaskSettings,
    model: ModelSettings | None,
    training: TrainingSettings | None,
    protocols: Mapping[str, Protocol],
) -> Refusals:
    """What is learned, and how, exactly where something is."""
    for name, section, what in (
        ("model", model, "the network that is trained"),
        ("training", training, "how a client fine-tunes, unless its protocol says otherwise"),
    ):
        if task.learns and section is None:
            yield Refusal("is missing", what, (name,), "missing")
        if not task.learns and section is not None:
            yield Refusal(f"nothing is learned in task {task.name}", f"no section {name}", (name,))
    for name, protocol in protocols.items():
        if not task.learns and protocol.training.model_fields_set:
            path = ("protocols", name, "training")
            yield Refusal(f"nothing is learned in task {task.name}", "no training", path)


_SIDES = ("image_size", "size")
"""What tasks call their images' sides."""


def _network(model: ModelSettings | None, task: TaskSettings) -> Refusals:
    if model is None:
        return
    yield from (found := list(_by(partial(check_fit, model, per_pixel=task.segments))))
    if task.input_shape is not None and not found:
        for refusal in _by(partial(model.check_input, task.input_shape)):
            yield _of_size(refusal, model, task)


def _of_size(refusal: Refusal, model: ModelSettings, task: TaskSettings) -> Refusal:
    """To blame for sides that don't fit is who was told something: the task, not the network."""
    size = next((name for name in _SIDES if name in task.model_fields_set), None)
    if size is None or not model.model_fields_set <= {"name"}:
        return refusal
    return Refusal(refusal.what, refusal.allowed, ("task", size), refusal.sort)


def _latencies(
    network: NetworkSettings,
    clients: ClientsSettings,
    server: ServerSettings | None,
    protocols: Mapping[str, Protocol],
) -> Refusals:
    servers = len(node_names(clients, server, protocols)) - clients.count
    return _by(partial(check_size, network.latency, clients.count, servers))


def _regions(
    network: NetworkSettings,
    clients: ClientsSettings,
    server: ServerSettings | None,
    protocols: Mapping[str, Protocol],
) -> Refusals:
    """Groups that stand nowhere, nodes that do, and what a table doesn't know of its regions."""
    own = {
        ("clients", "groups", name, "region"): group.region
        for name, group in clients.groups.items()
        if group.region is not None
    }
    if (regions := network.regions) is None:
        for path in own:
            yield Refusal("there are no regions", "a region where network.regions is given", path)
        return
    found = [one for path, name in own.items() for one in regions.unknown(name, path)]
    found += _nowhere(network, regions, clients, node_names(clients, server, protocols))
    yield from found or _unmeasured(network, regions, [*own.values()])


def _nowhere(
    network: NetworkSettings,
    regions: RegionsSettings,
    clients: ClientsSettings,
    nodes: Sequence[str],
) -> Refusals:
    """Nodes of which nobody says where they stand."""
    path, servers = ("network", "regions"), nodes[clients.count :]
    if regions.clients is None and None in clients.own_regions:
        nowhere = client_name(clients.own_regions.index(None))
        allowed = "one region, a list or shares; or a region for the group of each client"
        yield Refusal(f"is missing, and {nowhere} stands nowhere", allowed, (*path, "clients"))
    if servers and regions.server is None and network.latency is None:
        yield Refusal("is missing", "the region of the server", (*path, "server"), "missing")
    if regions.standbys and len(regions.standbys) != len(servers[1:]):
        what = f"lists {len(regions.standbys)} regions"
        yield Refusal(what, f"{len(servers[1:])}, one per standby", (*path, "standbys"))


def _unmeasured(
    network: NetworkSettings, regions: RegionsSettings, groups: Sequence[str]
) -> Refusals:
    """What is needed and the table doesn't know."""
    if network.latency is None and (pairs := regions.unknown_pairs(groups)):
        more = f", nor between {len(pairs) - 1} other pairs" if len(pairs) > 1 else ""
        what = f"knows no latency between {' and '.join(pairs[0])}{more}"
        allowed = "regions between which it knows all, or network.latency"
        yield Refusal(what, allowed, ("network", "regions", "table"))
    for link in ("uplink", "downlink"):
        if getattr(network, link) is None and (without := regions.without(link, groups)):
            what = f"is missing, and the table of regions has none for {', '.join(without)}"
            allowed = str(NetworkSettings.model_fields[link].description)
            yield Refusal(what, allowed, ("network", link), "missing")


def _faults(
    faults: Mapping[str, Fault],
    clients: ClientsSettings,
    server: ServerSettings | None,
    protocols: Mapping[str, Protocol],
) -> Refusals:
    """Faults of unknown nodes, or of none."""
    nodes, groups = node_names(clients, server, protocols), clients.members()
    for name, fault in faults.items():
        found = list(_unknown(fault, clients, nodes))
        if not found:
            found = list(_by(partial(resolved(fault, groups).check, nodes)))
        yield from (refusal.below("faults", name) for refusal in found)


def _members(faults: Mapping[str, Fault], clients: ClientsSettings) -> Refusals:
    """Clients that leave before they join, and a federation that nobody has begun."""
    groups, names = clients.members(), list(map(client_name, range(clients.count)))
    joins: dict[str, tuple[float, str]] = {}
    leaves: dict[str, tuple[float, str]] = {}
    for name, fault in faults.items():
        from_s, until_s = fault.present_s
        if (from_s, until_s) == (0.0, math.inf):
            continue  # Whom it strikes may stand in a file, which isn't read yet.
        for node in resolved(fault, groups).strikes(names):
            if from_s > joins.get(node, (0.0, ""))[0]:
                joins[node] = from_s, name
            if until_s < leaves.get(node, (math.inf, ""))[0]:
                leaves[node] = until_s, name
    for node, (until_s, name) in leaves.items():
        if until_s <= joins.get(node, (-math.inf, ""))[0]:
            from_s, other = joins[node]
            what = f"{node} leaves at {time_text(until_s)}, before it joins"
            yield Refusal(what, f"after {time_text(from_s)}: faults.{other}", ("faults", name))
            return
    if len(joins) == clients.count:
        allowed = "some that are there when it begins"
        yield Refusal("all clients join later", allowed, ("faults", joins[names[0]][1]))


def _unknown(fault: Fault, clients: ClientsSettings, nodes: Sequence[str]) -> Refusals:
    """Mistakes in the nodes, ranges and groups that a fault names."""
    last = client_name(clients.count - 1)
    standbys = nodes[clients.count + 1 :]
    for path, part in fault.named():
        if (among := span(part)) and among[1] >= clients.count:
            allowed = f"{client_name(0)} to {last}, or {SERVER}"
            yield Refusal(f"{client_name(among[1])} does not exist", allowed, path)
        elif among is None and part not in (names := (*WORDS, *clients.groups, *standbys)):
            allowed = f"{', '.join(names)}, {client_name(0)} to {last}, a range, or a list of these"
            what = f"{part!r} is neither a node nor a group{did_you_mean(part, names)}"
            yield Refusal(what, allowed, path)


def _costs(costs: CostsSettings | None, clients: ClientsSettings) -> Refusals:
    """Groups that there are not."""
    for name in costs.groups if costs else ():
        if name not in clients.groups:
            what = f"there is no such group{did_you_mean(name, clients.groups)}"
            allowed = ", ".join(clients.groups) or "none: clients has no groups"
            yield Refusal(what, allowed, ("costs", "groups", name))


def _whole_tables(
    costs: CostsSettings | None, evaluation: EvaluationSettings, output: OutputSettings
) -> Refusals:
    """What adds up all nodes' doings, where the tables don't hold them."""
    if costs is not None and output.trace != "all":
        what = f"{output.trace} leaves out what costs count: when each node sent and received"
        yield Refusal(what, "all, or no costs", ("output", "trace"))
    if costs is not None and evaluation.clients != "all":
        what = f"{evaluation.clients} are scored, and costs are of all clients"
        yield Refusal(what, "all, or no costs", ("evaluation", "clients"))
    if evaluation.suspicions and output.trace == "none":
        yield Refusal("none tells no suspicions", "all, rounds", ("output", "trace"))


class Load(NamedTuple):
    """About how much a part of a scenario makes happen in a run."""

    path: Path
    number: float
    what: str


def _failures(
    faults: Mapping[str, Fault],
    clients: ClientsSettings,
    server: ServerSettings | None,
    protocols: Mapping[str, Protocol],
    duration: float,
) -> Iterator[Load]:
    nodes, groups = node_names(clients, server, protocols), clients.members()
    events = {
        name: resolved(fault, groups).events(duration, nodes) for name, fault in faults.items()
    }
    if events:
        busiest = max(events, key=lambda name: events[name])
        yield Load(("faults", busiest), sum(events.values()), "failures and repairs")


def _rounds(protocols: Mapping[str, Protocol], duration: float) -> Iterator[Load]:
    for name, protocol in protocols.items():
        yield Load(("protocols", name), protocol.events(duration), "rounds and retries")


def _waits(
    network: NetworkSettings, failure_detection: FailureDetection, duration: float
) -> Iterator[Load]:
    """What the network and the detector do again and again, however the protocols go on."""
    stalls = brief_waits(network.stall_timeout, duration)
    yield Load(("network", "stall_timeout"), stalls, "time-outs")
    beats = failure_detection.events(duration)
    yield Load(("failure_detection",), beats, "heartbeats of a node")


_LOADS: tuple[Callable[..., Iterator[Load]], ...] = (_failures, _rounds, _waits)


def busy(sections: Mapping[str, Any]) -> Iterator[str]:
    """Say, in a sentence each, what of these sections makes a run long that can be played."""
    for loads in _LOADS:
        for path, number, what in loads(**{name: sections[name] for name in _asks_for(loads)}):
            if number > MANY_EVENTS:
                yield long_text(dotted(path), number, what, sections["duration"])


def long_text(who: str, number: float, what: str, duration_s: float) -> str:
    """What to say of so many events within `duration_s`."""
    many = f"about {number:.1g} {what} in {time_text(duration_s)}"
    return f"{who} makes {many}: a run may take minutes, or hours"


def _bound(loads: Callable[..., Iterator[Load]]) -> Callable[..., Refusals]:
    """The check that a load can be played."""

    @wraps(loads)
    def check(**sections: Any) -> Refusals:
        for path, number, what in loads(**sections):
            yield from _by(partial(check_events, number, what, sections["duration"], path))

    return check


def check_events(number: float, what: str, duration_s: float, path: Path) -> None:
    """Raise Refusal if so many of `what` within `duration_s` are more than can be played."""
    if number > MOST_EVENTS:
        what = f"about {number:.1g} {what} in {time_text(duration_s)}"
        raise Refusal(what, f"at most {MOST_EVENTS:,} in a run", path)


def _servers(protocols: Mapping[str, Protocol], server: ServerSettings | None) -> Refusals:
    for name, protocol in protocols.items():
        if protocol.needs_server and server is None:
            allowed = "a section server, with uplink, downlink and aggregation_time"
            yield Refusal("needs a server, and there is none", allowed, ("protocols", name))


def _detection(protocols: Mapping[str, Protocol], failure_detection: FailureDetection) -> Refusals:
    for name, protocol in protocols.items():
        if protocol.needs_detection and not failure_detection.detects:
            what = "needs to find out who is down, and failure_detection is none"
            yield Refusal(what, "failure_detection: heartbeat, or perfect", ("protocols", name))


def _protocols(
    protocols: Mapping[str, Protocol], network: NetworkSettings, faults: Mapping[str, Fault]
) -> Refusals:
    unreliable = is_unreliable(network, faults)
    for name, protocol in protocols.items():
        yield from _by(partial(protocol.check, unreliable=unreliable), "protocols", name)


def _topologies(
    topology: TopologySettings, protocols: Mapping[str, Protocol], clients: ClientsSettings
) -> Refusals:
    for path, one in topologies(topology, protocols).items():
        yield from _by(partial(one.check, clients.count), *map(str, path))


def _targets(topology: TopologySettings, faults: Mapping[str, Fault]) -> Refusals:
    for name, fault in faults.items():
        yield from _by(partial(fault.check_topology, topology), "faults", name)


def _trainings(protocols: Mapping[str, Protocol], training: TrainingSettings | None) -> Refusals:
    if training is None:
        return
    for name, protocol in protocols.items():
        own = protocol.training.over(training)
        yield from _by(partial(protocol.check_training, own), "protocols", name)


def _goals(
    task: TaskSettings, evaluation: EvaluationSettings, stop_when: GoalSettings | None
) -> Refusals:
    for path, goal in goals(evaluation, stop_when).items():
        if goal.metric not in task.directions:
            what = f"{goal.metric!r} is none of the task's metrics"
            near = did_you_mean(goal.metric, task.directions)
            yield Refusal(what + near, ", ".join(task.directions), (*path, "metric"))
            continue
        low, high = limits(goal.metric, task.bounds)
        if not low <= goal.value <= high:
            allowed = f"at least {low:g}" if high == math.inf else f"{low:g} to {high:g}"
            yield Refusal(f"{goal.value:g} can't be reached", allowed, (*path, "value"))


def _looks(evaluation: EvaluationSettings, duration: float) -> Refusals:
    least_s, what = duration / _MOST_EVALUATIONS, "evaluates too often for this duration"
    return _by(partial(check_least, evaluation.every, least_s, what, "evaluation", "every"))


def _suspicions(evaluation: EvaluationSettings, clients: ClientsSettings) -> Refusals:
    if evaluation.suspicions and clients.count > MOST_SUSPECTED:
        what = f"each of {clients.count} clients would be told of with each other"
        allowed = f"{MOST_SUSPECTED} clients at most, or false"
        yield Refusal(what, allowed, ("evaluation", "suspicions"))


def _stages(
    task: TaskSettings,
    evaluation: EvaluationSettings,
    stop_when: GoalSettings | None,
    output: OutputSettings,
) -> Refusals:
    stages = evaluation.stages
    if not task.learns and output.keep_models != "none":
        what = f"task {task.name} makes no models"
        yield Refusal(what, "none", ("output", "keep_models"))
    yield from _each_once("stage", stages, "evaluation", "stages")
    found = goals(evaluation, stop_when).items()
    needed = {(*path, "stage"): str(goal.stage) for path, goal in found}
    needed["output", "keep_models"] = output.keep_models
    for place, wanted in needed.items():
        if wanted in STAGES and wanted not in stages:
            allowed = f"what evaluation.stages has: {', '.join(stages)}"
            yield Refusal(f"{wanted} models are not looked at", allowed, place)


CHECKS: tuple[Callable[..., Refusals], ...] = (
    _seeds,
    _lists,
    _learning,
    _network,
    _latencies,
    _regions,
    _faults,
    _servers,
    _detection,
    _protocols,
    _topologies,
    _members,
    _targets,
    _trainings,
    _costs,
    _goals,
    _looks,
    _suspicions,
    _stages,
    _whole_tables,
    *map(_bound, _LOADS),
)
