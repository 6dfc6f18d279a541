"""Runs and sweeps as folders: who may write there, what is finished, what has to be done again.

A run is a sweep of one point. Whatever stopped the program, the same command continues: what is
finished stays, and the store has what was computed of the rest.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from sim.record.errors import ScenarioError
from sim.record.files import make_way
from sim.record.folder import (
    POINTS_FILE,
    RUN_FILE,
    RUNS_FILE,
    RUNS_FOLDER,
    SCENARIO_FILE,
    SCORES_FILE,
    SWEEP_FILE,
    Record,
    write_record,
)
from sim.results import folder as results
from sim.results import own_code
from sim.results.digests import DIGESTS, digests
from sim.results.folder_lock import locked
from sim.results.place import check_name, check_writable
from sim.results.sweep_tables import write_tables
from sim.runs.data import Data, with_pinned_files
from sim.runs.loop import to_its_end
from sim.runs.session import Done, PointFolder, Session, prepared, run_points
from sim.scenario import Changes, Scenario, Sweep, dump, dump_sweep, folder_record


def run_one(scenario: Scenario, session: Session) -> Done | None:
    """Do the runs of one scenario in `session.home`; None if they are finished already.

    What is damaged there is made anew. Raises ScenarioError if the folder holds something else or
    can't be written.
    """
    check_name(session.home)
    (scenario,) = with_pinned_files([scenario])
    home, text = session.home, dump(scenario)
    record, look = results.look(home, SCENARIO_FILE, text, session.tell)
    code = own_code.used([scenario])
    changed = _changed(session, code, record, [home])
    finished = look.finished and not changed
    if finished and not look.worn:
        return None
    check_writable(home)
    data = prepared([] if finished else [scenario], session.tell)
    with _held(home, session.tell):
        # Only now: until here another may have had it grow.
        grown = results.growth(home, SCENARIO_FILE, text)
        _begin([home], changed, grown, session)
        results.claim(home, SCENARIO_FILE, text)
        own_code.keep(home, code)
        if finished:
            return None
        return to_its_end(run_points([PointFolder(scenario, home)], session, data))


def run_sweep(sweep: Sweep, session: Session) -> Done | None:
    """Do all points of a sweep in `session.home`; None if they are finished already.

    Each point's results are in `runs/<point>`, those of all in two tables beside it. What is
    damaged is made anew. Raises ScenarioError if the folder holds something else or can't be
    written.
    """
    check_name(session.home)
    started_s = time.monotonic()
    home, text = session.home, dump_sweep(sweep)
    begun, look = results.look(home, SWEEP_FILE, text, session.tell)
    scenarios = with_pinned_files([point.scenario for point in sweep.points])
    points = [
        PointFolder(scenario, home / RUNS_FOLDER / point.name)
        for scenario, point in zip(scenarios, sweep.points, strict=True)
    ]
    goes_back = begun is None and _goes_back(home, text)
    moving = _moving(home, begun, points, goes_back)
    code = own_code.used(scenarios)
    changed = _changed(session, code, begun, [*(point.folder for point in points), *moving])
    missing, worn = _missing(points, changed, goes_back, session)
    finished = look.finished and not missing
    if finished and not look.worn and not worn:
        return None
    check_writable(home)
    data = prepared([point.scenario for point in missing], session.tell)
    with _held(home, session.tell):
        grown = results.growth(home, SWEEP_FILE, text)
        stale = [*(point.folder for point in missing), *(moving if changed else ())]
        _begin(stale, changed, grown, session)
        results.claim(home, SWEEP_FILE, text)
        own_code.keep(home, code)
        if moving:
            _move(moving, points)
            missing, more = _missing(missing, changed, goes_back, session)
            worn += more
        for point in worn:
            results.claim(point.folder, SCENARIO_FILE, dump(point.scenario))
        if finished:
            return None
        return _done(sweep, missing, session, data, begun, started_s)


def _done(
    sweep: Sweep,
    missing: Sequence[PointFolder],
    session: Session,
    data: Data,
    begun: Record | None,
    started_s: float,
) -> Done:
    """Do what is missing of a sweep, and write its tables; `begun`: what it has come to so far."""
    home, told = session.home, folder_record(sweep).as_dict()
    # Before its first point has a folder: a reader knows what the sweep is to become.
    copy = {DIGESTS: digests(home, [SWEEP_FILE])}
    write_record(home / POINTS_FILE, told | copy | {"finished": False})
    for point in missing:
        results.claim(point.folder, SCENARIO_FILE, dump(point.scenario))
    done = to_its_end(run_points(missing, session, data))
    write_tables(home, sweep)
    figures = _figures(session, done, time.monotonic() - started_s)
    if not missing and begun and begun["finished"]:  # Its tables alone were made anew.
        figures = {name: begun[name] for name in figures}
    whole = {DIGESTS: digests(home, [SWEEP_FILE, SCORES_FILE, RUNS_FILE])}
    write_record(home / POINTS_FILE, told | whole | {"finished": True} | figures)
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
    points: Sequence[PointFolder], changed: Sequence[str], goes_back: bool, session: Session
) -> tuple[list[PointFolder], list[PointFolder]]:
    """Those that have to be done, as all have whose code has changed; and of the others those whose
    copy of their scenario has to be written again.
    """
    if changed:
        return list(points), []
    missing, worn = [], []
    for point in points:
        text = dump(point.scenario)
        # One that has grown already while others hadn't holds another scenario's results.
        if goes_back and not results.holds(point.folder, text):
            missing.append(point)
            continue
        _, look = results.look(point.folder, SCENARIO_FILE, text, session.tell)
        if not look.finished:
            missing.append(point)
        elif look.worn:
            worn.append(point)
    return missing, worn


def _changed(
    session: Session, code: own_code.Used, record: Record | None, folders: Iterable[Path]
) -> tuple[str, ...]:
    made = any((folder / RUN_FILE).exists() for folder in folders)
    accept = session.accept_code
    return own_code.changed(session.home, code, record, made=made, accept=accept)


def _begin(
    folders: Iterable[Path], changed: Sequence[str], grown: Changes | None, session: Session
) -> None:
    """Let tables be made again, of code that has changed or of more runs than there were.

    Before the new code or the new scenario is there: a command that is stopped between would take
    them for its own. What was computed stays in the store.
    """
    if not changed and not grown:
        return
    if record := results.record_of(session.home, SWEEP_FILE):
        begun = {name: told for name, told in record.items() if name != DIGESTS}
        write_record(session.home / POINTS_FILE, begun | {"finished": False})
    for folder in folders:
        make_way(folder / RUN_FILE)
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


def _moving(
    home: Path, begun: Record | None, points: Sequence[PointFolder], goes_back: bool
) -> list[Path]:
    """The folders of points that are called otherwise now, as all are once more is varied."""
    runs, told = home / RUNS_FOLDER, begun or results.record_of(home, SWEEP_FILE)
    if told and not goes_back:
        names = [point["name"] for point in told["points"]]
    else:  # Some may have got their new names, of which the record doesn't know yet.
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
def _held(home: Path, tell: Callable[[str], None]) -> Iterator[None]:
    """Hold the folder, and say what becomes of it if it can't be written."""
    try:
        with locked(home, tell):
            yield
    except OSError as error:
        what = error.strerror or str(error)
        if error.filename:
            what = f"{what}: {os.fspath(error.filename)}"
        if not home.is_dir():
            what = "it was moved or removed while it was written to"
        raise ScenarioError(
            f"--out {home}: cannot write there: {what}; what is finished stays, and the same "
            "command continues"
        ) from None


def _figures(session: Session, done: Done, wall_s: float) -> Record:
    """What a sweep came to; `wall_s` in seconds."""
    return {
        "failed_runs": len(done.failed),
        "wall_s": round(wall_s, 3),
        "workers": session.workers,
        "operations": asdict(done.operations),
    }
