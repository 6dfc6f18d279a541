"""Result folders as data frames: one value that knows what was asked, and what came of each run.

A run is a sweep of one point, and what is missing has a row: a figure or a statistic must not care
whether it looks at a run or at a sweep, nor whether that has finished.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.files import read_settings
from analysis.frames import node_names, ordered, values_frame
from analysis.results import Part, Results
from sim.record.errors import ResultError
from sim.record.folder import RUN_FILE, RUNS_FOLDER, SCENARIO_FILE, SWEEP_FILE, Record, again
from sim.record.points import FolderRecord, PointRecord, read_points, read_sweep
from sim.record.rows import FAILED, FINISHED, MISSING, STAGES

NOT_WRITTEN = "not finished: its folder has no run.json"
NOT_LISTED = "run.json does not list it"
_STATUS = ordered((FINISHED, FAILED, MISSING))
_WRITTEN = "allowed: a folder that `braintorrent run` or `sweep` has written"


def load(folder: str | Path) -> Results:
    """The results in a folder of `braintorrent run` or `sweep`, whichever it is.

    Tables are read when they are asked for. A sweep whose work was interrupted loads too; its
    `runs` tell what is missing. Raises ResultError if the folder holds neither, is broken or of
    another format, or holds a run that has not finished.
    """
    place = Path(folder)
    if (place / SWEEP_FILE).is_file():
        return load_sweep(place)
    if (place / SCENARIO_FILE).is_file():
        return load_run(place)
    what = "holds neither a run nor a sweep" if place.is_dir() else "no such folder"
    raise ResultError(f"{place}: {what}; {_WRITTEN}")


def load_run(folder: str | Path) -> Results:
    """The results of one scenario, as a sweep of one point named "base"; see `load`."""
    place = Path(folder)
    settings = _settings(place / SCENARIO_FILE)
    found = read_points(place / RUN_FILE)
    if found is None:
        allowed = f"to continue it: {again(place)}"
        raise ResultError(f"{place}: is {NOT_WRITTEN}; allowed: {allowed}")
    known, record = found
    return _results(place, settings, known, {known.points[0].name: (place, record)})


def load_sweep(folder: str | Path) -> Results:
    """The results of a sweep, finished or not; see `load`."""
    place = Path(folder)
    settings = _settings(place / SWEEP_FILE)
    settings.pop("sweep", None)
    known, _ = read_sweep(place)
    folders = {point.name: place / RUNS_FOLDER / point.name for point in known.points}
    _check_known(place / RUNS_FOLDER, folders)
    found = {name: (each, _record(each)) for name, each in folders.items()}
    return _results(place, settings, known, found, tuple(known.units))


def _settings(path: Path) -> dict[str, Any]:
    if not path.parent.is_dir():
        raise ResultError(f"{path.parent}: no such folder; {_WRITTEN}")
    return read_settings(path)


def _record(folder: Path) -> Record | None:
    found = read_points(folder / RUN_FILE)
    return found and found[1]


def _check_known(runs: Path, folders: Mapping[str, Path]) -> None:
    """A point's folder that the sweep doesn't know would be results dropped in silence."""
    if not runs.is_dir():
        return
    for found in sorted(runs.iterdir()):
        if found.name not in folders and (found / SCENARIO_FILE).is_file():
            raise ResultError(f"{found}: is no point of its sweep; {_WRITTEN}")


def _results(
    folder: Path,
    settings: Mapping[str, Any],
    known: FolderRecord,
    found: Mapping[str, tuple[Path, Record | None]],
    paths: tuple[str, ...] | None = None,
) -> Results:
    """`found`: each point's folder and `run.json`. `paths`: those varied; None for a run."""
    points = known.points
    about = {name: one for point in points for name, one in point.protocols.items()}
    nodes = ordered(node_names(max(point.clients for point in points)))
    names = ordered(point.name for point in points)
    types = {"point": names, "protocol": ordered(about), "node": nodes, "peer": nodes}
    types["stage"] = ordered(STAGES)
    frame = values_frame({point.name: point.values for point in points}, paths or ())
    return Results(
        folder=folder,
        name=known.scenario,
        question=settings.get("question"),
        is_sweep=paths is not None,
        settings=settings,
        paths=paths or (),
        units=known.units,
        points=frame,
        written=values_frame({point.name: point.written for point in points}, paths or ()),
        conditions=pd.DataFrame(
            [
                (point.duration_s, point.crash_s, point.target and point.target.value)
                for point in points
            ],
            index=pd.Index(frame["point"]),
            columns=["duration_s", "crash_s", "target"],
            dtype="float64",
        ),
        crash_nodes={point.name: point.crash_node for point in points},
        targets={point.name: point.target for point in points},
        protocols=tuple(about),
        about=about,
        seeds=tuple(dict.fromkeys(seed for point in points for seed in point.seeds)),
        metric=known.metric,
        directions=known.directions,
        bounds=known.bounds,
        tune=known.tune,
        runs=_runs(points, found, frame, types),
        cautions=tuple(
            {"point": name, **each}
            for name, (_, record) in found.items()
            for each in (record or {}).get("cautions", [])
        ),
        _folders={name: place for name, (place, _) in found.items()},
        chosen_values=None,
        grid_ends={},
        _parts={
            name: (Part(place, record["rows"], record["sha256"]),)
            for name, (place, record) in found.items()
            if record is not None
        },
        _types=types,
    )


