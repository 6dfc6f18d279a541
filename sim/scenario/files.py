"""The files that a scenario names: read where they say what it is, found where they are data."""

import os
from collections.abc import Sequence
from pathlib import Path as FilePath

from models.tasks import TASKS, TaskSettings
from sim.record.code import own
from sim.record.errors import Place, Refusal, scenario_error
from sim.scenario.yaml_loader import Document, read_text

_LARGEST_MATRIX_BYTES = 500_000
MATRIX = ("network", "latency", "matrix")
"""Where a scenario names a table of latencies."""


def complete(document: Document, folder: FilePath) -> None:
    """Put in what the files hold, or where they are; relative paths begin at ``folder``.

    Raises ScenarioError for a table of latencies that can't be read.
    """
    _complete_task_paths(document, folder)
    _read_latencies(document, folder)


def _read_latencies(document: Document, folder: FilePath) -> None:
    """Replace the file name at ``network.latency.matrix``, if there is one, by the file's rows."""
    latency = document.value
    for part in MATRIX[:-1]:
        latency = latency.get(part) if isinstance(latency, dict) else None
    if not isinstance(latency, dict) or not isinstance(latency.get("matrix"), str):
        return
    path = folder / latency["matrix"]
    if not path.is_file():
        what = f"no such file {latency['matrix']!r}"
        raise scenario_error(document.place(MATRIX), MATRIX, what, "a CSV file of numbers")
    rows: list[list[float]] = []
    latency["matrix"] = rows
    for line, text in enumerate(read_text(path, _LARGEST_MATRIX_BYTES).splitlines(), start=1):
        if not text.strip():
            continue
        row: list[float] = []
        column = 1
        for cell in text.split(","):
            here = Place(str(path), line, column)
            row.append(_number(cell, here))
            document.values[(*MATRIX, len(rows), len(row) - 1)] = here
            column += len(cell) + 1
        document.values[(*MATRIX, len(rows))] = Place(str(path), line, 1)
        rows.append(row)


def _number(cell: str, place: Place) -> float:
    try:
        return float(cell)
    except ValueError:
        what = f"{cell.strip()!r} is not a number"
        raise scenario_error(place, MATRIX, what, "numbers, separated by commas") from None


def _complete_task_paths(document: Document, folder: FilePath) -> None:
    """Let the paths that ``task`` names, which are relative to ``folder``, say where they lead.

    Links are not followed: what a file names in turn is relative to where the user put it.
    """
    task = document.value.get("task")
    kind = task.get("name") if isinstance(task, dict) else None
    for name in _paths_of(kind) if isinstance(kind, str) else ():
        if isinstance(path := task.get(name), str) and path:
            task[name] = os.path.abspath(folder / path)


def _paths_of(kind: str) -> Sequence[str]:
    """The settings that are paths, of a task of that name; what is none is told later."""
    try:
        found = TASKS.get(kind) or own(kind)
    except Refusal:
        return ()
    return found.paths if isinstance(found, type) and issubclass(found, TaskSettings) else ()
