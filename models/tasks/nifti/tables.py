"""A user's CSV files, read strictly: a misspelt column must not pass for one that is left out.

One of them says what the numbers in label files mean, and which of them are one structure.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.record.delimited import FORMULA_ERROR, dialect, named, readable, rows
from sim.record.errors import Refusal
from sim.record.metrics import OWN_SITE, VALIDATION

SCANS = ("task", "scans")
LABEL_MAP = ("task", "label_map")
"""The settings that lead to a user's files, and so to the mistakes in them."""

BACKGROUND = "background"
"""The group of ids that are no structure; id 0 always belongs to it."""

LARGEST_ID = 2**32 - 1
LARGEST_COUNT = 255
"""Of structures: a pixel's label is one byte."""

_CSV = "a CSV file"
_SHOWN = 5
_DENSE = 2**16
"""Up to this id a table of all ids is faster than a search, and small."""


@dataclass(frozen=True)
class Columns:
    """What a table may hold. A `filled` column is there and has no empty cell.

    `present` ones are there, and may have empty cells; so may `optional` ones, which may be
    missing.
    """

    filled: tuple[str, ...]
    present: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """One line of a table; `place` names the file and line; `cells` have no outer spaces."""

    place: str
    cells: dict[str, str]


def table(file: Path, columns: Columns, setting: tuple[str, ...]) -> list[Row]:
    """All rows of a table whose first line names its columns, in letters of any case.

    A first column without a name numbers the rows, and empty last ones are none: they are passed
    over, as are lines that begin with # and aren't rows. Raises Refusal, at `setting`, at the first
    line that does not fit `columns`.
    """
    known = (*columns.filled, *columns.present, *columns.optional)
    allowed = f"the columns {', '.join(known)}, separated by commas"
    lines = _lines(file, setting)
    _, written = next(lines, (0, []))
    header = [_meant(name, known) for name in written[: named(written)]]
    for name in (*columns.filled, *columns.present):
        if name not in header:
            raise Refusal(f"{file}: no column {name!r}", allowed, setting)
    for place, name in enumerate(header):
        if name not in known and (name or place):
            raise Refusal(f"{file}: unknown column {name!r}", allowed, setting)
        if name in known and header.count(name) > 1:
            raise Refusal(f"{file}: two columns {name!r}", "each column once", setting)
    found = [
        _row(f"{file}, line {number}", header, cells, columns, setting)
        for number, cells in lines
        if len(cells) == len(header) or not cells[0].startswith("#")
    ]
    if not found:
        raise Refusal(f"{file}: no rows", "one row or more below the columns' names", setting)
    return found


def assumed(file: Path, setting: tuple[str, ...]) -> list[str]:
    """What was made of a table that has been read and is not as plain as can be, a line each."""
    _, header = next(_lines(file, setting), (0, [""]))
    numbered = [] if header[0] else ["without its first column, which has no name"]
    found = [*dialect(file, _CSV, setting).assumed, *numbered]
    return [f"{file}: read {', '.join(found)}"] if found else []


def _meant(written: str, known: Iterable[str]) -> str:
    return written.casefold() if written.casefold() in known else written


def _row(
    place: str, header: list[str], cells: list[str], columns: Columns, setting: tuple[str, ...]
) -> Row:
    """Raises Refusal if the cells don't fit the header, or if one is empty that is to be filled."""
    if not any(cells[len(header) :]):
        cells = cells[: len(header)]
    if len(cells) != len(header):
        what = f"{place}: {len(cells)} cells under {len(header)} columns"
        raise Refusal(what, "a cell for each column", setting)
    for cell in cells:
        if re.fullmatch(FORMULA_ERROR, cell):
            raise Refusal(f"{place}: {cell!r} is a spreadsheet's error", "values", setting)
    row = Row(place, dict(zip(header, cells, strict=True)))
    for name in columns.filled:
        if not row.cells[name]:
            raise Refusal(f"{place}: no {name}", f"a value for {name}", setting)
    return row


def _lines(file: Path, setting: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """The cells of each line that isn't empty, with the line's number."""
    how = dialect(file, _CSV, setting)
    with readable(file, _CSV, setting):
        for number, cells in rows(file, how, strict=True):
            if any(cell.strip() for cell in cells):
                yield number, [cell.strip() for cell in cells]


@dataclass(frozen=True)
class LabelMap:
    """`numbers`: id in the files -> 0 for background, else 1 + the number of the structure."""

    structures: tuple[str, ...]
    numbers: dict[int, int]

    def applied(self, ids: npt.NDArray[Any], file: Path) -> npt.NDArray[np.uint8]:
        """The structure of each voxel; `ids` are whole numbers, whatever their type.

        Raises Refusal, naming `file`, if an id is not in the map.
        """
        found = np.unique(ids)
        unknown = [int(one) for one in found if int(one) not in self.numbers]
        if unknown:
            names = ", ".join(f"{one:.15g}" for one in unknown[:_SHOWN])
            more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
            voxels = np.isin(ids, unknown).sum()
            what = f"{file}: unknown label ids {names}{more} in {voxels} voxels"
            raise Refusal(what, "the ids of task.label_map", SCANS)
        numbers = np.array([self.numbers[int(one)] for one in found], dtype=np.uint8)
        if found[-1] > _DENSE:
            return np.asarray(numbers[np.searchsorted(found, ids)])
        known = np.zeros(int(found[-1]) + 1, dtype=np.uint8)
        known[found.astype(np.intp)] = numbers
        return np.asarray(known[ids.astype(np.intp)])


def read_label_map(file: Path) -> LabelMap:
    """The map in a CSV file with the columns id, name and group; structures in their order there.

    Raises Refusal if an id is no whole number, is there twice, or if no structure remains.
    """
    numbers: dict[int, int] = {}
    structures: list[str] = []
    for row in table(file, Columns(("id", "name"), ("group",)), LABEL_MAP):
        number, group = _id(row), row.cells["group"] or row.cells["name"]
        if number in numbers:
            raise Refusal(f"{row.place}: id {number} is there twice", "each id once", LABEL_MAP)
        if number == 0 and group != BACKGROUND:
            what = f"{row.place}: id 0 is in the group {group!r}"
            raise Refusal(what, f"{BACKGROUND}, or no row for id 0", LABEL_MAP)
        if group != BACKGROUND and group not in structures:
            # Metrics' names will end in it: none may be taken for another.
            if {"@", "#"} & set(group) or group in (OWN_SITE, VALIDATION):
                what = f"{row.place}: {group!r} is no name for a structure"
                allowed = f"names without @ and #, other than {OWN_SITE} and {VALIDATION}"
                raise Refusal(what, allowed, LABEL_MAP)
            structures.append(group)
        numbers[number] = 0 if group == BACKGROUND else 1 + structures.index(group)
    if not 1 <= len(structures) <= LARGEST_COUNT:
        what = f"{file}: {len(structures)} structures"
        raise Refusal(what, f"1 to {LARGEST_COUNT} groups", LABEL_MAP)
    return LabelMap(tuple(structures), {0: 0, **numbers})


def _id(row: Row) -> int:
    text = row.cells["id"]
    digits = text.isascii() and text.isdecimal() and len(text) <= len(str(LARGEST_ID))
    if not digits or int(text) > LARGEST_ID:
        what = f"{row.place}: {text!r} is no label id"
        raise Refusal(what, f"whole numbers up to {LARGEST_ID}", LABEL_MAP)
    return int(text)
