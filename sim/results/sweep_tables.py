"""The tables over all points of a sweep: every score, and one row per run.

They are only a view: built from the points' own folders, one at a time, they can be built again at
any time, with the same bytes.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pyarrow as pa

from sim.record import tables
from sim.record.folder import RUNS_FILE, RUNS_FOLDER, SCORES_FILE
from sim.record.rows import Column, RunRecord, ScoreRow
from sim.results.folder import finished_record
from sim.scenario import Point, Sweep, dump_sweep

_HINTS = get_type_hints(RunRecord, include_extras=True)
_NAMES = ("protocol", "seed", "status", "cause", "virtual_s", "events")
_RUN_COLUMNS = {name: get_args(_HINTS[name]) for name in _NAMES}
_COUNTER = Column("a counter of run.json")


def write_tables(folder: Path, sweep: Sweep) -> None:
    """Write ``scores.parquet`` and ``runs.parquet`` of a sweep whose points are all finished.

    Both begin with ``point`` and one column per varied path: float64 in the base unit if all its
    values are numbers, else text. Raises ScenarioError if a point's results can't be read.
    """
    varied = [
        tables.field("point", str, Column("names the point's folder")),
        *(_path_field(sweep, path) for path in sweep.vary),
    ]
    places = [(point, folder / RUNS_FOLDER / point.name) for point in sweep.points]
    text = dump_sweep(sweep)
    scores = pa.schema([*varied, *tables.schema_of(ScoreRow)])
    parts = (_with_point(rows, point, scores) for point, place in places for rows in _stored(place))
    tables.write(folder / SCORES_FILE, scores, parts, text)
    # A counter that a run lacks counted nothing, so the names of all runs come first.
    counters = sorted({name for _, place in places for name in _counter_names(place)})
    types = {**_RUN_COLUMNS, **dict.fromkeys(counters, (int, _COUNTER))}
    runs = pa.schema([*varied, *(tables.field(name, *told) for name, told in types.items())])
    parts = (_with_point(_run_rows(point, place, counters), point, runs) for point, place in places)
    tables.write(folder / RUNS_FILE, runs, parts, text)


def _path_field(sweep: Sweep, path: str) -> pa.Field:
    is_text = any(isinstance(point.values[path], str) for point in sweep.points)
    column = Column("a varied setting", sweep.units[path])
    return tables.field(path, str if is_text else float, column)


def _stored(place: Path) -> Iterator[pa.Table]:
    """A point's score rows, some at a time."""
    for batch in tables.batches(place / SCORES_FILE, ScoreRow._fields):
        yield pa.Table.from_batches([batch])


def _counter_names(place: Path) -> Iterator[str]:
    for run in finished_record(place)["runs"]:
        yield from run.get("counters", {})


def _run_rows(point: Point, place: Path, counters: Iterable[str]) -> pa.Table:
    """A point's runs, by protocol in the scenario's order, then by seed."""
    order = list(point.scenario.protocols)
    runs: list[dict[str, Any]] = sorted(
        finished_record(place)["runs"],
        key=lambda run: (order.index(run["protocol"]), run["seed"]),
    )
    columns = {name: [run[name] for run in runs] for name in _RUN_COLUMNS}
    for name in counters:
        columns[name] = [run.get("counters", {}).get(name, 0) for run in runs]
    return pa.table(columns)


def _with_point(rows: pa.Table, point: Point, schema: pa.Schema) -> pa.Table:
    """``rows`` behind the columns that say which point they are of."""
    leading = {"point": point.name, **point.values}
    columns = [
        pa.repeat(pa.scalar(value, tables.plain(schema.field(name).type)), rows.num_rows)
        for name, value in leading.items()
    ]
    return pa.table([*columns, *rows.columns], names=schema.names)
