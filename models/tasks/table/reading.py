"""A CSV or Parquet file as a frame, read strictly: what may be misread is refused."""

from __future__ import annotations

import csv
import warnings
from collections import Counter
from collections.abc import Collection, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pandas.errors import ParserError, ParserWarning

from models.tasks.alike import repeated
from models.tasks.files import reason
from sim.record import files
from sim.record.delimited import Dialect, dialect, named, opened, readable, rows
from sim.record.errors import Refusal, shown

_SETTING = ("task", "path")
_ALLOWED = "a .csv, .tsv or .parquet file"
_MISSING = (
    *("", "NA", "N/A", "n/a", "<NA>", "NULL", "null", "None", "NaN", "nan", "-NaN", "-nan"),
    *("1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
)
"""As pandas has them, but for those that spreadsheets write for a formula's error."""
_WITH_COMMA = r"[+-]?(?:\d+(?:,\d*)?|,\d+)(?:[eE][+-]?\d+)?"
"""A number that has a comma where others have a point, or neither."""


class Rows(NamedTuple):
    """A table, and what was assumed to read it: to be said, without the file's name.

    `how`: how a text file's rows are written.
    """

    path: Path
    frame: pd.DataFrame
    assumed: Sequence[str] = ()
    how: Dialect | None = None

    def place(self, row: int) -> str:
        """Where a row is, counted from 0: its line as an editor shows it, if the file has lines."""
        if self.how is None:
            return f"row {row + 1}"
        with readable(self.path, _ALLOWED, _SETTING):
            number, _ = next(islice(rows(self.path, self.how), 1 + row, None))
        return f"line {number}"


def refusal(path: Path, what: str, allowed: str) -> Refusal:
    """Of a mistake in the file."""
    return Refusal(f"{path}: {what}", allowed, _SETTING)


def table_at(path: Path, words: Collection[str] = ()) -> Rows:
    """The rows of the file, in its order; of a text file the columns `words` are text.

    Raises Refusal if it can't be read, or has no rows.
    """
    kind = path.suffix.lower()
    if kind not in (".csv", ".tsv", ".parquet"):
        raise refusal(path, "is none of .csv, .tsv and .parquet", _ALLOWED)
    with readable(path, _ALLOWED, _SETTING):
        found = Rows(path, _parquet(path)) if kind == ".parquet" else _csv(path, words)
    if not len(found.frame):
        raise refusal(path, "has no rows", "one or more")
    return found


def _csv(path: Path, words: Collection[str]) -> Rows:
    how = dialect(path, _ALLOWED, _SETTING)
    names = _names(path, how)
    try:
        with opened(path, how) as stream, warnings.catch_warnings():
            warnings.simplefilter("error", ParserWarning)
            frame = pd.read_csv(
                stream,
                sep=how.separator,
                names=range(len(names)),  # which two columns without a name don't share
                header=0,
                dtype={place: "str" for place, name in enumerate(names) if name in ("", *words)},
                skipinitialspace=True,
                index_col=False,  # else a row that is too long names its first cell
                keep_default_na=False,
                na_values=_MISSING,
                low_memory=False,  # else a column's type may change on its way
            )
    except (ParserError, ParserWarning) as error:
        _check_even(path, how, named(names))
        said = reason(error).removeprefix("Error tokenizing data. C error: ")
        raise refusal(path, f"is no CSV file ({said})", "as many cells in each row") from None
    columns = named(names)
    if len(frame) and frame.iloc[:, columns - 1].isna().any():
        _check_even(path, how, columns)
    found = _named(Rows(path, frame.set_axis(names, axis="columns"), how.assumed, how))
    return _numbers_again(words, _with_points(how, found._replace(frame=_tidy(found.frame))))


def _names(path: Path, how: Dialect) -> list[str]:
    """The columns' names, and "" for a first one and last ones without any."""
    with opened(path, how) as stream:
        names = [name.strip() for name in next(csv.reader(stream, delimiter=how.separator), [])]
    if not any(names):
        raise refusal(path, "is empty", "the columns' names, and rows")
    _check_once(path, names[names[0] == "" : named(names)])
    return names


def _check_even(path: Path, how: Dialect, columns: int) -> None:
    """Raise Refusal for a row that ends early, which pandas would fill up, or one that is longer
    than the columns' names.
    """
    longest = 0
    for number, cells in rows(path, how):
        longest = longest or len(cells)
        if len(cells) < columns or any(cells[longest:]):
            what = f"is no CSV file (line {number} has {len(cells)} cells under {columns} columns)"
            raise refusal(path, what, "as many cells in each row")


def _named(table: Rows) -> Rows:
    """Without a first column that has no name, which numbers the rows, and empty last ones."""
    names = list(table.frame.columns)
    for place in range(named(names), len(names)):
        column = table.frame.iloc[:, place]
        if column.notna().any():
            row = int(np.flatnonzero(column.notna())[0])
            cell = f"{shown(str(column[row]))} in {table.place(row)}"
            what = f"{cell} is in column {place + 1}, which has no name"
            raise refusal(table.path, what, "a name for each column that isn't empty")
    frame, assumed = table.frame.iloc[:, : named(names)], table.assumed
    if names[0] == "":
        frame, assumed = frame.iloc[:, 1:], [*assumed, "without its first column, without a name"]
    return table._replace(frame=frame, assumed=assumed)


def _tidy(frame: pd.DataFrame) -> pd.DataFrame:
    """Without blanks around texts, and without empty rows at the end."""
    filled = np.flatnonzero(frame.notna().any(axis=1))
    found = frame.iloc[: 1 + filled[-1] if len(filled) else 0].copy()
    for name in _texts(found):
        text = found[name].str.strip()
        found[name] = text.where(text != "")
    return found


def _texts(frame: pd.DataFrame) -> list[str]:
    return [name for name in frame.columns if frame[name].dtype == "str"]


def _with_points(how: Dialect, table: Rows) -> Rows:
    """With numbers where texts are numbers with decimal commas."""
    frame = table.frame
    commas = [name for name in _texts(frame) if _has_commas(frame[name], how)]
    if not commas:
        return table
    for name in frame.select_dtypes("float"):
        if (frame[name] % 1 > 0).any():
            what = f"has decimal commas in {shown(commas[0])} and points in {shown(name)}"
            raise refusal(table.path, what, "one of both, and no points between thousands")
    for name in commas:
        frame[name] = pd.to_numeric(frame[name].str.replace(",", "."))
    said = f"with decimal commas in {', '.join(map(shown, commas))}"
    return table._replace(assumed=[*table.assumed, said])


def _has_commas(column: pd.Series[Any], how: Dialect) -> bool:
    """Whether all its texts are numbers, and some have a comma where others have a point.

    Between tabs and bars 1,234 may be more than a thousand, too, unless another has other digits.
    """
    texts = column.dropna()
    if how.separator == "," or not texts.str.fullmatch(_WITH_COMMA).all():
        return False
    with_comma = texts[texts.str.contains(",")]
    grouped = with_comma.str.fullmatch(r"[+-]?\d{1,3},\d{3}").all()
    return len(with_comma) > 0 and (how.separator == ";" or not grouped)


def _numbers_again(words: Collection[str], table: Rows) -> Rows:
    """With numbers, or true and false, where all that was read as words is that."""
    frame, assumed = table.frame, table.assumed
    for name in _texts(frame[[name for name in words if name in frame]]):
        texts = pd.Series(frame[name].dropna().unique())
        numbers = pd.to_numeric(texts, errors="coerce")
        if texts.str.lower().isin(["true", "false"]).all():
            frame[name] = frame[name].map({text: text.lower() == "true" for text in texts})
        elif numbers.notna().all():
            frame[name] = pd.to_numeric(frame[name])
            if several := repeated(pd.to_numeric(texts)):  # exact, however long
                spelled = " and ".join(shown(texts[place]) for place in several[0])
                assumed = [*assumed, f"with {spelled} in {shown(name)} as one"]
    return table._replace(assumed=assumed)


def _parquet(path: Path) -> pd.DataFrame:
    try:
        with files.opened(path) as file:
            table = pq.ParquetFile(file).read(use_threads=False)
        # Without what pandas may have noted beside the columns: what they are they say themselves.
        table = table.replace_schema_metadata()
        # Else text that is no UTF-8 shows only where it is used.
        table.validate(full=True)
        names = table.column_names
    except (pa.ArrowException, UnicodeDecodeError) as error:
        said = reason(error).partition(".")[0]
        raise refusal(path, f"is no Parquet file ({said})", "a whole Parquet file") from None
    _check_once(path, names)
    frame: pd.DataFrame = table.to_pandas(use_threads=False)
    return frame


def _check_once(path: Path, names: list[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise refusal(path, f"has {count} columns called {shown(name)}", "each name once")
        if not name.strip():
            raise refusal(path, "has a column without a name", "a name for each")
