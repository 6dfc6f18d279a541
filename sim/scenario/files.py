"""The files that a scenario names: read where they say what it is, found where they are data."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path as FilePath
from typing import Any

from models.tasks import TASKS, TaskSettings
from sim.faults import FAULTS, Fault
from sim.record.cells import cells, number
from sim.record.code import own
from sim.record.delimited import dialect
from sim.record.errors import (
    Mistakes,
    Path,
    Place,
    Refusal,
    did_you_mean,
    scenario_error,
    shown,
)
from sim.scenario.regions import TABLES as REGION_TABLES
from sim.scenario.yaml_loader import LINE_END, Document, read_text

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
    if not _is_file(file):
        what = f"no such file {shown(name)}"
        raise scenario_error(document.place(path), path, what, f"a CSV file of {content}")
    rows: list[list[Any]] = []
    part[key] = rows
    for here, row in _rows(file, path):
        for column, (_, place) in enumerate(row):
            document.values[(*path, len(rows), column)] = place
        document.values[(*path, len(rows))] = here
        rows.append([read(cell, path, place) for cell, place in row])


def _is_file(file: FilePath) -> bool:
    """Whether a file has that name: one that is too long for the system has none."""
    try:
        return file.is_file()
    except OSError:
        return False


def _part(document: Document, path: Path) -> dict[str | int, Any]:
    """The mapping above ``path``; an empty one if none is there."""
    part = document.value
    for step in path[:-1]:
        part = part.get(step) if isinstance(part, dict) else None
    return part if isinstance(part, dict) else {}


def _rows(file: FilePath, path: Path) -> Iterator[tuple[Place, list[tuple[str, Place]]]]:
    """Each line that isn't blank: its place, and its cells, stripped, with theirs.

    `path`: what names the file, for mistakes.
    """
    text = read_text(file, _LARGEST_TABLE_BYTES)
    try:
        how = dialect(file, "a CSV file", path)
    except Refusal as refusal:
        raise scenario_error(Place(str(file)), path, refusal.what, refusal.allowed) from None
    for line, written in enumerate(LINE_END.split(text), start=1):
        if line <= how.skipped or not written.strip():
            continue
        try:
            row = [
                (cell.strip(), Place(str(file), line, column))
                for cell, column in cells(written, how.separator)
            ]
        except Refusal as refusal:
            place = Place(str(file), line, int(refusal.path[0]))
            raise scenario_error(place, path, refusal.what, refusal.allowed) from None
        yield Place(str(file), line, 1), row


def _read_regions(document: Document, folder: FilePath) -> None:
    """Replace the name of a file with a table of regions, if there is one, by the regions."""
    part, key = _part(document, _REGIONS), _REGIONS[-1]
    if not isinstance(name := part.get(key), str) or name in REGION_TABLES:
        return
    file = folder / name
    if not _is_file(file):
        what = f"no such file {shown(name)}{did_you_mean(name, REGION_TABLES)}"
        allowed = f"{', '.join(REGION_TABLES)}, or a CSV file of regions"
        raise scenario_error(document.place(_REGIONS), _REGIONS, what, allowed)
    rows = _rows(file, _REGIONS)
    _, header = next(rows, (None, []))
    columns = [column for column, _ in header[1:]]
    if len(set(columns)) < max(1, len(columns)):
        what, allowed = "has no header of different names", "region,NAME,...,uplink,downlink"
        raise scenario_error(Place(str(file)), _REGIONS, what, allowed)
    part[key] = regions = dict[str, Any]()
    for here, ((region, _), *row) in rows:
        path = (*_REGIONS, region)
        if len(row) != len(columns) or region in regions:
            twice = region in regions
            wrong = f"{shown(region)} is there twice" if twice else f"has {len(row) + 1} cells"
            allowed = f"{len(columns) + 1} in each line, as in the header; each region once"
            raise scenario_error(here, _REGIONS, wrong, allowed)
        document.values[path] = here
        regions[region] = _region(document, path, dict(zip(columns, row, strict=True)))


def _region(document: Document, path: Path, row: Mapping[str, tuple[str, Place]]) -> dict[str, Any]:
    """One region's settings; the columns that have no meaning of their own are regions."""
    latency = dict[str, str]()
    region: dict[str, Any] = {"latency": latency}
    for column, (text, place) in row.items():
        if text:
            is_own = column in ("uplink", "downlink", "utc_offset")
            (region if is_own else latency)[column] = text
            document.values[(*path, column) if is_own else (*path, "latency", column)] = place
    return region


def _number(cell: str, path: Path, place: Place) -> float:
    if (found := number(cell)) is None:
        what = f"{shown(cell)} is not a number"
        raise scenario_error(place, path, what, "numbers as 12, 0.5 or 1e3, separated by commas")
    return found


def _text(cell: str, path: Path, place: Place) -> str:
    return cell


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
