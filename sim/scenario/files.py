"""The files that a scenario names: read where they say what it is, found where they are data."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path as FilePath
from typing import Any

from models.tasks import TASKS, TaskSettings
from sim.faults import FAULTS, Fault
from sim.record.code import own
from sim.record.errors import Mistakes, Path, Place, Refusal, did_you_mean, scenario_error
from sim.scenario.regions import TABLES as REGION_TABLES
from sim.scenario.yaml_loader import Document, read_text

_LARGEST_TABLE_BYTES = 500_000
_MATRIX = ("network", "latency", "matrix")
_REGIONS = ("network", "regions", "table")
_Read = Callable[[str, Path, Place], Any]
"""What a cell means: its text, the table's path and the cell's place."""
_WithData = TaskSettings | Fault


def complete(document: Document, folder: FilePath) -> None:
    """Put in what the files hold, or where they are; relative paths begin at ``folder``.

    Raises ScenarioError for tables that can't be read.
    """
    _complete_paths(document, folder)
    mistakes = Mistakes()
    for path, (content, read) in _tables(document).items():
        with mistakes.collected():
            _read_table(document, path, folder, content, read)
    with mistakes.collected():
        _read_regions(document, folder)
    mistakes.tell()


def tables(document: Document) -> list[Path]:
    """Where a scenario may name a table in place of its rows."""
    return [*_tables(document), _REGIONS]


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
    part, key = _part(document, path), path[-1]
    if not isinstance(name := part.get(key), str):
        return
    file = folder / name
    if not file.is_file():
        what = f"no such file {name!r}"
        raise scenario_error(document.place(path), path, what, f"a CSV file of {content}")
    rows: list[list[Any]] = []
    part[key] = rows
    for here, cells in _cells(file):
        for column, (_, place) in enumerate(cells):
            document.values[(*path, len(rows), column)] = place
        document.values[(*path, len(rows))] = here
        rows.append([read(cell, path, place) for cell, place in cells])


def _part(document: Document, path: Path) -> dict[str | int, Any]:
    """The mapping above ``path``; an empty one if none is there."""
    part = document.value
    for step in path[:-1]:
        part = part.get(step) if isinstance(part, dict) else None
    return part if isinstance(part, dict) else {}


def _cells(file: FilePath) -> Iterator[tuple[Place, list[tuple[str, Place]]]]:
    """Each line that isn't blank: its place, and its cells with theirs."""
    for line, text in enumerate(read_text(file, _LARGEST_TABLE_BYTES).splitlines(), start=1):
        cells, column = [], 1
        for cell in text.split(",") if text.strip() else ():
            cells.append((cell, Place(str(file), line, column)))
            column += len(cell) + 1
        if cells:
            yield Place(str(file), line, 1), cells


def _read_regions(document: Document, folder: FilePath) -> None:
    """Replace the name of a file with a table of regions, if there is one, by the regions."""
    part, key = _part(document, _REGIONS), _REGIONS[-1]
    if not isinstance(name := part.get(key), str) or name in REGION_TABLES:
        return
    file = folder / name
    if not file.is_file():
        what = f"no such file {name!r}{did_you_mean(name, REGION_TABLES)}"
        allowed = f"{', '.join(REGION_TABLES)}, or a CSV file of regions"
        raise scenario_error(document.place(_REGIONS), _REGIONS, what, allowed)
    rows = _cells(file)
    _, header = next(rows, (None, []))
    columns = [column.strip() for column, _ in header[1:]]
    if len(set(columns)) < max(1, len(columns)):
        what, allowed = "has no header of different names", "region,NAME,...,uplink,downlink"
        raise scenario_error(Place(str(file)), _REGIONS, what, allowed)
    part[key] = regions = dict[str, Any]()
    for here, ((region, _), *cells) in rows:
        path = (*_REGIONS, name := region.strip())
        if len(cells) != len(columns) or name in regions:
            wrong = f"{name} is there twice" if name in regions else f"has {len(cells) + 1} cells"
            allowed = f"{len(columns) + 1} in each line, as in the header; each region once"
            raise scenario_error(here, _REGIONS, wrong, allowed)
        document.values[path] = here
        regions[name] = _region(document, path, dict(zip(columns, cells, strict=True)))


def _region(
    document: Document, path: Path, cells: Mapping[str, tuple[str, Place]]
) -> dict[str, Any]:
    """One region's settings; the columns that have no meaning of their own are regions."""
    latency = dict[str, str]()
    region: dict[str, Any] = {"latency": latency}
    for column, (cell, place) in cells.items():
        if text := cell.strip():
            is_own = column in ("uplink", "downlink", "utc_offset")
            (region if is_own else latency)[column] = text
            document.values[(*path, column) if is_own else (*path, "latency", column)] = place
    return region


def _number(cell: str, path: Path, place: Place) -> float:
    try:
        return float(cell)
    except ValueError:
        what = f"{cell.strip()!r} is not a number"
        raise scenario_error(place, path, what, "numbers, separated by commas") from None


def _text(cell: str, path: Path, place: Place) -> str:
    return cell.strip()


def _complete_paths(document: Document, folder: FilePath) -> None:
    """Let the paths of data, which are relative to ``folder``, say where they lead.

    Links are not followed: what a file names in turn is relative to where the user put it.
    """
    for part, kind in _with_data(document.value):
        for name in kind.paths:
            if isinstance(path := part.get(name), str) and path:
                part[name] = os.path.abspath(folder / path)


def _with_data(value: dict[str, Any]) -> Iterator[tuple[dict[str, Any], type[_WithData]]]:
    """The parts that may name files of data, each with its kind; what is none is told later."""
    yield from _of_kind(value.get("task"), "name", TASKS, TaskSettings)
    faults = value.get("faults")
    for fault in faults.values() if isinstance(faults, dict) else ():
        yield from _of_kind(fault, "kind", FAULTS, Fault)


def _of_kind(
    part: Any, key: str, registry: Mapping[str, type[_WithData]], base: type[_WithData]
) -> Iterator[tuple[dict[str, Any], type[_WithData]]]:
    if isinstance(part, dict) and isinstance(name := part.get(key), str):
        with suppress(Refusal):
            kind = registry.get(name) or own(name)
            if isinstance(kind, type) and issubclass(kind, base):
                yield part, kind
