"""What differs between two scenarios as they were written, in a researcher's words.

A folder of results may grow: by more of what is listed (seeds, protocols, values of what is varied)
and by looking longer, or more often. Whatever else differs makes another scenario.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sim.record.errors import Path, ScenarioError, dotted
from sim.record.units import quantity
from sim.scenario.paths import entry
from sim.scenario.yaml_loader import parse

MAY_GROW = "seeds, protocols, values of a sweep, a longer duration, looks between those there are"
_MOST = 5
_LONGEST = 40
_DURATION, _EVERY = ("duration",), ("evaluation", "every")
_NOTHING = object()
"""What a setting has where it isn't."""


@dataclass(frozen=True)
class Changes:
    """What has changed, one readable line per setting.

    A part that is new or gone is one line; beyond five the last line counts the others.
    """

    grown: tuple[str, ...]
    """What is there still, and more of it."""
    others: tuple[str, ...]
    """What results that are there can't be a part of."""
    looks: bool
    """Whether models are scored when they weren't, long after the store has let go of them."""
    goes_back: bool = False
    """Whether it is less, what it was before it began to grow."""


class _Change(NamedTuple):
    path: Path
    old: Any
    new: Any

    @property
    def line(self) -> str:
        if self.old is _NOTHING:
            return f"{dotted(self.path)}: {_shown(self.new)} is new"
        if self.new is _NOTHING:
            return f"{dotted(self.path)}: {_shown(self.old)} is gone"
        return f"{dotted(self.path)}: {_shown(self.new)} was {_shown(self.old)}"


def changes(kept: str, wanted: str) -> Changes:
    """What `wanted` has changed since `kept`; both are texts that `dump` or `dump_sweep` wrote."""
    before, after = _sections(kept), _sections(wanted)
    # Of thousands of points only what differs is read: a whole scenario takes 10 ms.
    old, new = (
        "".join(text for name, text in these.items() if those.get(name) != text)
        for these, those in ((before, after), (after, before))
    )
    try:
        found = list(_changes((), _read(old), _read(new)))
        grown = [one for one in found if _is_more(one, before)]
    except ScenarioError:
        return Changes((), ("what it holds cannot be read",), looks=False)
    others = [one for one in found if one not in grown]
    looks = any(one.path in (_DURATION, _EVERY) for one in grown)
    return Changes(_lines(grown), _lines(others), looks)


def _sections(text: str) -> dict[str, str]:
    """By its name each of a scenario's own settings, as it stands in the text."""
    parts = re.split(r"^(?=[^\s\-])", text, flags=re.MULTILINE)
    return {part.partition(":")[0]: part for part in parts if part}


def _read(text: str) -> Any:
    return parse(text, "kept").value if text else {}


def _lines(found: Sequence[_Change]) -> tuple[str, ...]:
    lines = [one.line for one in found]
    if len(lines) > _MOST:
        lines[_MOST - 1 :] = [f"{len(lines) - _MOST + 1} more"]
    return tuple(lines)


def _changes(path: Path, old: Any, new: Any) -> Iterator[_Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*new, *(key for key in old if key not in new)]:
            yield from _changes((*path, key), old.get(key, _NOTHING), new.get(key, _NOTHING))
    elif (type(old), old) != (type(new), new):
        yield _Change(path, old, new)


def _is_more(change: _Change, kept: dict[str, str]) -> bool:
    """Whether all that there was is there still; `kept` has the sections that there were."""
    path, old, new = change
    if path == ("seeds",):
        return isinstance(old, list) and all(seed in new for seed in old)
    if path == _DURATION:
        return _seconds(new) > _seconds(old)
    if path == _EVERY:
        return (_seconds(old) / _seconds(new)).is_integer()
    if path[0] == "protocols":
        return len(path) == 2 and old is _NOTHING
    if path[0] == "sweep" and len(path) == 2 and new is not _NOTHING:
        # What hasn't been varied was there with one value.
        there = [_at(kept, str(path[1]))] if old is _NOTHING else _several(old)
        return all(any(_is_same(one, other) for other in _several(new)) for one in there)
    return False


def _at(sections: dict[str, str], path: str) -> Any:
    """What a scenario has at a path; nothing where it has none."""
    name, *inner = path.split(".")
    value = _read(sections.get(name, ""))
    for part in (name, *inner):
        if isinstance(value, list):
            index = entry(value, part)
            value = _NOTHING if index is None else value[index]
        else:
            value = value.get(part, _NOTHING) if isinstance(value, dict) else _NOTHING
    return value


def _several(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


def _is_same(one: Any, other: Any) -> bool:
    """Whether two values are one, however their quantities are written."""
    if isinstance(one, str) and isinstance(other, str):
        return one == other or None is not quantity(one) == quantity(other)
    return (type(one), one) == (type(other), other)


def _seconds(value: Any) -> float:
    """NaN, which is neither less nor more, for what a user has put there in the meantime."""
    found = quantity(value) if isinstance(value, str) else None
    return math.nan if found is None else found[0]


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
