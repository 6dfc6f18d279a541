"""From Arrow tables to data frames whose text is in the scenario's order.

A room of its own because order is meaning here: a legend, an axis and a group follow the scenario,
`client_10` comes after `client_9`, and a name that nobody expected is an error, not a gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from analysis.errors import ResultError

CLIENT = "client_"
"""How the names of clients begin."""
SERVER = "server"
AGGREGATE = "aggregate"
"""Node of scores of the average of all clients' current models."""
POOLED = "pooled"
"""Node of the pooled reference, which counts as a client of its own."""
_SHOWN_AT_MOST = 8


def ordered(names: Iterable[str]) -> pd.CategoricalDtype:
    """A type of text that sorts as `names` do."""
    # Said to be text, since of no names at all pandas would make numbers.
    return pd.CategoricalDtype(pd.Index(list(dict.fromkeys(names)), dtype="str"), ordered=True)


def node_names(clients: int) -> tuple[str, ...]:
    """All nodes that a table may name: the clients by number, then the others."""
    return (*(f"{CLIENT}{number}" for number in range(clients)), SERVER, AGGREGATE, POOLED)


def frame_of(
    table: pa.Table, types: Mapping[str, pd.CategoricalDtype], source: Path
) -> dict[str, Any]:
    """The table's columns for a data frame; all text becomes categorical.

    `types`: of the text columns that have an order; there empty text is a missing value. The
    categories of the others are what the table holds, sorted. Raises ResultError, naming `source`,
    for text that its type does not know.
    """
    columns = {}
    for name in table.column_names:
        column = table.column(name)
        if pa.types.is_dictionary(column.type):
            columns[name] = _categorical(column, types.get(name), f"{source}: {name}")
        else:
            values = column.to_numpy()
            # What is Arrow's own memory can't be written to, and a frame's user may want to.
            columns[name] = values if values.flags.writeable else values.copy()
    return columns


def _categorical(
    column: pa.ChunkedArray, kind: pd.CategoricalDtype | None, where: str
) -> pd.Categorical:
    whole = pa.concat_arrays(column.unify_dictionaries().chunks)
    texts, codes = whole.dictionary.to_pylist(), whole.indices.to_numpy()
    used = [texts[code] for code in np.unique(codes)]
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
    places = np.array([known.get(text, -1) for text in texts], dtype=np.int64)
    return pd.Categorical.from_codes(places[codes] if texts else codes, dtype=kind)


def listed(names: Iterable[object]) -> str:
    """Names for a message, a few at most."""
    texts = [str(name) for name in names]
    if len(texts) > _SHOWN_AT_MOST:
        texts[_SHOWN_AT_MOST - 1 :] = [f"... ({len(texts)} in all)"]
    return ", ".join(texts) or "none"


def values_frame(
    names: Sequence[str], values: Sequence[Mapping[str, float | str]], paths: Sequence[str]
) -> pd.DataFrame:
    """`point` and a column per varied path: float64, or text ordered as it first appears."""
    columns: dict[str, Any] = {"point": pd.Categorical(list(names), dtype=ordered(names))}
    for path in paths:
        column = [point[path] for point in values]
        texts = [value for value in column if isinstance(value, str)]
        columns[path] = (
            pd.Categorical(texts, dtype=ordered(texts))
            if texts
            else np.array(column, dtype=np.float64)
        )
    return pd.DataFrame(columns)
