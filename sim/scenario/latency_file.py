"""Measured latencies from a CSV file, read into the scenario so that it stands on its own."""

from __future__ import annotations

from pathlib import Path

from sim.record.errors import Place, scenario_error
from sim.scenario.yaml_loader import Document, read_text

_LARGEST_BYTES = 500_000
_WHERE = ("network", "latency", "matrix")


def with_latency_file(document: Document, folder: Path) -> None:
    """Replace the file name at ``network.latency.matrix``, if there is one, by the file's rows.

    The name is relative to ``folder``. Raises ScenarioError at the first entry that is no number.
    """
    latency = document.value
    for part in _WHERE[:-1]:
        latency = latency.get(part) if isinstance(latency, dict) else None
    if not isinstance(latency, dict) or not isinstance(latency.get("matrix"), str):
        return
    path = folder / latency["matrix"]
    if not path.is_file():
        what = f"no such file {latency['matrix']!r}"
        raise scenario_error(document.place(_WHERE), _WHERE, what, "a CSV file of numbers")
    rows: list[list[float]] = []
    latency["matrix"] = rows
    for line, text in enumerate(read_text(path, _LARGEST_BYTES).splitlines(), start=1):
        if not text.strip():
            continue
        row: list[float] = []
        column = 1
        for cell in text.split(","):
            here = Place(str(path), line, column)
            row.append(_number(cell, here))
            document.values[(*_WHERE, len(rows), len(row) - 1)] = here
            column += len(cell) + 1
        document.values[(*_WHERE, len(rows))] = Place(str(path), line, 1)
        rows.append(row)


def _number(cell: str, place: Place) -> float:
    try:
        return float(cell)
    except ValueError:
        what = f"{cell.strip()!r} is not a number"
        raise scenario_error(place, _WHERE, what, "numbers, separated by commas") from None
