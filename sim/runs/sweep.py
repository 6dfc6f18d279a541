"""Runs and sweeps as folders: who may write there, what is finished, what has to be done again.

A run is a sweep of one point. Whatever stopped the program, the same command continues: what is
finished stays, and the store has what was computed of the rest.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from sim.record.errors import ScenarioError
from sim.results import folder as results
from sim.results.folder import FolderState
from sim.results.folder_lock import locked
from sim.results.sweep_tables import write_tables
from sim.runs.data import with_pinned_files
from sim.runs.session import Done, Place, Session, prepared, run_places
from sim.scenario import Scenario, Sweep, dump, dump_sweep

DONE_FILE = "sweep.json"


def run_one(scenario: Scenario, session: Session) -> Done | None:
    """Do the runs of one scenario in `session.home`; None if they are finished already.

    Raises ScenarioError if the folder holds something else or can't be written.
    """
    (scenario,) = with_pinned_files([scenario])
    text = dump(scenario)
    if results.folder_state(session.home, text) is FolderState.FINISHED:
        return None
    data = prepared([scenario], session.report)
    with _writing(session.home, results.SCENARIO_FILE, text):
        return asyncio.run(run_places([Place(scenario, session.home)], session, data))


def run_sweep(sweep: Sweep, session: Session) -> Done | None:
    """Do all points of a sweep in `session.home`; None if they are finished already.

    Each point's results are in `runs/<point>`, those of all in two tables beside it. Raises
    ScenarioError if the folder holds something else or can't be written.
    """
    started_s = time.monotonic()
    text = dump_sweep(sweep)
    results.check_holder(session.home, results.SWEEP_FILE, text)
    runs = session.home / results.RUNS_FOLDER
    scenarios = with_pinned_files([point.scenario for point in sweep.points])
    places = [
        Place(scenario, runs / point.name)
        for scenario, point in zip(scenarios, sweep.points, strict=True)
    ]
    states = [results.folder_state(place.folder, dump(place.scenario)) for place in places]
    missing = [
        place
        for place, state in zip(places, states, strict=True)
        if state is not FolderState.FINISHED
    ]
    if not missing and (session.home / DONE_FILE).exists():
        return None
    data = prepared([place.scenario for place in missing], session.report)
    with _writing(session.home, results.SWEEP_FILE, text):
        for place in missing:
            results.claim(place.folder, results.SCENARIO_FILE, dump(place.scenario))
        done = asyncio.run(run_places(missing, session, data))
        write_tables(session.home, sweep)
        _write_record(session, done, len(places), time.monotonic() - started_s)
        return done


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


def _write_record(session: Session, done: Done, points: int, wall_s: float) -> None:
    record = {
        "points": points,
        "failed_runs": len(done.failed),
        "wall_s": round(wall_s, 3),
        "workers": session.workers,
        "operations": asdict(done.operations),
    }
    with results.whole(session.home / DONE_FILE) as path:
        path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
