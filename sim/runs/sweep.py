"""Runs and sweeps as folders: who may write there, what is finished, what has to be done again.

A run is a sweep of one point. Whatever stopped the program, the same command continues: what is
finished stays, and the store has what was computed of the rest.
"""

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
    write_record,
)
from sim.results import folder as results
from sim.results import own_code
from sim.results.folder_lock import locked
from sim.results.sweep_tables import write_tables
from sim.runs.data import with_pinned_files
from sim.runs.loop import to_its_end
from sim.runs.session import Done, PointFolder, Session, prepared, run_points
from sim.scenario import Scenario, Sweep, dump, dump_sweep, folder_record


def run_one(scenario: Scenario, session: Session) -> Done | None:
    """Do the runs of one scenario in `session.home`; None if they are finished already.

    Raises ScenarioError if the folder holds something else or can't be written.
    """
    (scenario,) = with_pinned_files([scenario])
    text = dump(scenario)
    finished = results.is_finished(session.home, text)
    code = own_code.used([scenario])
    changed = _changed(session, code, [session.home])
    if finished and not changed:
        return None
    data = prepared([scenario], session.tell)
    with _writing(session.home, SCENARIO_FILE, text):
        _begin([session.home], changed, session)
        own_code.keep(session.home, code)
        return to_its_end(run_points([PointFolder(scenario, session.home)], session, data))


def run_sweep(sweep: Sweep, session: Session) -> Done | None:
    """Do all points of a sweep in `session.home`; None if they are finished already.

    Each point's results are in `runs/<point>`, those of all in two tables beside it. Raises
    ScenarioError if the folder holds something else or can't be written.
    """
    started_s = time.monotonic()
    text = dump_sweep(sweep)
    begun = results.record_of(session.home, SWEEP_FILE, text, POINTS_FILE)
    runs = session.home / RUNS_FOLDER
    scenarios = with_pinned_files([point.scenario for point in sweep.points])
    points = [
        PointFolder(scenario, runs / point.name)
        for scenario, point in zip(scenarios, sweep.points, strict=True)
    ]
    code = own_code.used(scenarios)
    changed = _changed(session, code, [point.folder for point in points])
    missing = [
        point
        for point in points
        if changed or not results.is_finished(point.folder, dump(point.scenario))
    ]
    if not missing and begun and begun["finished"]:
        return None
    data = prepared([point.scenario for point in missing], session.tell)
    told = folder_record(sweep).as_dict()
    with _writing(session.home, SWEEP_FILE, text):
        _begin([point.folder for point in points], changed, session)
        own_code.keep(session.home, code)
        # Before its first point has a folder: a reader knows what the sweep is to become.
        write_record(session.home / POINTS_FILE, told | {"finished": False})
        for point in missing:
            results.claim(point.folder, SCENARIO_FILE, dump(point.scenario))
        done = to_its_end(run_points(missing, session, data))
        write_tables(session.home, sweep)
        finished = _finished(session, done, time.monotonic() - started_s)
        write_record(session.home / POINTS_FILE, told | {"finished": True} | finished)
        return done


def _changed(session: Session, code: own_code.Used, folders: Iterable[Path]) -> tuple[str, ...]:
    made = any((folder / RUN_FILE).exists() for folder in folders)
    return own_code.changed(session.home, code, made=made, accept=session.accept_code)


def _begin(folders: Iterable[Path], changed: Sequence[str], session: Session) -> None:
    """Let runs be made again with code that has changed; what was computed stays in the store.

    Before the new code is there: a command that is stopped between would take them for its own.
    """
    if not changed:
        return
    for folder in folders:
        (folder / RUN_FILE).unlink(missing_ok=True)
    session.tell(f"{own_code.told(changed)}: tables are made anew")


@contextmanager
def _writing(home: Path, file: str, text: str) -> Iterator[None]:
    """Hold the folder, and make it this scenario's."""
    try:
        with locked(home):
            results.claim(home, file, text)
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
