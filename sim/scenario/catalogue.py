"""What a scenario can be made of: every kind with its one-line description and its settings."""

import difflib
import json
import textwrap
from collections.abc import Iterator, Mapping
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
from sim.record.settings.distributions import DISTRIBUTIONS
from sim.scenario.loading import first_comment
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
        "network": NetworkSettings,
        "server": ServerSettings,
        "training": TrainingSettings,
        "evaluation": EvaluationSettings,
        "target": GoalSettings,
        "output": OutputSettings,
    },
}
SHIPPED = "shipped scenarios"
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
    width = min(max(width, NARROWEST), WIDEST)
    chosen = sections() if name is None or name == SHIPPED else _named(name)
    for number, (section, registry) in enumerate(chosen.items()):
        if name != SHIPPED:
            yield from ["", section] if number else [section]
            for kind, settings in registry.items():
                yield from _kind(kind, settings, width)
    if name in (None, SHIPPED):
        yield from ["", SHIPPED] if name is None else [SHIPPED]
        for scenario, question in _shipped():
            yield from _wrapped(f"  {scenario:<16} ", question, width)


def sections() -> Mapping[str, Mapping[str, type[BaseModel]]]:
    """All kinds by section and name, those of the active code among them."""
    return {name: {**registry, **dict(_own(name))} for name, registry in SECTIONS.items()}


def _own(section: str) -> Iterator[tuple[str, type[BaseModel]]]:
    if section in _BASES:
        yield from kinds(_BASES[section], own_network if section == "networks" else None)


def names() -> list[str]:
    """What may be asked for: sections and kinds, each once."""
    found = (name for registry in sections().values() for name in registry)
    return list(dict.fromkeys((*SECTIONS, SHIPPED, *found)))


def _named(name: str) -> Mapping[str, Mapping[str, type[BaseModel]]]:
    """The section of that name, or the kinds, of which more than one section may have one."""
    known = sections()
    if name in known:
        return {name: known[name]}
    having = {
        section: {name: registry[name]} for section, registry in known.items() if name in registry
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


def _shipped() -> Iterator[tuple[str, str]]:
    # Loading the scenarios would cost more time than the whole rest of the list.
    files = resources.files("scenarios").iterdir()
    for file in sorted(files, key=lambda one: one.name):
        name, _, ending = file.name.rpartition(".")
        if ending == "yaml":
            yield name, first_comment(file.read_text(encoding="utf-8")) or ""


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
