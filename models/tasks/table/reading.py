"""A CSV or Parquet file as a frame, read strictly: what may be misread is refused."""

from __future__ import annotations

import csv
import warnings
from collections import Counter
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pandas.errors import EmptyDataError, ParserError, ParserWarning

from sim.record.errors import Refusal

_ALLOWED = "a .csv or .parquet file"


def refusal(path: Path, what: str, allowed: str) -> Refusal:
    """Of a mistake in the file."""
    return Refusal(f"{path}: {what}", allowed, ("task", "path"))


def table_at(path: Path) -> pd.DataFrame:
    """The rows of the file, in its order. Raises Refusal if it can't be read, or has no rows."""
    readers = {".csv": _csv, ".parquet": _parquet}
    if path.suffix.lower() not in readers:
        raise refusal(path, "is neither .csv nor .parquet", _ALLOWED)
    if not path.is_file():
        raise refusal(path, "no such file", _ALLOWED)
    try:
        frame = readers[path.suffix.lower()](path)
    except OSError as error:
        said = error.strerror or " ".join(str(error).split())
        raise refusal(path, f"can't be read ({said})", _ALLOWED) from None
    if not len(frame):
        raise refusal(path, "has no rows", "one or more")
    return frame


def _csv(path: Path) -> pd.DataFrame:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            _check_once(path, next(csv.reader(stream), []))
        with warnings.catch_warnings():
            warnings.simplefilter("error", ParserWarning)
            return pd.read_csv(
                path,
                encoding="utf-8-sig",
                index_col=False,  # else a row that is too long names its first cell
                low_memory=False,  # else a column's type may change on its way
            )
    except UnicodeDecodeError:
        raise refusal(path, "is not UTF-8", "text in UTF-8") from None
    except EmptyDataError:
        raise refusal(path, "is empty", "the columns' names, and rows") from None
    except (ParserError, ParserWarning, csv.Error) as error:
        said = " ".join(str(error).removeprefix("Error tokenizing data. C error: ").split())
        raise refusal(path, f"is no CSV file ({said})", "as many cells in each row") from None


def _parquet(path: Path) -> pd.DataFrame:
    try:
        # Without what pandas may have noted beside the columns: what they are they say themselves.
        table = pq.ParquetFile(path).read(use_threads=False).replace_schema_metadata()
        # Else text that is no UTF-8 shows only where it is used.
        table.validate(full=True)
        names = table.column_names
    except (pa.ArrowException, UnicodeDecodeError) as error:
        said = str(error).partition(".")[0]
        raise refusal(path, f"is no Parquet file ({said})", "a whole Parquet file") from None
    _check_once(path, names)
    frame: pd.DataFrame = table.to_pandas(use_threads=False)
    return frame


def _check_once(path: Path, names: list[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise refusal(path, f"has {count} columns called {name!r}", "each name once")
        if not name.strip():
            raise refusal(path, "has a column without a name", "a name for each")
