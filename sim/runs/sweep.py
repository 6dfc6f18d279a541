"""Runs and sweeps as folders: who may write there, what is finished, what has to be done again.

A run is a sweep of one point. Whatever stopped the program, the same command continues: what is
finished stays, and the store has what was computed of the rest.
"""

import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from sim.record.errors import ScenarioError
from sim.record.folder import (
    POINTS_FILE,
    RUN_FILE,
    RUNS_FOLDER,
    SCENARIO_FILE,
    SWEEP_FILE,
    Record,
    read_record,
    write_record,
)
from sim.results import folder as results
from sim.results import own_code
from sim.results.folder_lock import locked
from sim.results.sweep_tables import write_tables
from sim.runs.data import with_pinned_files
from sim.runs.loop import to_its_end
from sim.runs.session import Done, PointFolder, Session, prepared, run_points
from sim.scenario import Changes, Scenario, Sweep, dump, dump_sweep, folder_record


def run_one(scenario: Scenario, session: Session) -> Done | None:
    """Do the runs of one scenario in `session.home`; None if they are finished already.

    Raises ScenarioError if the folder holds something else or can't be written.
    """
    (scenario,) = with_pinned_files([scenario])
    home, text = session.home, dump(scenario)
    finished = results.is_finished(home, text)
    code = own_code.used([scenario])
    changed = _changed(session, code, [home])
    if finished and not changed:
        return None
    data = prepared([scenario], session.tell)
    with _held(home):
        # Only now: until here another may have had it grow.
        grown = results.growth(home, SCENARIO_FILE, text)
        _begin([home], changed, grown, session)
        results.claim(home, SCENARIO_FILE, text)
        own_code.keep(home, code)
        return to_its_end(run_points([PointFolder(scenario, home)], session, data))


def run_sweep(sweep: Sweep, session: Session) -> Done | None:
    """Do all points of a sweep in `session.home`; None if they are finished already.

    Each point's results are in `runs/<point>`, those of all in two tables beside it. Raises
    ScenarioError if the folder holds something else or can't be written.
    """
    started_s = time.monotonic()
    home, text = session.home, dump_sweep(sweep)
    begun = results.record_of(home, SWEEP_FILE, text, POINTS_FILE)
    runs = home / RUNS_FOLDER
    scenarios = with_pinned_files([point.scenario for point in sweep.points])
    points = [
        PointFolder(scenario, runs / point.name)
        for scenario, point in zip(scenarios, sweep.points, strict=True)
    ]
    goes_back = begun is None and _goes_back(home, text)
    moving = _moving(home, points, goes_back)
    code = own_code.used(scenarios)
    changed = _changed(session, code, [*(point.folder for point in points), *moving])
    missing = _missing(points, changed, goes_back)
    if not missing and begun and begun["finished"]:
        return None
    data = prepared([point.scenario for point in missing], session.tell)
    told = folder_record(sweep).as_dict()
    with _held(home):
        grown = results.growth(home, SWEEP_FILE, text)
        stale = [*(point.folder for point in missing), *(moving if changed else ())]
        _begin(stale, changed, grown, session)
        results.claim(home, SWEEP_FILE, text)
        own_code.keep(home, code)
        if moving:
            _move(moving, points)
            missing = _missing(points, changed, goes_back)
        # Before its first point has a folder: a reader knows what the sweep is to become.
        write_record(home / POINTS_FILE, told | {"finished": False})
        for point in missing:
            results.claim(point.folder, SCENARIO_FILE, dump(point.scenario))
        done = to_its_end(run_points(missing, session, data))
        write_tables(home, sweep)
        finished = _finished(session, done, time.monotonic() - started_s)
        write_record(home / POINTS_FILE, told | {"finished": True} | finished)
        return done


def holds_some(sweep: Sweep, home: Path) -> bool:
    """Whether a folder has some of a sweep already. Raises ScenarioError as `run_sweep` does."""
    results.growth(home, SWEEP_FILE, dump_sweep(sweep))
    return (home / SWEEP_FILE).exists()


