"""The files of a result folder as plain values and tables; a broken one is named in one line.

A room of its own because it alone opens files: whatever a disk can do to results is told here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from analysis.errors import ResultError

SCENARIO_FILE = "scenario.yaml"
SWEEP_FILE = "sweep.yaml"
RUN_FILE = "run.json"
SCORES_FILE = "scores.parquet"
TRACE_FILE = "trace.parquet"
RUNS_FOLDER = "runs"

_TEXT = pa.dictionary(pa.int32(), pa.string())
SCORES = {
    "protocol": _TEXT,
    "seed": pa.int64(),
    "time_s": pa.float64(),
    "node": _TEXT,
    "local_round": pa.int64(),
    "version": pa.int64(),
    "staleness": pa.float64(),
    "metric": _TEXT,
    "value": pa.float64(),
    "up": pa.bool_(),
}
"""The columns of `scores.parquet`."""
TRACE = {
    "protocol": _TEXT,
    "seed": pa.int64(),
    "time_s": pa.float64(),
    "duration_s": pa.float64(),
    "node": _TEXT,
    "kind": _TEXT,
    "peer": _TEXT,
    "bytes": pa.int64(),
    "detail": _TEXT,
}
"""The columns of `trace.parquet`."""


def yaml_value(text: str) -> Any:
    """What a YAML 1.2 text means, in plain values. Raises ResultError if it means nothing."""
    try:
        # The pure loader is the one that knows YAML 1.2, in which `no` is a text.
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        what = " ".join(str(error).split())
        raise ResultError(f"{text!r} is not YAML: {what}") from None


def read_settings(path: Path) -> dict[str, Any]:
    """A scenario or sweep file. Raises ResultError if it can't be read or is no mapping."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ResultError(f"{path}: cannot be read: {error}") from None
    try:
        settings = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise ResultError(f"{path}: is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(settings, dict):
        raise ResultError(f"{path}: is not a scenario; allowed: what `braintorrent` has written")
    return settings


def read_record(folder: Path) -> dict[str, Any] | None:
    """The content of `run.json`; None if there is none, which means: not finished.

    Raises ResultError if it is broken, or lacks the list of runs.
    """
    path = folder / RUN_FILE
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ResultError(f"{path}: cannot be read: {error}") from None
    if not isinstance(record, dict) or not _are_runs(record.get("runs")):
        raise ResultError(f"{path}: lists no runs; allowed: what `braintorrent` has written")
    return record


def _are_runs(runs: Any) -> bool:
    return isinstance(runs, list) and all(
        isinstance(run, dict) and {"protocol", "seed"} <= run.keys() for run in runs
    )


def read_table(
    path: Path, schema: pa.Schema, wanted: Mapping[str, Sequence[Any]], rows: int | None
) -> pa.Table:
    """The schema's columns of those rows whose value is `wanted` in each of its columns.

    `rows`: how many the file should hold, None if nothing says so. Raises ResultError if it holds
    another number, lacks a column or has one of another type, or can't be read.
    """
    condition: Any = None
    for column, values in wanted.items():
        holds = ds.field(column).isin(list(values))
        condition = holds if condition is None else condition & holds
    try:
        # A file handle, because pyarrow reads `name=value` folders on a path as extra columns.
        with path.open("rb") as file:
            parquet = pq.ParquetFile(file)
            for name in (*schema.names, *wanted):
                if name not in parquet.schema_arrow.names:
                    raise ResultError(f"{path}: lacks the column {name}")
            found = parquet.metadata.num_rows
            if rows is not None and found != rows:
                raise ResultError(f"{path}: has {found} rows, but {RUN_FILE} says {rows}")
            file.seek(0)
            table = pq.read_table(file, columns=schema.names, filters=condition)
            return table.cast(schema)
    except (OSError, pa.ArrowException) as error:
        raise ResultError(f"{path}: cannot be read: {' '.join(str(error).split())}") from None
