"""The tables over all points of a sweep: every score, and one row per run.

A room of its own because they are only a view: built from the points' own folders, one at a time,
they can be built again at any time, with the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sim.record.errors import ScenarioError
from sim.record.rows import FINISHED, ScoreRow
from sim.results import folder as results
from sim.scenario import Point, Sweep
from sim.scenario.points import Value

RUNS_FILE = "runs.parquet"
"""One row per point, protocol and seed."""

_TEXT = results.ARROW_TYPES[str]
_RUN_COLUMNS = {
    "protocol": str,
    "seed": int,
    "status": str,
    "cause": str,
    "virtual_s": float,
    "events": int,
}
_DEFAULTS = {"status": FINISHED, "cause": "", "virtual_s": 0.0, "events": 0}


def write_tables(folder: Path, sweep: Sweep) -> None:
    """Write ``scores.parquet`` and ``runs.parquet`` of a sweep whose points are all finished.

    Both begin with ``point`` and one column per varied path: float64 in the base unit if all its
    values are numbers, else text. Raises ScenarioError if a point's results can't be read.
    """
    varied = [_field("point", _TEXT), *(_path_field(sweep, path) for path in sweep.vary)]
    places = [(point, folder / results.RUNS_FOLDER / point.name) for point in sweep.points]
    scores = pa.schema([*varied, *results.arrow_schema(ScoreRow)])
    _write(
        folder / results.SCORES_FILE,
        scores,
        (
            _with_point(rows, point, scores)
            for point, place in places
            for rows in _stored_scores(place / results.SCORES_FILE)
        ),
    )
    # A counter that a run lacks counted nothing, so the names of all runs come first.
    counters = sorted({name for _, place in places for name in _counter_names(place)})
    types = {**_RUN_COLUMNS, **dict.fromkeys(counters, int)}
    columns = [_field(name, results.ARROW_TYPES[kind]) for name, kind in types.items()]
    runs = pa.schema([*varied, *columns])
    _write(
        folder / RUNS_FILE,
        runs,
        (_with_point(_run_rows(point, place, counters), point, runs) for point, place in places),
    )


def _field(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


def _path_field(sweep: Sweep, path: str) -> pa.Field:
    numbers = all(_is_number(point.values[path]) for point in sweep.points)
    return _field(path, pa.float64() if numbers else _TEXT)


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _stored_scores(path: Path) -> Iterator[pa.Table]:
    """A point's score rows, some at a time, with text as plain text."""
    names = list(ScoreRow._fields)
    try:
        # A file handle, because pyarrow reads `name=value` folders on a path as extra columns.
        with path.open("rb") as file:
            parquet = pq.ParquetFile(file)
            batches = parquet.iter_batches(results.ROWS_PER_GROUP, columns=names, use_threads=False)
            for batch in batches:
                yield _decoded(pa.Table.from_batches([batch]))
    except (OSError, pa.ArrowException) as error:
        raise ScenarioError(f"--out {path.parent}: cannot read {path.name}: {error}") from None


def _decoded(rows: pa.Table) -> pa.Table:
    columns = [
        column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
        for column in rows.columns
    ]
    return pa.table(columns, names=rows.column_names)


def _counter_names(place: Path) -> Iterator[str]:
    for run in results.read_record(place)["runs"]:
        yield from run.get("counters", {})


def _run_rows(point: Point, place: Path, counters: Iterable[str]) -> pa.Table:
    """A point's runs, by protocol in the scenario's order, then by seed."""
    order = list(point.scenario.protocols)
    runs: list[dict[str, Any]] = sorted(
        ({**_DEFAULTS, **run} for run in results.read_record(place)["runs"]),
        key=lambda run: (order.index(run["protocol"]), run["seed"]),
    )
    columns = {name: [run[name] for run in runs] for name in _RUN_COLUMNS}
    for name in counters:
        columns[name] = [run.get("counters", {}).get(name, 0) for run in runs]
    return pa.table(columns)


def _with_point(rows: pa.Table, point: Point, schema: pa.Schema) -> pa.Table:
    """``rows`` behind the columns that say which point they are of."""
    leading = [("point", point.name)] + [
        (path, _shown(point, path) if schema.field(path).type == _TEXT else value)
        for path, value in point.values.items()
    ]
    columns = [
        pa.repeat(pa.scalar(value, _plain(schema.field(name).type)), rows.num_rows)
        for name, value in leading
    ]
    return pa.table([*columns, *rows.columns], names=schema.names)


def _shown(point: Point, path: str) -> str:
    value = point.values[path]
    return value if isinstance(value, str) else point.written[path]


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _write(target: Path, schema: pa.Schema, parts: Iterable[pa.Table]) -> None:
    """Write rows as they come, in row groups that are all full but the last."""
    plain = pa.schema([field.with_type(_plain(field.type)) for field in schema])
    with (
        results.whole(target) as path,
        pq.ParquetWriter(path, schema, compression="zstd") as writer,
    ):
        waiting = plain.empty_table()
        for part in parts:
            waiting = pa.concat_tables([waiting, part.cast(plain)])
            while waiting.num_rows >= results.ROWS_PER_GROUP:
                _write_group(writer, waiting.slice(0, results.ROWS_PER_GROUP))
                waiting = waiting.slice(results.ROWS_PER_GROUP)
        if waiting.num_rows:
            _write_group(writer, waiting)


def _write_group(writer: pq.ParquetWriter, rows: pa.Table) -> None:
    # Texts are numbered by their first row, not by the dictionaries of the files they came from.
    columns = [
        column.combine_chunks().dictionary_encode() if kind == _TEXT else column
        for column, kind in zip(rows.columns, writer.schema.types, strict=True)
    ]
    table = pa.Table.from_arrays(columns, schema=writer.schema)
    writer.write_table(table, row_group_size=results.ROWS_PER_GROUP)
