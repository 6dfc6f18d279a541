"""Result folders as data frames: one value that knows what was asked, and what came of each run.

A room of its own because a figure or a statistic must not care whether it looks at a run or at a
sweep, nor whether that has finished: a run is a sweep of one point, and what is missing has a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from analysis import files
from analysis.errors import ResultError
from analysis.frames import node_names, ordered, values_frame
from analysis.grid import Point, Settings, number, points_of
from analysis.results import Results
from analysis.runs import Record, runs_frame

# By the task's name: what its runs are judged by if the scenario has no target.
DEFAULT_METRICS = {"digits": "accuracy", "brains": "dice", "nifti": "dice"}
_NEEDED = {"name": str, "duration": str, "seeds": list, "clients": dict, "protocols": dict}
_WRITTEN = "allowed: a folder that `braintorrent run` or `sweep` has written"


def load(folder: str | Path) -> Results:
    """The results in a folder of `braintorrent run` or `sweep`, whichever it is.

    Tables are read when they are asked for. A folder whose work was interrupted loads too; its
    `runs` tell what is missing. Raises ResultError if the folder holds neither, or is broken.
    """
    place = Path(folder)
    if (place / files.SWEEP_FILE).is_file():
        return load_sweep(place)
    if (place / files.SCENARIO_FILE).is_file():
        return load_run(place)
    what = "holds neither a run nor a sweep" if place.is_dir() else "no such folder"
    raise ResultError(f"{place}: {what}; {_WRITTEN}")


def load_run(folder: str | Path) -> Results:
    """The results of one scenario, as a sweep of one point named "base"; see `load`."""
    place = Path(folder)
    settings = _settings(place, files.SCENARIO_FILE)
    points = points_of(settings, {})
    return _results(place, settings, points, {point.name: place for point in points})


def load_sweep(folder: str | Path) -> Results:
    """The results of a sweep, finished or not; see `load`."""
    place = Path(folder)
    settings = dict(_settings(place, files.SWEEP_FILE))
    varied = settings.pop("sweep", None) or {}
    if not isinstance(varied, dict) or not all(isinstance(one, list) for one in varied.values()):
        what = "sweep: is no mapping of paths to values"
        raise ResultError(f"{place / files.SWEEP_FILE}: {what}; {_WRITTEN}")
    try:
        points = points_of(settings, varied)
    except ResultError as error:
        raise ResultError(f"{place / files.SWEEP_FILE}: {error}") from None
    runs = place / files.RUNS_FOLDER
    folders = {point.name: runs / point.name for point in points}
    _check_known(runs, folders)
    return _results(place, settings, points, folders, tuple(varied))


def _settings(folder: Path, file: str) -> Settings:
    if not folder.is_dir():
        raise ResultError(f"{folder}: no such folder; {_WRITTEN}")
    settings = files.read_settings(folder / file)
    for name, kind in _NEEDED.items():
        if not isinstance(settings.get(name), kind) or not settings[name]:
            raise ResultError(f"{folder / file}: lacks {name}; {_WRITTEN}")
    if not isinstance(settings["clients"].get("count"), int):
        raise ResultError(f"{folder / file}: lacks clients.count; {_WRITTEN}")
    return settings


def _check_known(runs: Path, folders: Mapping[str, Path]) -> None:
    """A point's folder that the sweep doesn't know would be results dropped in silence."""
    if not runs.is_dir():
        return
    for found in sorted(runs.iterdir()):
        if found.name not in folders and (found / files.SCENARIO_FILE).is_file():
            raise ResultError(f"{found}: is no point of its sweep; {_WRITTEN}")


def _results(
    folder: Path,
    settings: Settings,
    points: tuple[Point, ...],
    folders: Mapping[str, Path],
    paths: tuple[str, ...] | None = None,
) -> Results:
    """`paths`: those that a sweep varies; None for a run."""
    records = {name: files.read_record(place) for name, place in folders.items()}
    kinds = {name: kind for point in points for name, kind in _kinds(point.settings)}
    types = _types(points, kinds)
    names = [point.name for point in points]
    frame = values_frame(names, [point.values for point in points], paths or ())
    return Results(
        folder=folder,
        name=settings["name"],
        question=settings.get("question"),
        is_sweep=paths is not None,
        settings=settings,
        paths=paths or (),
        points=frame,
        written=values_frame(names, [point.written for point in points], paths or ()),
        conditions=_conditions(points, types["point"]),
        protocols=tuple(kinds),
        kinds=kinds,
        seeds=tuple(dict.fromkeys(seed for point in points for seed in point.settings["seeds"])),
        metric=_target(settings).get("metric", DEFAULT_METRICS[settings["task"]["name"]]),
        runs=runs_frame(points, records, folders, frame, types),
        _points={point.name: point for point in points},
        _folders=folders,
        _rows={name: _rows(record) for name, record in records.items() if record is not None},
        _types=types,
    )


def _kinds(settings: Settings) -> Iterator[tuple[str, str]]:
    """Each protocol with its kind, which its name tells where a varied value leaves it out."""
    for name, one in settings["protocols"].items():
        yield name, (one or {}).get("kind", name)


def _types(
    points: tuple[Point, ...], protocols: Mapping[str, str]
) -> dict[str, pd.CategoricalDtype]:
    nodes = ordered(node_names(max(point.settings["clients"]["count"] for point in points)))
    return {
        "point": ordered(point.name for point in points),
        "protocol": ordered(protocols),
        "node": nodes,
        "peer": nodes,
    }


def _rows(record: Record) -> Mapping[str, int]:
    """How many rows each table has, as the simulator counted them."""
    rows = record.get("rows", {})
    return rows if isinstance(rows, dict) else {}


def _target(settings: Settings) -> Settings:
    return (settings.get("evaluation") or {}).get("target") or {}


def _conditions(points: tuple[Point, ...], index: pd.CategoricalDtype) -> pd.DataFrame:
    """What each point's scores are judged by; NaN where its settings have none."""
    rows = []
    for settings in (point.settings for point in points):
        faults = (settings.get("faults") or {}).values()
        crashes = [number(fault.get("at")) for fault in faults if fault.get("kind") == "crash"]
        rows.append(
            {
                "duration_s": number(settings["duration"]),
                "crash_s": min((at for at in crashes if at is not None), default=None),
                "target": number(_target(settings).get("value")),
            }
        )
    names = pd.Categorical([point.name for point in points], dtype=index)
    return pd.DataFrame(rows, index=pd.Index(names, name="point"), dtype="float64")
