"""How far a sweep or a run has come, from nothing but its folder.

A room of its own because it answers while another process works there, touches nothing, and needs
neither an engine nor a table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sim.record.errors import Place, scenario_error
from sim.record.rows import FAILED
from sim.results.folder import RUN_FILE, RUNS_FOLDER, SCENARIO_FILE, SWEEP_FILE, read_record
from sim.results.folder_lock import holder
from sim.scenario import Scenario, grid, load


@dataclass(frozen=True)
class Failure:
    """One run that ended without results."""

    point: str
    """Empty in the folder of a single scenario."""
    protocol: str
    seed: int
    cause: str


@dataclass(frozen=True)
class Status:
    """What is done and what is not; a single scenario is one point."""

    folder: str
    scenario: str
    is_sweep: bool
    process: str | None
    """The process that works there; None if there is none."""
    points: int
    points_finished: int
    runs: int
    """One protocol, one seed, one point."""
    runs_finished: int
    failures: tuple[Failure, ...]

    @property
    def points_open(self) -> int:
        """Points still to do: running or waiting if a process works there, else missing."""
        return self.points - self.points_finished

    @property
    def runs_open(self) -> int:
        """Runs of the open points."""
        return self.runs - self.runs_finished - len(self.failures)


def status(folder: Path) -> Status:
    """Look into a folder that ``sweep`` or ``run`` writes; ScenarioError if it is none."""
    is_sweep = (folder / SWEEP_FILE).is_file()
    if is_sweep:
        sweep = grid(str(folder / SWEEP_FILE))
        base = sweep.base
        folders = {
            point.name: (folder / RUNS_FOLDER / point.name, point.scenario)
            for point in sweep.points
        }
    elif (folder / SCENARIO_FILE).is_file():
        base = load(folder / SCENARIO_FILE)
        folders = {"": (folder, base)}
    else:
        what = "holds neither a sweep nor a run" if folder.is_dir() else "no such folder"
        allowed = "a folder that `braintorrent sweep` or `run` writes"
        raise scenario_error(Place(str(folder), 0), (), what, allowed)
    # Asked first: a process that ends while we look has then finished what we find.
    process = holder(folder)
    done = {name: place for name, (place, _) in folders.items() if (place / RUN_FILE).is_file()}
    failures = tuple(failure for name, place in done.items() for failure in _failures(name, place))
    return Status(
        folder=str(folder),
        scenario=base.name,
        is_sweep=is_sweep,
        process=process,
        points=len(folders),
        points_finished=len(done),
        runs=sum(_runs(scenario) for _, scenario in folders.values()),
        runs_finished=sum(_runs(folders[name][1]) for name in done) - len(failures),
        failures=failures,
    )


def as_dict(found: Status) -> dict[str, Any]:
    """The status as JSON-ready values."""
    return {**asdict(found), "points_open": found.points_open, "runs_open": found.runs_open}


def lines(found: Status) -> Iterator[str]:
    """The status as people read it."""
    yield f"{found.folder}: {'sweep' if found.is_sweep else 'run'} of {found.scenario}"
    if found.process is not None:
        yield f"another braintorrent (process {found.process}) is working there"
    still = "missing" if found.process is None else "running or waiting"
    if found.is_sweep:
        yield f"points: {found.points_finished} of {found.points} finished" + (
            f", {found.points_open} {still}" if found.points_open else ""
        )
    yield f"runs: {found.runs_finished} of {found.runs} finished" + "".join(
        f", {count} {what}"
        for count, what in ((len(found.failures), FAILED), (found.runs_open, still))
        if count
    )
    for failure in found.failures:
        point = f"{failure.point} " if failure.point else ""
        yield f"failed: {point}{failure.protocol} seed {failure.seed}: {failure.cause}"


def _runs(scenario: Scenario) -> int:
    return len(scenario.protocols) * len(scenario.seeds)


def _failures(point: str, folder: Path) -> Iterator[Failure]:
    for run in read_record(folder)["runs"]:
        if run.get("status") == FAILED:
            cause = run.get("cause") or "no cause recorded"
            yield Failure(point, run["protocol"], run["seed"], cause)
