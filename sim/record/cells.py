"""What a CSV file that a user gives holds, cell by cell, and how a number in it is read."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from sim.record.errors import Refusal

_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")


class Cell(NamedTuple):
    """The text of a cell without the quotation marks around it, and its column from 1.

    That of an empty cell at a line's end is the separator's before it, the last that there is.
    """

    text: str
    column: int


def cells(line: str, separator: str = ",") -> Iterator[Cell]:
    """The cells of a line, by RFC 4180. Raises Refusal at a quotation mark that stands alone."""
    ends, position = rf"(?={re.escape(separator)}|$)", 0
    blanks = r"[ \t]*" if separator != "\t" else " *"
    cell = re.compile(rf'{blanks}"((?:[^"]|"")*)"{blanks}{ends}|([^{re.escape(separator)}]*){ends}')
    while position <= len(line):
        match = cell.match(line, position)
        assert match is not None  # Any text is a cell, if no other.
        quoted, plain = match.groups()
        if plain is not None and plain.lstrip().startswith('"'):
            what = "has a quotation mark that is not closed, or not at the cell's end"
            raise Refusal(what, 'a cell as "a, ""b""", in one line', (position + 1,))
        column = max(1, min(position + 1, len(line)))
        yield Cell(quoted.replace('""', '"') if plain is None else plain, column)
        position = match.end() + 1


def number(text: str) -> float | None:
    """The number in a cell, as 12, -0.5 or 1e3; None for any other text."""
    plain = text.strip(" \t")
    return float(plain) if _NUMBER.fullmatch(plain) else None
