"""How far a sweep or a run has come, from nothing but its folder, while another works there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sim.record.errors import ScenarioError
from sim.record.folder import (
    POINTS_FILE,
    RUN_FILE,
    RUNS_FOLDER,
    SCENARIO_FILE,
    Record,
    again,
    read_record,
)
from sim.record.points import read_sweep, tails
from sim.record.rows import FAILED
from sim.record.words import bytes_text
from sim.results.digests import damages, is_copy
from sim.results.folder import finished_record, holds_sweep
from sim.results.folder_lock import holder
from sim.results.under_way import Stored, Work, stored, told
from sim.scenario.yaml_loader import parse, read_text


@dataclass(frozen=True)
class Failure:
    """One run that ended without results."""

    point: str
    """Empty in the folder of a single scenario."""
    protocol: str
    seed: int
    cause: str
    values: Mapping[str, str]
    """What is varied, as it was written, by path."""


@dataclass(frozen=True)
class Damage:
    """A file of what is finished that is not what was written."""

    file: str
    """Its path in the folder."""
    what: str


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
    damages: tuple[Damage, ...]
    """Of what is finished, where no process works."""
    mended_by: str | None
    """The command that makes it anew; in it stands SCENARIO for the file that was given at first,
    if the folder's copy of it, or of its code, is damaged. None if nothing is."""
    stored: Stored
    work: Work | None
    """Of the session under way, or of the last one, if it was stopped."""

    @property
    def points_open(self) -> int:
        """Points still to do: running or waiting if a process works there, else missing."""
        return self.points - self.points_finished

    @property
    def runs_open(self) -> int:
        """Runs of the open points."""
        return self.runs - self.runs_finished - len(self.failures)


def status(folder: Path) -> Status:
    """Look into a folder that ``sweep`` or ``run`` writes; ScenarioError if it is none.

    What is finished is read, to find what of it is damaged.
    """
    is_sweep = holds_sweep(folder)
    if is_sweep:
        known = read_sweep(folder)[0]
        scenario, runs = known.scenario, {point.name: point.runs for point in known.points}
        values = {point.name: point.written for point in known.points}
        folders = {name: folder / RUNS_FOLDER / name for name in runs}
    else:
        scenario, number = _described(folder / SCENARIO_FILE)
        runs, folders, values = {"": number}, {"": folder}, {"": {}}
    # Asked first: a process that ends while we look has then finished what we find.
    process = holder(folder)
    done = {
        name: finished_record(place)
        for name, place in folders.items()
        if (place / RUN_FILE).is_file()
    }
    failures = tuple(
        failure
        for name, record in done.items()
        for failure in _failures(name, values[name], record)
    )
    whole = {folder: read_record(folder / POINTS_FILE)} if is_sweep else {}
    records = {**whole, **{folders[name]: record for name, record in done.items()}}
    # Who works there mends what is damaged, and may be writing it.
    damaged = tuple(_damages(folder, records)) if process is None else ()
    return Status(
        folder=str(folder),
        scenario=scenario,
        is_sweep=is_sweep,
        process=process,
        points=len(folders),
        points_finished=len(done),
        runs=sum(runs.values()),
        runs_finished=sum(runs[name] for name in done) - len(failures),
        failures=failures,
        damages=damaged,
        mended_by=_mended_by(folder, damaged) if damaged else None,
        stored=stored(folder),
        work=told(folder),
    )


def _damages(folder: Path, records: Mapping[Path, Record | None]) -> Iterator[Damage]:
    for home, record in records.items():
        for name, what in damages(home, record or {}):
            yield Damage((home / name).relative_to(folder).as_posix(), what)


def _mended_by(folder: Path, damaged: Sequence[Damage]) -> str:
    """Where the copy of what the command was given is damaged, it has to be given again."""
    return again(folder, "SCENARIO" if any(is_copy(one.file) for one in damaged) else None)


def _described(path: Path) -> tuple[str, int]:
    """The name and the runs of a scenario as `run` has written it, without the code it may name."""
    found = parse(read_text(path), str(path)).value
    try:
        return found["name"], len(found["protocols"]) * len(found["seeds"])
    except (LookupError, TypeError):
        allowed = "a scenario that `braintorrent run` has written"
        raise ScenarioError(
            f"{path}: has no name, protocols or seeds; allowed: {allowed}"
        ) from None


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
    if found.points_open:
        yield from _work_lines(found)
    for failure in found.failures:
        ends = zip(tails(list(failure.values)), failure.values.values(), strict=True)
        point = "".join(f"{end} {text}, " for end, text in ends)
        yield f"failed: {point}{failure.protocol} seed {failure.seed}: {failure.cause}"
    for damage in found.damages:
        yield f"damaged: {damage.file} {damage.what}"
    if found.damages:
        yield f"to mend it: {found.mended_by}"


def _work_lines(found: Status) -> Iterator[str]:
    kept, work = found.stored, found.work
    if kept.evaluations or kept.models:
        models = f"{kept.models:,} models ({bytes_text(kept.size_bytes)})"
        yield f"stored: {kept.evaluations:,} evaluations, {models}"
    if work is not None:
        when = "when it was stopped" if found.process is None else "under way"
        most = "" if work.simulated_runs == work.total_runs else "at least "
        yield (
            f"{when}: {work.trained:,} of {most}{work.trainings:,} trainings and "
            f"{work.evaluated:,} of {most}{work.evaluations:,} evaluations done; "
            f"{work.simulated_runs} of {work.total_runs} runs played"
        )


def _failures(point: str, values: Mapping[str, str], record: Record) -> Iterator[Failure]:
    for run in record["runs"]:
        if run["status"] == FAILED:
            cause = run.get("cause") or "no cause recorded"
            yield Failure(point, run["protocol"], run["seed"], cause, values)
