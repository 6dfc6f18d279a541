"""How a user's text file writes its rows: spreadsheets keep to RFC 4180 each in their own way."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from io import StringIO
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple, TextIO

from sim.record import files
from sim.record.errors import Refusal

TEXT = "text in UTF-8 (Excel: save as CSV UTF-8), or in UTF-16 with its byte order mark"
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
"""The plainest first."""
_LOOKED_AT = 1 << 20
"""Characters: so wide a header may be, and rows enough to tell."""
_NOT_AVAILABLE = "N/A|N/A N/A|NA|NV|N/D|N/B|I/T|YOK|HI\u00c1NYZIK|\u041d/\u0414"
FORMULA_ERROR = rf"#[^\sa-z]+[!?]|#({_NOT_AVAILABLE})|###+|Err:\d+"
"""What spreadsheets write for a formula's error: Excel in many languages, in capitals from # to a
mark, but for what is not available; # where a column was too narrow; LibreOffice by number.
"""
_MARKS = (b"\xff\xfe", b"\xfe\xff")
"""What UTF-16 begins with."""


class Dialect(NamedTuple):
    """How a file's rows are written; `skipped`: lines before the first, comments and empty ones."""

    encoding: str = "utf-8-sig"
    separator: str = ","
    skipped: int = 0

    @property
    def assumed(self) -> list[str]:
        """What is not as RFC 4180 has it, to be said."""
        apart = f"separated by {_SEPARATORS[self.separator]}"
        lines = "line" if self.skipped == 1 else f"{self.skipped} lines"
        return [
            *([apart] if self.separator != "," else []),
            *(["in UTF-16"] if self.encoding == "utf-16" else []),
            *([f"without the {lines} before the columns' names"] if self.skipped else []),
        ]


@contextmanager
def readable(file: Path, allowed: str, setting: Sequence[str | int]) -> Iterator[None]:
    """Let what goes wrong as the block reads the text file be a Refusal at `setting`."""
    try:
        yield
    except FileNotFoundError:
        raise Refusal(f"{file}: no such file", allowed, setting) from None
    except OSError as error:
        raise Refusal(f"{file}: can't be read ({error.strerror})", allowed, setting) from None
    except UnicodeError:
        raise Refusal(f"{file}: is no text in UTF-8", TEXT, setting) from None
    except csv.Error as error:
        raise Refusal(f"{file}: is no CSV file ({error})", allowed, setting) from None


def dialect(file: Path, allowed: str, setting: Sequence[str | int]) -> Dialect:
    """How the rows of a file that begins with columns' names are written, as its beginning tells.

    Lines before the names that begin with # are comments; one may say `sep=;`, as Excel reads it.
    Of several separators that part the rows into as many cells as the names it is the one that
    gives the most. Raises Refusal at `setting` if two give as many, or if there is no such text.
    """
    with readable(file, allowed, setting):
        with files.opened(file) as raw:
            how = Dialect("utf-16" if raw.read(2) in _MARKS else "utf-8-sig")
        with opened(file, how) as stream:
            before = list(takewhile(_is_before, iter(partial(stream.readline, _LOOKED_AT), "")))
        how = how._replace(skipped=len(before))
        with opened(file, how) as stream:
            found = _said(before) or _separators(stream.read(_LOOKED_AT))
    if len(found) > 1:
        what = f"{file}: could be separated by {' or '.join(_SEPARATORS[one] for one in found)}"
        raise Refusal(what, f"quotes where cells hold one, or first a line sep={found[0]}", setting)
    return how._replace(separator=found[0])


@contextmanager
def opened(file: Path, how: Dialect) -> Iterator[TextIO]:
    """The file's text from its columns' names on, with its own line ends."""
    with file.open(encoding=how.encoding, newline="") as stream:
        for _ in range(how.skipped):
            stream.readline(_LOOKED_AT)
        yield stream


def rows(file: Path, how: Dialect, *, strict: bool = False) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row that isn't blank, the columns' names first, as they are written.

    With the number that an editor gives the line where the row begins. Raises csv.Error; if
    `strict`, for quotes out of place, too.
    """
    with opened(file, how) as stream:
        reader = csv.reader(stream, strict=strict, delimiter=how.separator)
        before = 0
        for cells in reader:
            if len(cells) > 1 or "".join(cells).strip():
                yield how.skipped + before + 1, cells
            before = reader.line_num


def named(names: Sequence[str]) -> int:
    """How many columns there are, but for the last ones that have no name."""
    return max((place for place, name in enumerate(names, start=1) if name.strip()), default=0)


def _is_before(line: str) -> bool:
    return line.startswith("#") or not line.strip() or bool(_said([line]))


def _said(lines: Iterable[str]) -> list[str]:
    """The separators that lines for spreadsheets name."""
    words = (line.strip("\r\n") for line in lines)
    return [word[4:] for word in words if word[:4].lower() == "sep=" and word[4:] in _SEPARATORS]


def _separators(text: str) -> list[str]:
    """Those that may be meant, the first alone if nothing tells."""
    first = next(StringIO(text, newline=""), "")
    # A name in quotes may go on in the next line.
    there = [one for one in _SEPARATORS if one in (text if first.count('"') % 2 else first)]
    if ";" in there and not re.search(r"(?<![0-9]),|,(?![0-9])", text):
        there = [one for one in there if one != ","]  # Each stands in a number.
    if len(there) < 2:
        return there or [","]
    counts = {one: _cells(text, one) for one in there}
    most = max(counts.values())
    return [one for one in there if counts[one] == most] if most > 1 else there[:1]


def _cells(text: str, separator: str) -> int:
    """How many cells each row has, if all have as many; else 0."""
    lines = list(StringIO(text, newline=""))
    # The last line may be cut off.
    whole = lines[:-1] if len(text) == _LOOKED_AT else lines
    try:
        counts = {len(cells) for cells in csv.reader(whole, delimiter=separator) if any(cells)}
    except csv.Error:
        return 0
    return counts.pop() if len(counts) == 1 else 0
