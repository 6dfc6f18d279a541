"""The result folder: what a finished simulation leaves on disk, and what may be overwritten."""

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import pyarrow as pa

from sim.record import tables
from sim.record.errors import ResultError, ScenarioError
from sim.record.folder import (
    MODEL_SUFFIX,
    MODELS_FOLDER,
    POINTS_FILE,
    RUN_FILE,
    SCENARIO_FILE,
    SCORES_FILE,
    SWEEP_FILE,
    TRACE_FILE,
    Record,
    read_record,
    whole,
    write_record,
)
from sim.record.rows import FAILED, Caution, Operations, RunRecord, ScoreRow, TraceRow
from sim.scenario import Scenario, dump, run_record
from sim.scenario.changes import MAY_GROW, Changes, changes

RECORDED_VERSIONS = ("braintorrent", "numpy", "pyarrow", "simpy", "torch")


@dataclass(frozen=True)
class RunTables:
    """One run's rows in columns, sorted by time: compact, since a sweep holds thousands of them."""

    record: RunRecord
    scores: pa.Table
    traces: pa.Table


def holds_sweep(folder: Path) -> bool:
    """Whether a folder holds a sweep rather than a run. Raises ScenarioError for neither."""
    if (is_sweep := (folder / SWEEP_FILE).is_file()) or (folder / SCENARIO_FILE).is_file():
        return is_sweep
    what = "holds neither a sweep nor a run" if folder.is_dir() else "no such folder"
    allowed = "a folder that `braintorrent sweep` or `run` writes"
    raise ScenarioError(f"{folder}: {what}; allowed: {allowed}")


def record_of(folder: Path, file: str, text: str, record_file: str) -> Record | None:
    """The record of what `text` describes, in a folder that says so in `file`; None if none is.

    Raises ScenarioError unless the folder is free, or holds this, or less of it, in this program's
    format.
    """
    # Read first: results of another format would only be told to be of a different scenario.
    record = read_record(folder / record_file) if (folder / file).exists() else None
    return record if growth(folder, file, text) is None else None


def growth(folder: Path, file: str, text: str) -> Changes | None:
    """What `text` describes more than the folder's `file` does; None if that is equal or missing.

    Or less, as long as what it has begun to grow to isn't finished: the store has the scores of
    both. Raises ScenarioError if the folder holds anything else.
    """
    if not folder.is_dir():
        if folder.exists() or folder.is_symlink():
            raise ScenarioError(f"--out {folder}: is a file; allowed: a new or an empty folder")
        return None
    try:
        kept = (folder / file).read_text(encoding="utf-8")
    except FileNotFoundError:
        if any(not path.name.startswith(".") for path in folder.iterdir()):
            raise ScenarioError(
                f"--out {folder}: holds other files; allowed: a new or an empty folder"
            ) from None
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"--out {folder}: cannot read {file}: {error}") from None
    if kept == text:
        return None
    found = changes(kept, text)
    if found.grown and not found.others:
        return found
    back = changes(text, kept)
    if back.grown and not back.others and not _is_whole(folder):
        return replace(found, goes_back=True)
    what = "; ".join(found.others) or "written by another version"
    raise ScenarioError(
        f"--out {folder}: holds the results of a different scenario ({what}); allowed: the "
        f"identical scenario, more of it ({MAY_GROW}), or another folder (--out DIR)"
    )


def _is_whole(folder: Path) -> bool:
    """Whether a run's, or a sweep's, folder has all that it is to have."""
    sweep = read_record(folder / POINTS_FILE)
    return bool(sweep["finished"]) if sweep else (folder / RUN_FILE).exists()


def holds(folder: Path, scenario_text: str) -> bool:
    """Whether a folder is that of this very scenario, finished or not."""
    file = folder / SCENARIO_FILE
    return file.is_file() and file.read_text(encoding="utf-8") == scenario_text


def is_finished(folder: Path, scenario_text: str) -> bool:
    """Whether all runs of `scenario_text` are in `folder`, and none has failed.

    Raises ScenarioError where it holds anything but this very scenario's results, or files that
    differ from the digests recorded with them.
    """
    record = record_of(folder, SCENARIO_FILE, scenario_text, RUN_FILE)
    if record is None or any(run["status"] == FAILED for run in record["runs"]):
        return False  # Where one failed, files may be newer than the record, by a later try.
    _verify_digests(folder, record)
    return True


def claim(folder: Path, file: str, text: str) -> None:
    """Make `folder` the place of what `text` describes. Raises OSError if it can't be."""
    folder.mkdir(parents=True, exist_ok=True)
    with whole(folder / file) as path:
        path.write_text(text, encoding="utf-8")


def run_tables(
    record: RunRecord, scores: Sequence[ScoreRow] = (), traces: pa.Table | None = None
) -> RunTables:
    """One run's tables; scores of one instant keep the order in which they are given.

    `traces`: sorted by time, or none.
    """
    ordered = sorted(scores, key=lambda row: row.time_s)
    if traces is None:
        traces = tables.schema_of(TraceRow).empty_table()
    return RunTables(record, tables.table(tables.schema_of(ScoreRow), ordered), traces)


def write(
    folder: Path,
    scenario: Scenario,
    runs: Sequence[RunTables],
    *,
    wall_s: float,
    workers: int | str,
    operations: Operations | None = None,
    cautions: Sequence[Caution] = (),
) -> None:
    """Write both tables and then `run.json`, whose existence means: done.

    The scenario gives the tables' order of protocols; within a protocol rows are sorted by seed and
    time. `wall_s` is the real time taken, in seconds; like the rest it goes to
    `run.json` only, never to a table. `workers`: as they were asked for. A failed run has no rows;
    `run.json` says why. `cautions`: what a reader should know first, the gravest at the top.
    """
    order = {name: position for position, name in enumerate(scenario.protocols)}
    ordered = sorted(runs, key=lambda run: (order[run.record.protocol], run.record.seed))
    good = [run for run in ordered if run.record.status != FAILED]
    text = dump(scenario)
    scores = [run.scores for run in good]
    traces = [run.traces for run in good]
    rows = {
        SCORES_FILE: tables.write(folder / SCORES_FILE, tables.schema_of(ScoreRow), scores, text),
        TRACE_FILE: tables.write(folder / TRACE_FILE, tables.schema_of(TraceRow), traces, text),
    }
    record = {
        **run_record(scenario).as_dict(),
        "versions": _versions(scenario),
        "rows": rows,
        "sha256": _digests(folder),
        "virtual_s": sum(run.record.virtual_s for run in ordered),
        "wall_s": round(wall_s, 3),
        "workers": workers,
        **({"operations": asdict(operations)} if operations else {}),
        "cautions": [asdict(caution) for caution in cautions],
        "runs": [{**asdict(run.record), "counters": dict(run.record.counters)} for run in ordered],
    }
    write_record(folder / RUN_FILE, record)


def finished_record(folder: Path) -> Record:
    """The content of a finished folder's `run.json`. Raises ResultError if it can't be read."""
    record = read_record(folder / RUN_FILE)
    if record is None:
        raise ResultError(f"{folder}: lacks {RUN_FILE}; allowed: a finished run")
    return record


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


def _versions(scenario: Scenario) -> dict[str, str]:
    """Of what runs all scenarios, and of what this one's task and network need."""
    network = scenario.model.libraries if scenario.model else ()
    kinds = (*scenario.task.libraries, *network)
    names = dict.fromkeys((*RECORDED_VERSIONS, *kinds))
    found = {name: _version(name) or "not installed" for name in names}
    return {"python": platform.python_version(), **found}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
