"""Spans of time that a CSV file lists of nodes: read in columns, and checked to the last cell."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim.record.cells import Cell, cells, number
from sim.record.delimited import TEXT, Dialect, dialect, opened
from sim.record.errors import Place, Refusal, shown
from sim.record.settings import LONGEST_S, file_digest

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ("node", "from", "until")
ALLOWED = "a CSV file with the columns node, from and until"
_FILE = ("file",)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_Mistake = tuple[int, str, str]
"""In a row: the column, what is wrong there, and what would be right."""


@dataclass(frozen=True)
class Spans:
    """What a file lists, in arrays: its rows may be a million.

    `names`: the nodes, as they first appear in the file. `rows` [n, 2]: from when to when, in
    seconds; one node's after the other's, each's in the order of time, and none that touch.
    `firsts` [names + 1]: where each node's begin.
    """

    names: tuple[str, ...]
    rows: Floats
    firsts: Ints

    def of(self, number: int) -> Floats:
        """The spans [n, 2] of the node of that number."""
        return self.rows[self.firsts[number] : self.firsts[number + 1]]

    def contrary(self) -> Spans:
        """All the other time from 0 on, of the same nodes."""
        from_s = np.insert(self.rows[:, 1], self.firsts[:-1], 0.0)
        until_s = np.insert(self.rows[:, 0], self.firsts[1:], math.inf)
        whole = np.stack((from_s, until_s), axis=1)
        return Spans(self.names, whole, self.firsts + np.arange(len(self.firsts))).begun_at(0.0)

    def begun_at(self, offset_s: float) -> Spans:
        """The same for who begins to look then, and calls that 0: what is over is gone."""
        rows = np.maximum(self.rows - offset_s, 0.0)
        left = rows[:, 1] > rows[:, 0]
        return Spans(self.names, rows[left], np.r_[0, np.cumsum(left)][self.firsts])


def sha256_of(file: str) -> str:
    """Names what a file holds. Raises Refusal if it can't be read."""
    return file_digest(Path(file), ALLOWED, _FILE).hex()


@lru_cache(maxsize=8)  # Each protocol and seed asks.
def read(file: str, sha256: str, unit_s: float) -> Spans:
    """What the file lists, whose numbers are of `unit_s` seconds.

    Raises Refusal, saying where, if it isn't the one that `sha256` names, or for the first thing
    in it that can't be used.
    """
    if sha256_of(file) != sha256:
        allowed = "the file as it was, or a scenario without file_sha256"
        raise Refusal(f"{file} has changed since", allowed, ("file_sha256",))
    header = _header(file)
    table = _table(file, header, unit_s)
    if not len(table):
        raise Refusal(f"{file}: has no rows", "one or more", _FILE)
    nodes = table.column("node").combine_chunks()
    names, codes = nodes.dictionary.to_pylist(), nodes.indices.to_numpy()
    from_s, until_s = (unit_s * table.column(name).to_numpy() for name in COLUMNS[1:])
    if "" in names or not _fit(from_s, until_s):
        raise _first_wrong(file, header, unit_s)
    order = np.lexsort((from_s, codes))
    spans, codes = np.stack((from_s[order], until_s[order]), axis=1), codes[order]
    is_same, gaps_s = codes[1:] == codes[:-1], spans[1:, 0] - spans[:-1, 1]
    if (overlaps := is_same & (gaps_s < 0)).any():
        raise _overlap(file, header, np.stack((order[:-1][overlaps], order[1:][overlaps])))
    return _merged(tuple(names), codes, spans, is_same & (gaps_s == 0))


def place_of(file: str, name: str) -> Place:
    """Where a node is first named in a file that has been read."""
    column = _header(file).index("node")
    for line, row in _rows(file):
        if (cell := row[column]).text == name:
            return Place(file, line, cell.column)
    return Place(file)


def _merged(
    names: tuple[str, ...],
    codes: npt.NDArray[np.int32],
    spans: Floats,
    touches: npt.NDArray[np.bool_],
) -> Spans:
    """`touches` [rows - 1]: whether a row goes on where the one before it ends."""
    begins = np.flatnonzero(np.r_[True, ~touches])
    ends = np.flatnonzero(np.r_[~touches, True])
    whole = np.stack((spans[begins, 0], spans[ends, 1]), axis=1)
    return Spans(names, whole, np.searchsorted(codes[begins], np.arange(len(names) + 1)))


def _fit(from_s: Floats, until_s: Floats) -> bool:
    """Whether all are spans of time; what is missing is NaN, which isn't."""
    return bool(((from_s >= 0) & (until_s > from_s) & (until_s <= LONGEST_S)).all())