def _goes_back(home: Path, text: str) -> bool:
    """Whether a sweep is to be again what it was before it began to grow."""
    grown = results.growth(home, SWEEP_FILE, text)
    return grown is not None and grown.goes_back


def _missing(
    points: Sequence[PointFolder], changed: Sequence[str], goes_back: bool
) -> list[PointFolder]:
    """Those that have to be done, as all have whose code has changed."""

    def is_there(point: PointFolder) -> bool:
        text = dump(point.scenario)
        # One that has grown already while others hadn't holds another scenario's results.
        is_its_own = not goes_back or results.holds(point.folder, text)
        return is_its_own and results.is_finished(point.folder, text)

    return [point for point in points if changed or not is_there(point)]


def _changed(session: Session, code: own_code.Used, folders: Iterable[Path]) -> tuple[str, ...]:
    made = any((folder / RUN_FILE).exists() for folder in folders)
    return own_code.changed(session.home, code, made=made, accept=session.accept_code)


def _begin(
    folders: Iterable[Path], changed: Sequence[str], grown: Changes | None, session: Session
) -> None:
    """Let tables be made again, of code that has changed or of more runs than there were.

    Before the new code or the new scenario is there: a command that is stopped between would take
    them for its own. What was computed stays in the store.
    """
    if not changed and not grown:
        return
    begun = session.home / POINTS_FILE
    if record := read_record(begun):
        write_record(begun, record | {"finished": False})
    for folder in folders:
        (folder / RUN_FILE).unlink(missing_ok=True)
    if changed:
        session.tell(f"{own_code.told(changed)}: tables are made anew")
    if grown:
        session.tell(_told(grown))


def _told(grown: Changes) -> str:
    if grown.goes_back:
        return f"less than was begun here ({'; '.join(grown.others)}): known scores stay"
    # Kept, the models of all clients would take more room than all else.
    taken = (
        "scores that are known stay, models that are needed again are trained again; until it is "
        "done there are no tables, and the command before leads back"
        if grown.looks
        else "only what is new is trained"
    )
    return f"what is there grows ({'; '.join(grown.grown)}): {taken}"


def _moving(home: Path, points: Sequence[PointFolder], goes_back: bool) -> list[Path]:
    """The folders of points that are called otherwise now, as all are once more is varied."""
    begun, runs = read_record(home / POINTS_FILE), home / RUNS_FOLDER
    names = [point["name"] for point in begun["points"]] if begun else []
    if goes_back:  # Some may have got their new names, of which the record doesn't know yet.
        names = sorted(path.parent.name for path in runs.glob(f"*/{SCENARIO_FILE}"))
    wanted = {point.folder for point in points}
    return [runs / name for name in names if runs / name not in wanted and (runs / name).is_dir()]


def _move(folders: Iterable[Path], points: Sequence[PointFolder]) -> None:
    """Let each be where its point belongs now; those go that have grown, and are made anew."""
    places = {dump(point.scenario): point.folder for point in points}
    for folder in folders:
        kept = folder / SCENARIO_FILE
        place = places.get(kept.read_text(encoding="utf-8")) if kept.is_file() else None
        if place is None or place.exists():
            shutil.rmtree(folder)
        else:
            folder.rename(place)


@contextmanager
def _held(home: Path) -> Iterator[None]:
    """Hold the folder, and say what becomes of it if it can't be written."""
    try:
        with locked(home):
            yield
    except OSError as error:
        what = error.strerror or str(error)
        raise ScenarioError(
            f"--out {home}: cannot write there: {what}; what is finished stays, and the same "
            "command continues"
        ) from None


def _finished(session: Session, done: Done, wall_s: float) -> Record:
    """What a sweep came to; `wall_s` in seconds."""
    return {
        "failed_runs": len(done.failed),
        "wall_s": round(wall_s, 3),
        "workers": session.workers,
        "operations": asdict(done.operations),
    }
