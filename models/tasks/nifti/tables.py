"""A user's CSV files, read strictly: a misspelt column must not pass for one that is left out."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sim.record.errors import Refusal

SCANS = ("task", "scans")
LABEL_MAP = ("task", "label_map")
"""The settings that lead to a user's files, and so to the mistakes in them."""


@dataclass(frozen=True)
class Columns:
    """What a table may hold. A `filled` column is there and has no empty cell.

    `present` ones are there, and may have empty cells; so may `optional` ones, which may be
    missing.
    """

    filled: tuple[str, ...]
    present: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Every column by its name."""
        return (*self.filled, *self.present, *self.optional)


@dataclass(frozen=True)
class Row:
    """One line of a table; `place` names the file and line; `cells` have no outer spaces."""

    place: str
    cells: dict[str, str]


def table(file: Path, columns: Columns, setting: tuple[str, ...]) -> list[Row]:
    """All rows of a comma-separated file whose first line names its columns.

    Raises Refusal, at `setting`, at the first line that does not fit `columns`.
    """
    allowed = f"the columns {', '.join(columns.all)}, separated by commas"
    lines = _lines(file, setting)
    _, header = next(lines, (0, []))
    for name in (*columns.filled, *columns.present):
        if name not in header:
            raise Refusal(f"{file}: no column {name!r}", allowed, setting)
    for name in header:
        if name not in columns.all:
            raise Refusal(f"{file}: unknown column {name!r}", allowed, setting)
        if header.count(name) > 1:
            raise Refusal(f"{file}: two columns {name!r}", "each column once", setting)
    rows = []
    for number, cells in lines:
        place = f"{file}, line {number}"
        if len(cells) != len(header):
            what = f"{place}: {len(cells)} cells under {len(header)} columns"
            raise Refusal(what, "a cell for each column", setting)
        row = Row(place, dict(zip(header, cells, strict=True)))
        for name in columns.filled:
            if not row.cells[name]:
                raise Refusal(f"{place}: no {name}", f"a value for {name}", setting)
        rows.append(row)
    if not rows:
        raise Refusal(f"{file}: no rows", "one row or more below the columns' names", setting)
    return rows


def _lines(file: Path, setting: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """The cells of each line that isn't empty, with the line's number."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield reader.line_num, [cell.strip() for cell in cells]
    except FileNotFoundError:
        raise Refusal(f"{file}: no such file", "a CSV file", setting) from None
    except OSError as error:
        raise Refusal(f"{file}: can't be read ({error.strerror})", "a CSV file", setting) from None
    except UnicodeDecodeError:
        raise Refusal(f"{file}: is not text in UTF-8", "a CSV file", setting) from None
    except csv.Error as error:
        raise Refusal(f"{file}: is no CSV file ({error})", "a CSV file", setting) from None
