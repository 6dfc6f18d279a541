"""The scenario's settings in rows that can be read, with units that can be thought in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from analysis.figures.scale import size_scale
from analysis.report.tables import Table
from analysis.results import Results
from sim.record.units import quantity

_LEFT_OUT = ("name", "question")
_PLAIN = "run"
"""Where the settings stand that are in no part."""
_HOUR_S, _MINUTE_S = 3600.0, 60.0


def settings_tables(results: Results) -> tuple[Table, ...]:
    """A table for each part of the scenario, a row for each setting; what is varied says so.

    A row's name is the path within the part, so that both together are what `--set` takes.
    """
    rows = dict(_flat({k: v for k, v in results.settings.items() if k not in _LEFT_OUT}, ""))
    for path in results.paths:
        values = dict.fromkeys(str(text) for text in results.written[path])
        rows[path] = f"varied: {', '.join(values)}"
    parts: dict[str, list[tuple[str, str]]] = {}
    for path, text in rows.items():
        part, _, name = path.partition(".")
        parts.setdefault(part if name else _PLAIN, []).append((name or part, text))
    columns = ("setting", "value")
    return tuple(Table(part, columns, tuple(own), 1) for part, own in parts.items())


def _flat(part: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(part, Mapping) and part:
        for name, inner in part.items():
            yield from _flat(inner, f"{path}.{name}" if path else str(name))
    else:
        yield path, readable(part)


def readable(value: Any) -> str:
    """A setting's value as a person would write it; a quantity of a stored scenario included."""
    if isinstance(value, str):
        found = quantity(value)
        return value if found is None else _amount(*found)
    if isinstance(value, Sequence):
        return ", ".join(readable(one) for one in value) or "none"
    if value is None or value == {}:
        return "none"
    return json.dumps(value, ensure_ascii=False)


def _amount(amount: float, kind: str) -> str:
    if kind == "B/s":
        bits = amount * 8
        return f"{bits * 1e-9:g} Gbit/s" if bits >= 1e9 else f"{bits * 1e-6:g} Mbit/s"
    if kind == "1/s":
        return f"{amount * _HOUR_S:g} per hour"
    if kind == "B":
        scale = size_scale(amount)
        return f"{amount * scale.factor:g} {scale.unit}"
    for size, unit in ((_HOUR_S, "h"), (_MINUTE_S, "min"), (1.0, "s")):
        if amount >= size and (amount / size).is_integer():
            return f"{amount / size:g} {unit}"
    return f"{amount:g} s" if amount >= 1 or amount == 0 else f"{amount * 1000:g} ms"
