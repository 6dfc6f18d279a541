"""From Arrow tables to data frames whose text is in the scenario's order.

Order is meaning here: a legend, an axis and a group follow the scenario, `client_10` comes after
`client_9`, and a name that nobody expected is an error, not a gap.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sim.record.errors import ResultError
from sim.record.rows import (
    AGGREGATE,
    MOST_STANDBYS,
    POOLED,
    SERVER,
    client_name,
    standby_name,
)

_SHOWN_AT_MOST = 8


def ordered(names: Iterable[str]) -> pd.CategoricalDtype:
    """A type of text that sorts as `names` do."""
    # Said to be text, since of no names at all pandas would make numbers.
    return pd.CategoricalDtype(pd.Index(list(dict.fromkeys(names)), dtype="str"), ordered=True)


def node_names(clients: int) -> tuple[str, ...]:
    """All nodes that a table may name: the clients by number, then the others."""
    standbys = map(standby_name, range(1, MOST_STANDBYS + 1))
    return (*map(client_name, range(clients)), SERVER, *standbys, AGGREGATE, POOLED)


def frame_of(
    table: pa.Table, types: Mapping[str, pd.CategoricalDtype], source: Path
) -> dict[str, Any]:
    """The table's columns for a data frame; all text becomes categorical.

    `types`: of the text columns that have an order; there empty text is a missing value. The
    categories of the others are what the table holds, sorted. Counts that may be missing are
    nullable integers, lists stay lists. Raises ResultError, naming `source`, for text that its type
    does not know.
    """
    columns: dict[str, Any] = {}
    for field in table.schema:
        name, column = field.name, table.column(0)
        # What has been read is let go of: a long trace is not in memory twice.
        table = table.remove_column(0)
        if pa.types.is_dictionary(column.type):
            columns[name] = _categorical(column, types.get(name), f"{source}: {name}")
        elif pa.types.is_list(column.type):
            columns[name] = pd.Series(column.to_pylist(), dtype="object")
        elif pa.types.is_integer(column.type) and field.nullable:
            # Not through pandas' own conversion, which makes an object of every number.
            missing = column.is_null().to_numpy()
            columns[name] = pd.arrays.IntegerArray(column.fill_null(0).to_numpy(), missing)
        else:
            values = column.to_numpy()
            # What is Arrow's own memory can't be written to, and a frame's user may want to.
            columns[name] = values if values.flags.writeable else values.copy()
    return columns


def _categorical(
    column: pa.ChunkedArray, kind: pd.CategoricalDtype | None, where: str
) -> pd.Categorical:
    whole = pa.concat_arrays(column.unify_dictionaries().chunks)
    texts, codes = whole.dictionary.to_pylist(), whole.indices.fill_null(-1).to_numpy()
    used = [texts[code] for code in np.unique(codes) if code >= 0]
    if kind is None:
        kind = pd.CategoricalDtype(pd.Index(sorted(used), dtype="str"))
        known = {}
    else:
        known = {"": -1}
    known |= {text: code for code, text in enumerate(kind.categories)}
    for text in used:
        if text not in known:
            allowed = listed(kind.categories)
            raise ResultError(f"{where}: {text!r} is not in the scenario; allowed: {allowed}")
    # The last place is that of what is missing, whose code is -1.
    places = np.array([*(known.get(text, -1) for text in texts), -1], dtype=np.int64)
    return pd.Categorical.from_codes(places[codes], dtype=kind)


def listed(names: Iterable[object]) -> str:
    """Names for a message, a few at most."""
    texts = [str(name) for name in names]
    if len(texts) > _SHOWN_AT_MOST:
        texts[_SHOWN_AT_MOST - 1 :] = [f"... ({len(texts)} in all)"]
    return ", ".join(texts) or "none"


def values_frame(
    values: Mapping[str, Mapping[str, float | str]], paths: Sequence[str]
) -> pd.DataFrame:
    """`point` and a column per varied path: float64, or text ordered as it first appears."""
    columns: dict[str, Any] = {"point": pd.Categorical(list(values), dtype=ordered(values))}
    for path in paths:
        column = pd.Series([point[path] for point in values.values()])
        texts = [value for value in column if isinstance(value, str)]
        columns[path] = column.astype(ordered(texts) if texts else "float64").array
    return pd.DataFrame(columns)
