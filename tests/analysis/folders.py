"""Result folders of tiny hand-made rows, written by the simulator's own writers."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from sim.record.folder import (
    POINTS_FILE,
    RUNS_FOLDER,
    SCENARIO_FILE,
    SWEEP_FILE,
    read_record,
    write_record,
)
from sim.record.rows import FAILED, RunRecord, ScoreRow, TraceRow
from sim.results import folder as results
from sim.scenario import Scenario, Sweep, dump, dump_sweep, folder_record, grid, load
from tests.tables import traced

Run = tuple[str, str, int]
"""Point, protocol, seed."""
Rows = Callable[[Run], tuple[Sequence[ScoreRow], Sequence[TraceRow]]]

RATE = "faults.churn.failure_rate"


def score(
    run: Run,
    time_s: float,
    node: str,
    value: float,
    *,
    metric: str = "accuracy",
    stage: str | None = "received",
    up: bool = True,
) -> ScoreRow:
    """A score row in which only these things matter."""
    return ScoreRow(run[1], run[2], time_s, node, stage, 3, 3, 0.5, metric, value, up)


def trace(run: Run, time_s: float, node: str, kind: str, **told: Any) -> TraceRow:
    """A trace row in which only these things matter; `told`: round, cause and so on."""
    return TraceRow(run[1], run[2], time_s, 1.0, node, kind, "", 0, **told)


def two_looks(run: Run) -> tuple[Sequence[ScoreRow], Sequence[TraceRow]]:
    """Two clients and their aggregate, at 0 and at 60 s; each client trains once."""
    names = ("client_0", "client_1", "aggregate")
    scores = [
        score(run, time_s, name, (time_s / 60 + place) / 4, metric=metric)
        for time_s in (0.0, 60.0)
        for place, name in enumerate(names)
        for metric in ("accuracy", "loss")
    ]
    return scores, [trace(run, 1.0, "client_0", "train"), trace(run, 2.0, "client_1", "train")]


def described(
    *overrides: str, protocols: str = "{local: {}, fedavg: {deadline: 1 min}}"
) -> Scenario:
    """A scenario of two clients for one minute."""
    return load("churn", [*_changes(protocols), *overrides])


def swept(
    *vary: str,
    seeds: int = 2,
    protocols: str = "{local: {}, fedavg: {deadline: 1 min}}",
    changes: Sequence[str] = (),
) -> Sweep:
    """A sweep of the same."""
    return grid("churn", [*_changes(protocols), *changes], vary, seeds)


def _changes(protocols: str) -> list[str]:
    return ["clients.count=2", "duration=1 min", "seeds=[0, 1]", f"protocols={protocols}"]


def write_run(
    folder: Path,
    scenario: Scenario,
    rows: Rows = two_looks,
    *,
    point: str = "base",
    failed: Iterable[Run] = (),
) -> Path:
    """A finished result folder; `failed` runs have no rows."""
    bad = set(failed)
    results.claim(folder, SCENARIO_FILE, dump(scenario))
    runs = []
    for protocol in scenario.protocols:
        for seed in scenario.seeds:
            run = (point, protocol, seed)
            record = RunRecord(protocol, seed, 60.0, 7, {"local_rounds": 2})
            if run in bad:
                record = RunRecord(protocol, seed, 60.0, 7, {}, FAILED, "out of memory")
            scores, traces = ([], []) if run in bad else rows(run)
            runs.append(results.run_tables(record, scores, traced(traces)))
    results.write(folder, scenario, runs, wall_s=1.0, workers=0)
    return folder


def tuned_by(path: str, folder: Path) -> Path:
    """The sweep's folder, of which one varied setting is tuned."""
    edit_record(folder / POINTS_FILE, tune=[path])
    return folder


def edit_record(path: Path, **told: Any) -> None:
    """Let a `run.json` or a `sweep.json` tell something else, as if it had been written so."""
    record = read_record(path)
    assert record is not None
    write_record(path, record | told)


def write_sweep(
    folder: Path,
    sweep: Sweep,
    rows: Rows = two_looks,
    *,
    failed: Iterable[Run] = (),
    unfinished: Iterable[str] = (),
) -> Path:
    """A sweep's folder; `unfinished` points have been claimed, but not finished."""
    results.claim(folder, SWEEP_FILE, dump_sweep(sweep))
    write_record(folder / POINTS_FILE, folder_record(sweep).as_dict() | {"finished": False})
    left = set(unfinished)
    for point in sweep.points:
        place = folder / RUNS_FOLDER / point.name
        if point.name in left:
            results.claim(place, SCENARIO_FILE, dump(point.scenario))
        else:
            write_run(place, point.scenario, rows, point=point.name, failed=failed)
    return folder