def _table(file: str, header: Sequence[str], unit_s: float) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv as arrow

    how, numbers = _how(file), dict.fromkeys(COLUMNS[1:], pa.float64())
    try:
        return arrow.read_csv(
            file,
            read_options=arrow.ReadOptions(
                use_threads=False,
                column_names=header,
                skip_rows=1 + how.skipped,
                block_size=1 << 20,
                encoding=how.encoding.removesuffix("-sig"),
            ),
            parse_options=arrow.ParseOptions(delimiter=how.separator),
            convert_options=arrow.ConvertOptions(
                include_columns=COLUMNS,
                column_types={"node": pa.dictionary(pa.int32(), pa.string()), **numbers},
                null_values=[""],
            ),
        ).unify_dictionaries()
    except pa.ArrowInvalid as error:
        raise _first_wrong(file, header, unit_s, str(error)) from None


# -- where it is wrong: by its text, line by line, once it is known that something is -------------


def _how(file: str) -> Dialect:
    """How its rows are written."""
    return dialect(Path(file), ALLOWED, _FILE)


def _lines(file: str) -> Iterator[tuple[int, list[Cell]]]:
    """The lines from the columns' names on that aren't empty, with their numbers."""
    how = _how(file)
    with opened(Path(file), how) as stream:
        try:
            for number, line in enumerate(stream, start=1 + how.skipped):
                if text := line.rstrip("\r\n"):
                    yield number, _cells(Place(file, number), text, how.separator)
        except UnicodeError:
            raise Refusal(f"{file}: is no text in UTF-8", TEXT, _FILE) from None


def _cells(place: Place, text: str, separator: str) -> list[Cell]:
    try:
        return list(cells(text, separator))
    except Refusal as refusal:
        here = place._replace(column=int(refusal.path[0]))
        raise Refusal(f"{here}: {refusal.what}", refusal.allowed, _FILE) from None


def _rows(file: str) -> Iterator[tuple[int, list[Cell]]]:
    return itertools.islice(_lines(file), 1, None)


def _header(file: str) -> list[str]:
    """The columns' names, in small letters."""
    line, row = next(_lines(file), (1, []))
    names = [cell.text.strip().lower() for cell in row]
    for name in COLUMNS:
        if (count := names.count(name)) != 1:
            what = f"has {count or 'no'} column{'s' if count else ''} {name!r} in its first line"
            raise Refusal(f"{Place(file, line)}: {what}", ", ".join(COLUMNS), _FILE)
    return names


def _first_wrong(file: str, header: Sequence[str], unit_s: float, said: str = "") -> Refusal:
    """The first mistake in a row; if none is found, what the reader `said`."""
    for line, row in _rows(file):
        for column, what, allowed in _wrong(row, header, unit_s):
            return Refusal(f"{Place(file, line, column)}: {what}", allowed, _FILE)
    return Refusal(f"{file}: is no CSV file ({' '.join(said.split())})", ALLOWED, _FILE)


def _wrong(row: Sequence[Cell], header: Sequence[str], unit_s: float) -> Iterator[_Mistake]:
    if len(row) != len(header):
        yield 1, f"a row of {len(row)} cells", f"{len(header)}, as in the first line"
        return
    node, begin, end = (row[header.index(name)] for name in COLUMNS)
    if not node.text:
        yield node.column, "names no node", "a name"
    from_s, until_s = (_seconds(cell, unit_s) for cell in (begin, end))
    for cell, seconds in ((begin, from_s), (end, until_s)):
        if math.isnan(seconds):
            yield cell.column, f"{shown(cell.text)} is not a number", "a number"
        elif seconds < 0:
            what, allowed = f"{cell.text} is negative", "zero, when the file begins, or more"
            yield cell.column, what, allowed
        elif seconds > LONGEST_S:
            yield cell.column, f"{cell.text} is too large", f"at most {LONGEST_S:g} s"
    if until_s <= from_s:
        what = f"{end.text} is not after {begin.text}"
        yield end.column, what, "an end that comes after its beginning"


def _seconds(cell: Cell, unit_s: float) -> float:
    """NaN for what is no number."""
    found = number(cell.text)
    return math.nan if found is None else found * unit_s


def _overlap(file: str, header: Sequence[str], pairs: Ints) -> Refusal:
    """The first row of the file that overlaps one above it. `pairs` [2, n]: rows that overlap."""
    above, below = np.sort(pairs, axis=0)
    first = int(below.argmin())
    wanted = (int(above[first]), int(below[first]))
    (other, _), (line, row) = (each for k, each in enumerate(_rows(file)) if k in wanted)
    node, begin, _ = (row[header.index(name)] for name in COLUMNS)
    what = f"overlaps the span of {node.text} in line {other}"
    place = Place(file, line, begin.column)
    return Refusal(f"{place}: {what}", "spans of a node that are apart, or touch", _FILE)
