"""The result folder: what a finished simulation leaves on disk, and what may be overwritten."""

import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path

import pyarrow as pa

from sim.record import tables
from sim.record.errors import ResultError, ScenarioError
from sim.record.files import read_bytes
from sim.record.folder import (
    POINTS_FILE,
    RUN_FILE,
    SCENARIO_FILE,
    SCORES_FILE,
    SWEEP_FILE,
    TRACE_FILE,
    DamagedError,
    Record,
    read_record,
    whole,
    write_record,
)
from sim.record.rows import FAILED, Caution, Operations, RunRecord, ScoreRow, TraceRow
from sim.results.digests import DIGESTS, damages, digests, is_copy, said_of
from sim.scenario import Scenario, dump, run_record
from sim.scenario.changes import MAY_GROW, Changes, changes

RECORDED_VERSIONS = ("braintorrent", "numpy", "pyarrow", "simpy", "torch")
Tell = Callable[[str], None]
"""Takes what the user should know."""


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


@dataclass(frozen=True)
class Look:
    """What a look into a folder has found of what should be there."""

    finished: bool
    """Whether all runs are there, none has failed, and all that was made of them is whole."""
    worn: bool
    """Whether the copies of what they were made from aren't: these can be written again."""


def look(folder: Path, file: str, text: str, tell: Tell) -> tuple[Record | None, Look]:
    """The record of what `text` describes in a folder, None if there is none, and what is whole.

    `file` is the copy of `text`. What is damaged is told; it is as if it weren't there. Raises
    ScenarioError unless the folder is free, or holds this, or less of it, in this program's format.
    """
    # Read first: results of another format would only be told to be of a different scenario.
    damaged: list[str] = []
    record = record_of(folder, file, damaged.append)
    grown = growth(folder, file, text)
    for line in damaged:
        tell(line)
    if grown is not None or record is None:
        return None, Look(finished=False, worn=False)
    if not record.get("finished", True) or any(
        run["status"] == FAILED for run in record.get("runs", ())
    ):  # Where one failed, files may be newer than the record, by a later try.
        return record, Look(finished=False, worn=False)
    found = dict(damages(folder, record))
    if found:
        told = "; ".join(f"{name} {what}" for name, what in found.items())
        tell(f"{folder} is damaged and is mended: {told}")
    copies = sum(map(is_copy, found))
    return record, Look(finished=copies == len(found), worn=copies > 0)


def _silent(text: str) -> None:
    """What nobody has to be told, or what has been told already."""


def record_of(folder: Path, file: str, tell: Tell = _silent) -> Record | None:
    """What a folder that has its description in `file` has come to; None if that isn't whole."""
    try:
        return read_record(folder / _RECORDS[file])
    except DamagedError as damage:
        tell(f"{str(damage).partition('; allowed')[0]}: made anew")
        return None
    except ResultError:
        if (folder / file).exists():
            raise
        return None  # Somebody else's, by chance of that name.


_RECORDS = {SCENARIO_FILE: RUN_FILE, SWEEP_FILE: POINTS_FILE}
_OTHERS = {SCENARIO_FILE: (SWEEP_FILE, "sweep"), SWEEP_FILE: (SCENARIO_FILE, "run")}


def growth(folder: Path, file: str, text: str) -> Changes | None:
    """What `text` describes more than the folder's `file` does; None if that is equal or missing.

    Or less, as long as what it has begun to grow to isn't finished: the store has the scores of
    both. Raises ScenarioError if the folder holds anything else.
    """
    kept = _kept(folder, file)
    if kept == text or said_of(text, file, record_of(folder, file)):
        return None
    if kept is None:
        _check_free(folder, file)
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


def _kept(folder: Path, file: str) -> str | None:
    """What a folder's `file` says; None if there is none. What is no text is no scenario's."""
    try:
        return read_bytes(folder / file).decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        what = f"cannot read {file}: {error.strerror}"
        raise ScenarioError(f"--out {folder}: {what}; allowed: another folder") from None
    except OSError:
        return ""  # A folder, a pipe: no scenario, either.


def _check_free(folder: Path, file: str) -> None:
    """Raise ScenarioError for a place, without `file`, that holds something or is no folder."""
    if not folder.is_dir():
        if folder.exists() or folder.is_symlink():
            leads = "is no folder" if folder.exists() else "is a link that leads nowhere"
            what = "is a file" if folder.is_file() else leads
            raise ScenarioError(f"--out {folder}: {what}; allowed: a new or an empty folder")
        return
    if all(path.name.startswith(".") for path in folder.iterdir()):
        return
    other, command = _OTHERS[file]
    what = "holds other files"
    if (folder / other).exists():
        what = f"holds a {command}, which `braintorrent {command}` continues"
    raise ScenarioError(f"--out {folder}: {what}; allowed: a new or an empty folder")


def _is_whole(folder: Path) -> bool:
    """Whether a run's, or a sweep's, folder has all that it is to have."""
    sweep = record_of(folder, SWEEP_FILE)
    return bool(sweep["finished"]) if sweep else (folder / RUN_FILE).exists()


def holds(folder: Path, scenario_text: str) -> bool:
    """Whether a folder is that of this very scenario, finished or not."""
    return _kept(folder, SCENARIO_FILE) == scenario_text


def claim(folder: Path, file: str, text: str) -> None:
    """Make `folder` the place of what `text` describes. Raises OSError if it can't be."""
    folder.mkdir(parents=True, exist_ok=True)
    with whole(folder / file, ours=True) as path:
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
    site_names: Sequence[str] = (),
) -> None:
    """Write both tables and then `run.json`, whose existence means: done.

    The scenario gives the tables' order of protocols; within a protocol rows are sorted by seed and
    time. `wall_s` is the real time taken, in seconds; like the rest it goes to
    `run.json` only, never to a table. `workers`: as they were asked for. A failed run has no rows;
    `run.json` says why. `cautions`: what a reader should know first, the gravest at the top.
    `site_names` [clients]: what the user's data call the site that each client is, if they do.
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
        DIGESTS: digests(folder, (SCENARIO_FILE, SCORES_FILE, TRACE_FILE)),
        "virtual_s": sum(run.record.virtual_s for run in ordered),
        "wall_s": round(wall_s, 3),
        "workers": workers,
        **({"operations": asdict(operations)} if operations else {}),
        "cautions": [asdict(caution) for caution in cautions],
        **({"sites": list(site_names)} if site_names else {}),
        "runs": [{**asdict(run.record), "counters": dict(run.record.counters)} for run in ordered],
    }
    write_record(folder / RUN_FILE, record)


def finished_record(folder: Path) -> Record:
    """The content of a finished folder's `run.json`. Raises ResultError if it can't be read."""
    record = read_record(folder / RUN_FILE)
    if record is None:
        raise ResultError(f"{folder}: lacks {RUN_FILE}; allowed: a finished run")
    return record


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
