"""What differs between two scenarios as they were written, in a researcher's words."""

from collections.abc import Iterator
from typing import Any

from sim.record.errors import Path, ScenarioError, dotted
from sim.scenario.yaml_loader import parse

_MOST = 5
_LONGEST = 40


def changes(kept: str, wanted: str) -> list[str]:
    """What ``wanted`` has changed since ``kept``, one readable line per setting, a few at most.

    Both are texts that ``dump`` or ``dump_sweep`` wrote. No changes: an empty list. A part that is
    new or gone is one line; beyond five the last line counts the others.
    """
    try:
        lines = list(_changes((), parse(kept, "kept").value, parse(wanted, "wanted").value))
    except ScenarioError:
        return ["what it holds cannot be read"]
    if len(lines) > _MOST:
        lines[_MOST - 1 :] = [f"{len(lines) - _MOST + 1} more"]
    return lines


def _changes(path: Path, old: Any, new: Any) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*new, *(key for key in old if key not in new)]:
            inner = (*path, key)
            if key not in old:
                yield f"{dotted(inner)}: {_shown(new[key])} is new"
            elif key not in new:
                yield f"{dotted(inner)}: {_shown(old[key])} is gone"
            else:
                yield from _changes(inner, old[key], new[key])
    elif (type(old), old) != (type(new), new):
        yield f"{dotted(path)}: {_shown(new)} was {_shown(old)}"


def _shown(value: Any) -> str:
    """A value in one line, about as YAML has it."""
    if isinstance(value, dict):
        text = "{" + ", ".join(f"{key}: {_shown(inner)}" for key, inner in value.items()) + "}"
    elif isinstance(value, list):
        text = "[" + ", ".join(map(_shown, value)) + "]"
    elif value is None or isinstance(value, bool):
        text = {None: "nothing", True: "true", False: "false"}[value]
    else:
        text = str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
