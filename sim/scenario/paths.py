"""The parts of a scenario by their dotted paths: looked up, checked, and overridden in a document.

What may be varied is what a validated scenario consists of, defaults included, whether or not its
file mentions it.
"""

import re
from collections.abc import Collection, Sequence
from typing import Any

from pydantic import BaseModel

from sim.record.errors import Path, Place, ScenarioError, did_you_mean, dotted, scenario_error
from sim.scenario.yaml_loader import DEEPEST, Document, parse

# These say what a sweep is; none of them changes the world.
FIXED = ("name", "question", "seeds", "sweep", "tune")
# What decides which settings may stand beside it.
_KINDS = ("kind", "name", "distribution", "optimizer")
_OVERRIDE = "PATH=VALUE, e.g. duration=1 h"


def at(scenario: BaseModel, path: Sequence[str]) -> Any:
    """What the scenario holds at ``path``, which must be there."""
    value: Any = scenario
    for part in path:
        value = _child(value, part)
    return value


def check_path(
    scenario: BaseModel, path: Sequence[str], place: Place, fixed: Collection[str] = FIXED
) -> None:
    """Raise ScenarioError, with ``place``, unless a setting that isn't fixed is at ``path``."""
    value: Any = scenario
    for depth, part in enumerate(path):
        names = [name for name in _inside(value) if depth or name not in fixed]
        if part not in names:
            what, allowed = _mistake(value, path[:depth], part, names)
            raise scenario_error(place, path[: depth + 1], what, allowed)
        value = _child(value, part)


def _mistake(value: Any, above: Sequence[str], part: str, names: list[str]) -> tuple[str, str]:
    """What is wrong with ``part`` of the ``value`` at ``above``, and what is allowed."""
    allowed = ", ".join(names)
    if not above and part in FIXED and part not in names:
        return "is not varied", f"--seeds N, or {allowed}" if part == "seeds" else allowed
    if names:
        return f"no such setting{did_you_mean(part, names)}", allowed
    if value is None or isinstance(value, dict | tuple):
        return f"the scenario has no {dotted(above)}", "what the scenario has; --set adds to it"
    return "leads into a single value", dotted(above)


def _inside(value: Any) -> Collection[str]:
    """The names of what a part of a scenario consists of."""
    if isinstance(value, BaseModel):
        return type(value).model_fields
    if isinstance(value, dict):
        return value
    return [str(index) for index in range(len(value))] if isinstance(value, tuple) else ()


def _child(value: Any, part: str) -> Any:
    if isinstance(value, BaseModel):
        return getattr(value, part)
    return value[part] if isinstance(value, dict) else value[int(part)]


def apply(document: Document, override: str, option: str = "--set") -> None:
    """Put the value of ``PATH=VALUE`` into ``document``, making mappings on the way.

    The value is YAML. ``option`` says in messages where the override was written. Raises
    ScenarioError if the override has no such form, or if its path leads through something that is
    neither a mapping nor a list with that entry.
    """
    place = Place(f"{option} {override}", line=0)
    written, equals, text = override.partition("=")
    parts = [part.strip() for part in written.split(".")]
    if not equals or not all(parts) or len(parts) > DEEPEST:
        raise scenario_error(place, (), "is no override", _OVERRIDE)
    try:
        inserted = parse(text, "value") if text.strip() else Document("value")
    except ScenarioError:
        what, allowed = f"{text!r} is no YAML value", "e.g. 20 s, 0.5 or [1, 2]"
        raise scenario_error(place, parts, what, allowed) from None
    put(document, parts, inserted, place)


def put(document: Document, parts: Sequence[str], inserted: Document, place: Place) -> None:
    """The same with a value that needs no reading; all of it is said to stand at ``place``."""
    container, path = _walk(document, parts[:-1], place)
    last = _step(container, parts[-1], path, place)
    container[last] = inserted.value
    path = (*path, last)
    _forget(document, path)
    document.keys[path] = document.values[path] = place
    for inner in inserted.values:
        document.values[path + inner] = place
        document.keys[path + inner] = place
    document.mappings |= {path + inner for inner in inserted.mappings}


def leave_defaults_to_the_kind(
    content: dict[str, Any], base: BaseModel, path: Sequence[str]
) -> None:
    """Where a kind is to change, take out the settings beside it that are at their defaults.

    They are no one's choice, and another kind may not know them or have others. ``content``: what
    ``base`` holds, as plain values.
    """
    settings = at(base, path[:-1])
    if path[-1] not in _KINDS or not isinstance(settings, BaseModel):
        return
    kept: Any = content
    for part in path[:-1]:
        kept = kept[part] if isinstance(kept, dict) else kept[int(part)]
    for name, field in type(settings).model_fields.items():
        if name != path[-1] and getattr(settings, name) == field.default:
            kept.pop(name, None)


def _walk(document: Document, parts: Sequence[str], place: Place) -> tuple[Any, Path]:
    """The mapping or list that ``parts`` leads to; missing and empty mappings are made."""
    if document.value is None:
        document.value = {}
    value: Any = document.value
    path: Path = ()
    for part in parts:
        step = _step(value, part, path, place)
        if isinstance(value, dict) and value.get(step) is None:
            value[step] = {}
            document.values[(*path, step)] = document.keys[(*path, step)] = place
            document.mappings.add((*path, step))
        value, path = value[step], (*path, step)
    return value, path


def _step(value: Any, part: str, path: Path, place: Place) -> Any:
    """``part`` as the key or index that it is in ``value``."""
    if isinstance(value, dict):
        return part
    if not isinstance(value, list):
        raise scenario_error(place, (*path, part), "leads into a single value", "an existing path")
    if (index := entry(value, part)) is not None:
        return index
    allowed = f"an entry from 0 to {len(value) - 1}" if value else "the whole list"
    raise scenario_error(place, (*path, part), "no such entry", allowed)


def entry(value: Sequence[Any], part: str) -> int | None:
    """The index that ``part`` of a path is in a list; None if the list has no such entry."""
    index = int(part) if re.fullmatch("[0-9]{1,9}", part) else len(value)
    return index if index < len(value) else None


def _forget(document: Document, path: Path) -> None:
    """Drop the places of what stood at ``path`` before."""
    for places in (document.keys, document.values):
        for known in [known for known in places if known[: len(path)] == path]:
            del places[known]
    document.mappings = {known for known in document.mappings if known[: len(path)] != path}
