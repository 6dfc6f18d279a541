"""What a scenario can be made of: every kind with its one-line description and its settings."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from models.networks import NETWORKS
from models.partitions import PARTITIONS
from models.tasks import TASKS
from sim.faults import FAULTS
from sim.protocols import PROTOCOLS
from sim.scenario.loading import first_comment
from sim.world import DETECTORS

SECTIONS: Mapping[str, Mapping[str, type[BaseModel]]] = {
    "protocols": PROTOCOLS,
    "faults": FAULTS,
    "failure detection": DETECTORS,
    "tasks": TASKS,
    "networks": NETWORKS,
    "partitions": PARTITIONS,
}

LINE_WIDTH = 100
# These choose the entry itself, so they are not among its settings.
_CHOOSERS = frozenset({"kind", "name"})


def catalogue() -> Iterator[str]:
    """Yield the lines of `braintorrent list`."""
    for number, (section, registry) in enumerate(SECTIONS.items()):
        if number:
            yield ""
        yield section
        for name, settings in registry.items():
            yield from _wrapped(f"  {name:<14} ", _first_line(settings))
            for field, info in settings.model_fields.items():
                if field not in _CHOOSERS:
                    yield from _wrapped(f"    {field:<20} ", _field_text(info))

    yield ""
    yield "shipped scenarios"
    for name, question in _shipped():
        yield from _wrapped(f"  {name:<16} ", question)


def _shipped() -> Iterator[tuple[str, str]]:
    # Loading the scenarios would cost more time than the whole rest of the list.
    files = resources.files("scenarios").iterdir()
    for file in sorted(files, key=lambda one: one.name):
        name, _, ending = file.name.rpartition(".")
        if ending == "yaml":
            yield name, first_comment(file.read_text(encoding="utf-8")) or ""


def _wrapped(start: str, text: str) -> list[str]:
    return textwrap.wrap(text, LINE_WIDTH, initial_indent=start, subsequent_indent=" " * len(start))


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
    return f"{info.description} ({'; '.join(notes)})"
