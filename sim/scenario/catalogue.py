"""What a scenario can be made of: every kind with its one-line description and its settings."""

import difflib
import json
import textwrap
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from models.networks import NETWORKS, ModelSettings, own_network
from models.partitions import PARTITIONS, PartitionSettings
from models.tasks import TASKS, TaskSettings
from models.training import TrainingSettings
from sim.faults import FAULTS, Fault
from sim.protocols import PROTOCOLS, SERVER_OPTIMIZERS, STALENESS_WEIGHTS, Protocol
from sim.record.code import kinds
from sim.record.errors import ScenarioError
from sim.record.settings import DEVICES, CostsSettings, DeviceTime
from sim.record.settings.distributions import DISTRIBUTIONS
from sim.scenario.loading import first_comment
from sim.scenario.regions import TABLES, Region, RegionsSettings
from sim.scenario.sections import (
    ClientsSettings,
    EvaluationSettings,
    GoalSettings,
    NetworkSettings,
    OutputSettings,
    ServerSettings,
)
from sim.world import DETECTORS, TOPOLOGIES, TRANSPORTS

SECTIONS: Mapping[str, Mapping[str, type[BaseModel]]] = {
    "protocols": PROTOCOLS,
    "server optimizers": SERVER_OPTIMIZERS,
    "staleness weights": STALENESS_WEIGHTS,
    "faults": FAULTS,
    "failure detection": DETECTORS,
    "topologies": TOPOLOGIES,
    "transports": TRANSPORTS,
    "tasks": TASKS,
    "networks": NETWORKS,
    "partitions": PARTITIONS,
    "distributions": DISTRIBUTIONS,
    "parts of a scenario": {
        "clients": ClientsSettings,
        "step_time": DeviceTime,
        "network": NetworkSettings,
        "regions": RegionsSettings,
        "region": Region,
        "server": ServerSettings,
        "training": TrainingSettings,
        "evaluation": EvaluationSettings,
        "target": GoalSettings,
        "output": OutputSettings,
        "costs": CostsSettings,
    },
}
_BASES: Mapping[str, type[BaseModel]] = {
    "protocols": Protocol,
    "faults": Fault,
    "tasks": TaskSettings,
    "networks": ModelSettings,
    "partitions": PartitionSettings,
}
"""What a user's own kinds of a section are made from."""

NARROWEST, WIDEST = 60, 100
# These choose the entry itself, so they are not among its settings.
_CHOOSERS = frozenset({"kind", "name", "distribution"})


def catalogue(name: str | None = None, width: int = WIDEST) -> Iterator[str]:
    """Yield the lines of `braintorrent list`: of all, of one section, or of the kinds of a name.

    Raises ScenarioError for a name that nothing has.
    """
    found = _entries(min(max(width, NARROWEST), WIDEST))
    if name is not None:
        found = _named(name, found)
    for number, (section, entries) in enumerate(found.items()):
        yield from ["", section] if number else [section]
        for lines in entries.values():
            yield from lines


def _entries(width: int) -> Mapping[str, Mapping[str, Iterator[str]]]:
    """The lines of each entry, by section and name."""
    kinds = {
        section: {kind: _kind(kind, settings, width) for kind, settings in registry.items()}
        for section, registry in sections().items()
    }
    texts = {
        title: {name: iter(_wrapped(f"  {name:<16} ", text, width)) for name, text in rows()}
        for title, rows in TEXTS.items()
    }
    return {**kinds, **texts}


def sections() -> Mapping[str, Mapping[str, type[BaseModel]]]:
    """All kinds by section and name, those of the active code among them."""
    return {name: {**registry, **dict(_own(name))} for name, registry in SECTIONS.items()}


def _own(section: str) -> Iterator[tuple[str, type[BaseModel]]]:
    if section in _BASES:
        yield from kinds(_BASES[section], own_network if section == "networks" else None)


def names() -> list[str]:
    """What may be asked for: sections and kinds, each once."""
    found = (name for registry in sections().values() for name in registry)
    told = (name for rows in TEXTS.values() for name, _ in rows())
    return list(dict.fromkeys((*SECTIONS, *TEXTS, *found, *told)))


def _named(
    name: str, known: Mapping[str, Mapping[str, Iterator[str]]]
) -> Mapping[str, Mapping[str, Iterator[str]]]:
    """The section of that name, or the entries, of which more than one section may have one."""
    if name in known:
        return {name: known[name]}
    having = {
        section: {name: entries[name]} for section, entries in known.items() if name in entries
    }
    if not having:
        near = difflib.get_close_matches(name, names(), n=1)
        what = "nothing is called so" + (f", did you mean {near[0]}?" if near else "")
        raise ScenarioError(f"{name}: {what}; allowed: {', '.join(names())}")
    return having


def _kind(name: str, settings: type[BaseModel], width: int) -> Iterator[str]:
    yield from _wrapped(f"  {name:<14} ", _first_line(settings), width)
    for field, info in settings.model_fields.items():
        if field not in _CHOOSERS:
            yield from _wrapped(f"    {field:<20} ", _field_text(info), width)


def _devices() -> Iterator[tuple[str, str]]:
    for name, device in DEVICES.items():
        yield name, f"{device.meaning}: {device.rate:g} {device.work}; {device.source}"


def _region_tables() -> Iterator[tuple[str, str]]:
    for name, table in TABLES.items():
        yield name, table.description


def _shipped() -> Iterator[tuple[str, str]]:
    # Loading the scenarios would cost more time than the whole rest of the list.
    files = resources.files("scenarios").iterdir()
    for file in sorted(files, key=lambda one: one.name):
        name, _, ending = file.name.rpartition(".")
        if ending == "yaml":
            yield name, first_comment(file.read_text(encoding="utf-8")) or ""


TEXTS: Mapping[str, Callable[[], Iterator[tuple[str, str]]]] = {
    "devices": _devices,
    "tables of regions": _region_tables,
    "shipped scenarios": _shipped,
}
"""What has names that a scenario may use, and no settings: by title a text for each of them."""


def _wrapped(start: str, text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=start, subsequent_indent=" " * len(start))


def _first_line(settings: type[BaseModel]) -> str:
    return (settings.__doc__ or "").strip().partition("\n")[0]


def _field_text(info: FieldInfo) -> str:
    notes = []
    if get_origin(info.annotation) is Literal:
        notes.append(" | ".join(map(str, get_args(info.annotation))))
    default = info.get_default(call_default_factory=True, validated_data={})
    if info.is_required():
        notes.append("required")
    elif default is None:
        notes.append("optional")
    else:
        # Through the field's own serialiser, so that quantities show their unit.
        kind: Any = Annotated[info.annotation, None, *info.metadata]
        shown = TypeAdapter(kind).dump_python(default, mode="json", exclude_none=True)
        notes.append(f"default {shown if isinstance(shown, str) else json.dumps(shown)}")
    noted = f"({'; '.join(notes)})"
    return f"{info.description} {noted}" if info.description else noted
