"""The parts of a scenario by their dotted paths: is there one, and what does it hold?

A room of its own because what may be varied is what a validated scenario consists of, defaults
included, whether or not its file mentions it.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from sim.record.errors import Place, dotted, scenario_error

if TYPE_CHECKING:
    from sim.scenario.scenario import Scenario

# These say what a sweep is; none of them changes the world.
FIXED = ("name", "question", "seeds", "sweep")


def at(scenario: Scenario, path: Sequence[str]) -> Any:
    """What the scenario holds at ``path``, which must be there."""
    value: Any = scenario
    for part in path:
        value = _child(value, part)
    return value


def check_path(scenario: Scenario, path: Sequence[str], place: Place) -> None:
    """Raise ScenarioError, with ``place``, unless a setting that may be varied is at ``path``."""
    value: Any = scenario
    for depth, part in enumerate(path):
        names = [name for name in _inside(value) if depth or name not in FIXED]
        if part not in names:
            what, allowed = _mistake(value, path[:depth], part, names)
            raise scenario_error(place, path[: depth + 1], what, allowed)
        value = _child(value, part)


def _mistake(value: Any, above: Sequence[str], part: str, names: list[str]) -> tuple[str, str]:
    """What is wrong with ``part`` of the ``value`` at ``above``, and what is allowed."""
    allowed = ", ".join(names)
    if not above and part in FIXED:
        return "is not varied", f"--seeds N, or {allowed}" if part == "seeds" else allowed
    if names:
        near = difflib.get_close_matches(part, names, n=1)
        return "no such setting" + (f", did you mean {near[0]}?" if near else ""), allowed
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