def _runs(
    points: tuple[PointRecord, ...],
    found: Mapping[str, tuple[Path, Record | None]],
    leading: pd.DataFrame,
    types: Mapping[str, pd.CategoricalDtype],
) -> pd.DataFrame:
    """One row for every run that should be there; the columns are those of `Results.runs`.

    A counter that a run did not need is 0. Raises ResultError for a run that the scenario does not
    have.
    """
    rows = [row for point in points for row in _rows(point, *found[point.name])]
    counters = sorted({name for row in rows for name in row["counters"]})
    kinds: dict[str, Any] = {"point": types["point"], "protocol": types["protocol"]}
    kinds |= {"seed": "int64", "status": _STATUS, "cause": "str", "virtual_s": "float64"}
    kinds |= dict.fromkeys(("events", *counters), "Int64")
    for row in rows:
        absent = None if row["status"] == MISSING else 0
        row |= dict.fromkeys(counters, absent) | row["counters"]
    frame = pd.DataFrame(rows, columns=list(kinds), dtype="object").astype(kinds)
    return leading.merge(frame, on="point", how="right")


def _rows(point: PointRecord, folder: Path, record: Record | None) -> list[dict[str, Any]]:
    """The runs of one point, by protocol and seed as the scenario has them."""
    listed = _listed(record, folder / RUN_FILE) if record else {}
    cause = NOT_LISTED if record else NOT_WRITTEN
    nothing: dict[str, Any] = {"status": MISSING, "cause": cause, "counters": {}}
    rows = [
        {"point": point.name, "protocol": protocol, "seed": seed}
        | listed.pop((protocol, seed), nothing)
        for protocol in point.protocols
        for seed in dict.fromkeys(point.seeds)
    ]
    for protocol, seed in listed:
        what = f"{protocol} seed {seed} is no run of its scenario"
        raise ResultError(f"{folder / RUN_FILE}: {what}")
    return rows


def _listed(record: Record, path: Path) -> dict[tuple[str, int], dict[str, Any]]:
    runs = record.get("runs")
    needed = {"protocol", "seed", "status", "cause", "virtual_s", "events", "counters"}
    if not isinstance(runs, list) or not all(needed <= dict(run).keys() for run in runs):
        raise ResultError(f"{path}: lists no runs; allowed: what `braintorrent` has written")
    for run in runs:
        if run["status"] not in (FINISHED, FAILED):
            what = f"{run['protocol']} seed {run['seed']} has the status {run['status']!r}"
            raise ResultError(f"{path}: {what}; allowed: {FINISHED}, {FAILED}")
    return {(run["protocol"], run["seed"]): run for run in runs}
