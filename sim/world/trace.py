"""The append-only record of what happened in one run; tables and pictures derive from it."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.record.rows import LEFT_OUT, Detail, TraceRow

if TYPE_CHECKING:
    import pyarrow as pa

_AT_ONCE = 4096
"""So many rows are put into columns together; as tuples they take several times as much."""


@functools.cache
def _schema() -> pa.Schema:
    from sim.record import tables

    return tables.schema_of(TraceRow)


class _Numbers(dict[str | None, int | None]):
    """Numbers texts by their first use; what is missing has no number."""

    def __init__(self) -> None:
        super().__init__({None: None})

    def __missing__(self, text: str | None) -> int:
        self[text] = number = len(self) - 1
        return number


class _Column:
    """One column's values in parts: texts by number, and where all are missing nothing."""

    def __init__(self, kind: pa.DataType) -> None:
        import pyarrow as pa

        self._pa = pa
        self._numbers = _Numbers() if pa.types.is_dictionary(kind) else None
        self._kind = kind if self._numbers is None else kind.index_type
        self._parts: list[pa.Array] = []

    def extend(self, values: Sequence[Any]) -> None:
        """Append a part."""
        if values.count(None) == len(values):
            self._parts.append(self._pa.nulls(len(values)))
            return
        if self._numbers is not None:
            values = list(map(self._numbers.__getitem__, values))
        self._parts.append(self._pa.array(values, self._kind))

    def whole(self) -> pa.Array:
        """All parts as one."""
        parts = [part.cast(self._kind) for part in self._parts]
        found = self._pa.chunked_array(parts, self._kind).combine_chunks()
        if self._numbers is None:
            return found
        texts = self._pa.array(list(self._numbers)[1:], self._pa.string())
        return self._pa.DictionaryArray.from_arrays(found, texts)


class Trace:
    """Rows in the order in which they ended, in compact columns.

    `counts`: how often each kind happened, those that `detail` leaves out of the rows, too.
    """

    def __init__(self, protocol: str, seed: int, detail: Detail = "all") -> None:
        self._run = (protocol, seed)
        self._left_out = frozenset(LEFT_OUT[detail])
        self._fresh: list[tuple[Any, ...]] = []
        self._columns = [_Column(one.type) for one in list(_schema())[len(self._run) :]]
        self._packed = 0
        self.counts: Counter[str] = Counter()

    def record(
        self,
        time_s: float,
        node: str,
        kind: str,
        *,
        duration_s: float = 0.0,
        peer: str = "",
        size_bytes: int = 0,
        round: int | None = None,
        attempt: int | None = None,
        cause: str | None = None,
        peers: tuple[str, ...] | None = None,
        asked: int | None = None,
        answered: int | None = None,
        updates: int | None = None,
        factor: float | None = None,
    ) -> None:
        """Append one row; `time_s` and `duration_s` in virtual seconds."""
        self.counts[kind] += 1
        if kind in self._left_out:
            return
        start = (time_s, duration_s, node, kind, peer, size_bytes)
        self._fresh.append((*start, round, attempt, cause, peers, asked, answered, updates, factor))
        if len(self._fresh) == _AT_ONCE:
            self._pack()

    def __len__(self) -> int:
        return self._packed + len(self._fresh)

    @property
    def rows(self) -> list[TraceRow]:
        """All rows so far, an object each: for worlds that are small."""
        return self.since(0)

    def since(self, first: int) -> list[TraceRow]:
        """The rows from number `first` on, counted from 0."""
        fresh = self._fresh[max(0, first - self._packed) :]
        rows = [*self._unpacked(first), *fresh] if first < self._packed else fresh
        return [TraceRow._make((*self._run, *row)) for row in rows]

    def _unpacked(self, first: int) -> list[tuple[Any, ...]]:
        columns = (column.whole()[first:].to_pylist() for column in self._columns)
        rows = zip(*columns, strict=True)
        return [tuple(tuple(one) if isinstance(one, list) else one for one in row) for row in rows]

    def table(self) -> pa.Table:
        """All rows by the time at which they began, as the trace's file has them."""
        import pyarrow as pa

        self._pack()
        order = pa.array(np.argsort(self._columns[0].whole().to_numpy(), kind="stable"))
        # One column at a time, since a trace may be most of what there is in memory.
        rows = [column.whole().take(order) for column in self._columns]
        run = [pa.repeat(value, len(order)) for value in self._run]
        return pa.Table.from_arrays([*run, *rows], names=TraceRow._fields).cast(_schema())

    def _pack(self) -> None:
        """Put the rows that wait into columns."""
        for column, *values in zip(self._columns, *self._fresh, strict=True):
            column.extend(values)
        self._packed += len(self._fresh)
        self._fresh.clear()
