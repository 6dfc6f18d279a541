"""The tables of a result folder as rows, for tests to compare, and rows as such a table."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from sim.record import tables
from sim.record.folder import SCORES_FILE, TRACE_FILE
from sim.record.rows import ScoreRow, TraceRow


def read_scores(folder: Path) -> list[ScoreRow]:
    """The rows of `scores.parquet`, in table order."""
    return list(map(ScoreRow._make, _rows(folder / SCORES_FILE, ScoreRow)))


def read_traces(folder: Path) -> list[TraceRow]:
    """The rows of `trace.parquet`, in table order."""
    return list(map(TraceRow._make, _rows(folder / TRACE_FILE, TraceRow)))


def traced(rows: Iterable[TraceRow]) -> pa.Table:
    """One run's trace as its world gives it."""
    ordered = sorted(rows, key=lambda row: row.time_s)
    return tables.table(tables.schema_of(TraceRow), ordered)


def _rows(path: Path, row: type[ScoreRow] | type[TraceRow]) -> list[tuple[Any, ...]]:
    table = tables.read(path, tables.schema_of(row))
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))
