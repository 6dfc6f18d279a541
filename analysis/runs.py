"""One row for every run that should be there: finished, failed or missing, and why.

A room of its own because a comparison is only honest about what it lacks if that is counted before
anything else is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.errors import ResultError
from analysis.files import RUN_FILE
from analysis.frames import ordered
from analysis.grid import Point

FINISHED = "finished"
FAILED = "failed"
MISSING = "missing"
NOT_WRITTEN = "not finished: its folder has no run.json"
NOT_LISTED = "run.json does not list it"

Record = Mapping[str, Any]
_STATUS = ordered((FINISHED, FAILED, MISSING))


def runs_frame(
    points: Sequence[Point],
    records: Mapping[str, Record | None],
    folders: Mapping[str, Path],
    leading: pd.DataFrame,
    types: Mapping[str, pd.CategoricalDtype],
) -> pd.DataFrame:
    """`leading`'s columns by point, then protocol, seed, status, cause, virtual_s and counters.

    `types`: of points and protocols. `records`, `folders`: by point, what its `run.json` holds
    (None: there is none) and where it is. `virtual_s` is NaN, `events` and counters are <NA>, where
    a run is missing. A counter that a run did not need is 0. Raises ResultError for a run that the
    scenario does not have.
    """
    rows = [
        row for point in points for row in _rows(point, records[point.name], folders[point.name])
    ]
    columns: dict[str, Any] = {
        "point": pd.Categorical([row["point"] for row in rows], dtype=types["point"]),
        "protocol": pd.Categorical([row["protocol"] for row in rows], dtype=types["protocol"]),
        "seed": pd.array([row["seed"] for row in rows], dtype="int64"),
        "status": pd.Categorical([row["status"] for row in rows], dtype=_STATUS),
        "cause": pd.array([row["cause"] for row in rows], dtype="str"),
        "virtual_s": pd.array([row["virtual_s"] for row in rows], dtype="float64"),
        "events": pd.array([row["events"] for row in rows], dtype="Int64"),
    }
    for name in sorted({name for row in rows for name in row["counters"]}):
        absent = [None if row["status"] == MISSING else 0 for row in rows]
        counts = [row["counters"].get(name, none) for row, none in zip(rows, absent, strict=True)]
        columns[name] = pd.array(counts, dtype="Int64")
    frame = pd.DataFrame(columns)
    return leading.merge(frame, on="point", how="right")


def _rows(point: Point, record: Record | None, folder: Path) -> list[dict[str, Any]]:
    """The runs of one point, by protocol and seed as the scenario has them."""
    listed = {(run["protocol"], run["seed"]): run for run in record["runs"]} if record else {}
    rows = []
    for protocol in point.settings["protocols"]:
        for seed in dict.fromkeys(point.settings["seeds"]):
            row: dict[str, Any] = {"point": point.name, "protocol": protocol, "seed": seed}
            run = listed.pop((protocol, seed), None)
            if run is None:
                cause = NOT_WRITTEN if record is None else NOT_LISTED
                row |= {"status": MISSING, "cause": cause, "virtual_s": None, "events": None}
                rows.append({**row, "counters": {}})
                continue
            status = run.get("status", FINISHED)
            if status not in (FINISHED, FAILED):
                allowed = f"{FINISHED}, {FAILED}"
                what = f"{protocol} seed {seed} has the status {status!r}; allowed: {allowed}"
                raise ResultError(f"{folder / RUN_FILE}: {what}")
            row |= {"status": status, "cause": run.get("cause", "")}
            row |= {"virtual_s": run.get("virtual_s", 0.0), "events": run.get("events", 0)}
            rows.append({**row, "counters": run.get("counters", {})})
    for protocol, seed in listed:
        what = f"{protocol} seed {seed} is no run of its scenario"
        raise ResultError(f"{folder / RUN_FILE}: {what}")
    return rows
