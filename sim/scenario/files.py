"""The files that a scenario names: read where they say what it is, found where they are data."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path as FilePath
from typing import Any

from models.tasks import TASKS, TaskSettings
from sim.record.code import own
from sim.record.errors import Mistakes, Path, Place, Refusal, scenario_error
from sim.scenario.yaml_loader import Document, read_text

_LARGEST_TABLE_BYTES = 500_000
_MATRIX = ("network", "latency", "matrix")
_Read = Callable[[str, Path, Place], Any]
"""What a cell means: its text, the table's path and the cell's place."""


def complete(document: Document, folder: FilePath) -> None:
    """Put in what the files hold, or where they are; relative paths begin at ``folder``.

    Raises ScenarioError for tables that can't be read.
    """
    _complete_task_paths(document, folder)
    mistakes = Mistakes()
    for path, (content, read) in _tables(document).items():
        with mistakes.collected():
            _read_table(document, path, folder, content, read)
    mistakes.tell()


def tables(document: Document) -> list[Path]:
    """Where a scenario may name a table in place of its rows."""
    return list(_tables(document))


def _tables(document: Document) -> dict[Path, tuple[str, _Read]]:
    """By path what a table holds, and how its cells are read."""
    protocols = document.value.get("protocols")
    names = protocols if isinstance(protocols, dict) else ()
    topologies = [("topology",), *(("protocols", name, "topology") for name in names)]
    pairs = {(*path, "pairs"): ("two clients a line", _text) for path in topologies}
    return {_MATRIX: ("numbers", _number), **pairs}


def _read_table(
    document: Document, path: Path, folder: FilePath, content: str, read: _Read
) -> None:
    """Replace the file name at ``path``, if there is one, by the file's rows."""
    *above, key = path
    part = document.value
    for step in above:
        part = part.get(step) if isinstance(part, dict) else None
    if not isinstance(part, dict) or not isinstance(part.get(key), str):
        return
    file = folder / part[key]
    if not file.is_file():
        what = f"no such file {part[key]!r}"
        raise scenario_error(document.place(path), path, what, f"a CSV file of {content}")
    rows: list[list[Any]] = []
    part[key] = rows
    for line, text in enumerate(read_text(file, _LARGEST_TABLE_BYTES).splitlines(), start=1):
        if not text.strip():
            continue
        row: list[Any] = []
        column = 1
        for cell in text.split(","):
            here = Place(str(file), line, column)
            row.append(read(cell, path, here))
            document.values[(*path, len(rows), len(row) - 1)] = here
            column += len(cell) + 1
        document.values[(*path, len(rows))] = Place(str(file), line, 1)
        rows.append(row)


def _number(cell: str, path: Path, place: Place) -> float:
    try:
        return float(cell)
    except ValueError:
        what = f"{cell.strip()!r} is not a number"
        raise scenario_error(place, path, what, "numbers, separated by commas") from None


def _text(cell: str, path: Path, place: Place) -> str:
    return cell.strip()


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
