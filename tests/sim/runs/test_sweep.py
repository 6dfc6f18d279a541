"""Sweeps: what points share is trained once, and whatever stops one, the same command continues."""

import asyncio
import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sim.cli import app
from sim.results import folder as results
from sim.results import kept
from sim.results.folder_lock import locked
from sim.runs.session import PointFolder, Progress, Session, prepared, run_points
from sim.scenario import load
from tests.sim.counting import BROKEN, steps
from tests.tables import read_scores

SMALL = [
    "server_crash",
    "--set=duration=4 min",
    "--set=clients.count=4",
    "--set=protocols.fedavg.deadline=30 s",
    "--workers=0",
]
VARY = "--vary=faults.server_crash.at=1 min,2 min"
SEEDS = "--seeds=2"
POINTS = ("server_crash.at-1min", "server_crash.at-2min")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def sweep(folder: Path, *options: str, code: int = 0) -> Result:
    done = invoke("sweep", *SMALL, VARY, SEEDS, f"--out={folder}", *options)
    assert done.exit_code == code, done.output
    return done


def content(folder: Path) -> dict[str, bytes]:
    """Every table, by its path in the folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*.parquet"))
    }


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweeps") / "whole"
    sweep(folder)
    return folder


def scored(folder: Path) -> int:
    """How many models were evaluated, on one data set each."""
    return len((folder / "store" / "scores.jsonl").read_text().splitlines())


def operations(folder: Path) -> dict[str, int]:
    found: dict[str, int] = json.loads((folder / "sweep.json").read_text())["operations"]
    return found


def test_a_sweep_leaves_its_scenario_its_points_and_two_tables(expected: Path) -> None:
    names = {path.relative_to(expected).as_posix() for path in expected.rglob("*")}
    wanted = {"sweep.yaml", "sweep.json", "scores.parquet", "runs.parquet"}
    for point in POINTS:
        files = ("scenario.yaml", "scores.parquet", "trace.parquet", "run.json")
        wanted |= {f"runs/{point}/{file}" for file in files}
    assert wanted <= names
    record = json.loads((expected / "sweep.json").read_text())
    assert (record["format"], record["finished"], record["failed_runs"]) == (5, True, 0)
    assert [point["name"] for point in record["points"]] == list(POINTS)
    assert [point["values"] for point in record["points"]] == [
        {"faults.server_crash.at": at} for at in (60.0, 120.0)
    ]
    assert record["units"] == {"faults.server_crash.at": "s"}
    assert not [name for name in names if name.endswith(".npy")], "models outlived the sweep"


def test_each_point_has_the_bytes_of_its_run_alone(expected: Path, tmp_path: Path) -> None:
    for point, at in zip(POINTS, ("1 min", "2 min"), strict=True):
        changes = [f"--set=faults.server_crash.at={at}", "--set=seeds=[0, 1]"]
        alone = invoke("run", *SMALL, *changes, f"--out={tmp_path / point}")
        assert alone.exit_code == 0, alone.output
        assert content(tmp_path / point) == content(expected / "runs" / point)


def test_same_bytes_with_workers(expected: Path, tmp_path: Path) -> None:
    sweep(tmp_path / "pool", "--workers=2")
    assert content(tmp_path / "pool") == content(expected)


def test_what_points_share_is_trained_once(expected: Path) -> None:
    done = operations(expected)
    # All but FedAvg's rounds after the first crash are the same at both points.
    assert done["steps_computed"] == done["steps_demanded"] < 0.6 * done["steps_asked"]


def test_the_same_command_shows_a_finished_sweep_again(expected: Path, journal: Path) -> None:
    again = sweep(expected)
    assert "finished already" in again.output
    assert "braintorrent" in again.output
    assert steps(journal) == 0


def test_a_deleted_point_comes_back_without_training(
    expected: Path, journal: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(expected, folder)
    shutil.rmtree(folder / "runs" / POINTS[0])
    (folder / "scores.parquet").unlink()
    sweep(folder)
    assert content(folder) == content(expected)
    assert steps(journal) == 0


def test_a_changed_sweep_is_refused_with_what_has_changed(expected: Path, tmp_path: Path) -> None:
    before = content(expected)
    changed = invoke(
        "sweep", *SMALL, VARY, SEEDS, f"--out={expected}", "--set=training.learning_rate=0.1"
    )
    assert changed.exit_code == 2
    assert "training.learning_rate: 0.1 was 0.05" in changed.output
    assert "allowed: the identical scenario" in changed.output
    assert content(expected) == before


def test_a_second_sweep_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    with locked(tmp_path / "busy", print):
        refused = sweep(tmp_path / "busy", code=2)
    assert f"another braintorrent (process {os.getpid()}) is working there" in refused.output


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    assert "cannot write there" in sweep(Path("/sys/nowhere"), code=2).output
    (tmp_path / "file").touch()
    assert "is a file" in sweep(tmp_path / "file", code=2).output


def test_a_mistake_in_the_data_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    refused = sweep(folder, "--set=task.partition.minimum_samples=2000", code=2)
    assert "allowed:" in refused.output
    assert [path.name for path in folder.rglob("*") if not path.name.startswith(".")] == []


def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(results, "write", fails)


def test_after_a_full_disk_nothing_is_trained_again(
    expected: Path, journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        full_disk(patch)
        refused = sweep(tmp_path / "full", code=2)
    assert "No space left on device" in refused.output
    assert "the same command continues" in refused.output
    trained = steps(journal)
    sweep(tmp_path / "full")
    assert content(tmp_path / "full") == content(expected)
    assert steps(journal) <= 1.2 * max(trained, operations(expected)["steps_computed"])


def test_damage_in_the_store_is_reported_and_never_believed(
    expected: Path, journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "damaged"
    with monkeypatch.context() as patch:
        full_disk(patch)
        sweep(folder, code=2)
    models = sorted((folder / "store").rglob("*.npy"))
    assert models
    for index, path in enumerate(models):
        whole = path.read_bytes()
        path.write_bytes(whole[:-7] if index % 2 else whole[:200] + b"??" + whole[202:])
    scores = folder / "store" / "scores.jsonl"
    lines = scores.read_bytes().splitlines(keepends=True)
    half = len(lines) // 2
    scores.write_bytes(b"".join([*lines[:half], lines[half].replace(b"accuracy", b"accurate")]))
    again = sweep(folder)
    assert "damaged" in again.output
    assert "computed again" in again.output
    assert content(folder) == content(expected)


def test_a_broken_operation_fails_only_the_runs_that_need_it(
    expected: Path, journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "broken"
    with monkeypatch.context() as patch:
        patch.setenv(BROKEN, "1")
        done = sweep(folder, code=1)
    assert "failed: pooled seed 0: trained(-1, 0) failed: OSError: the machine" in done.output
    assert "the same command tries again" in done.output
    for point in POINTS:
        runs = json.loads((folder / "runs" / point / "run.json").read_text())["runs"]
        failed = {run["protocol"]: run["cause"] for run in runs if run["status"] == "failed"}
        assert list(failed) == ["pooled"]
        assert "flooded" in failed["pooled"]
    state = invoke("status", str(folder))
    assert "4 failed" in state.output
    before = steps(journal)
    sweep(folder)
    assert content(folder) == content(expected)
    assert 0 < steps(journal) - before < operations(expected)["steps_computed"]
    assert "16 of 16 finished" in invoke("status", str(folder)).output


def test_a_run_is_a_sweep_of_one_point(journal: Path, tmp_path: Path) -> None:
    folder, other = tmp_path / "run", tmp_path / "other"
    options = [*SMALL, "--seed=0", "--protocol=fedavg", "--protocol=local"]
    assert invoke("run", *options, f"--out={other}").exit_code == 0
    assert invoke("run", *options, f"--out={folder}").exit_code == 0
    whole = content(folder)
    assert whole == content(other)
    trained = steps(journal)
    (folder / "run.json").unlink()
    assert invoke("run", *options, f"--out={folder}").exit_code == 0
    assert content(folder) == whole
    assert steps(journal) == trained


@pytest.mark.slow
def test_a_sweep_that_holds_hardly_anything_has_the_same_results(
    expected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.runs.worlds.once.HELD_BYTES", -1)  # Shared worlds are played again.
    monkeypatch.setattr("sim.runs.session.RUNS_AHEAD", 1)
    monkeypatch.setattr("sim.runs.session.BYTES_HELD", 0)
    sweep(tmp_path)
    assert content(tmp_path) == content(expected)
    assert operations(tmp_path) == operations(expected)


def test_a_dry_run_tells_what_the_sweep_then_does(expected: Path, tmp_path: Path) -> None:
    planned = sweep(tmp_path / "none", "--dry-run", "--json")
    plan = json.loads(planned.stdout)
    done = operations(expected)
    assert plan["runs"] == 16
    assert plan["evaluations"] == scored(expected)
    assert (plan["steps_asked"], plan["steps"]) == (done["steps_asked"], done["steps_computed"])
    assert [point["faults.server_crash.at"] for point in plan["points"]] == [60.0, 120.0]
    assert not (tmp_path / "none").exists()
    text = sweep(tmp_path / "none", "--dry-run").output
    assert text.splitlines()[:3] == [
        "point                 server_crash.at",
        "server_crash.at-1min  1 min",
        "server_crash.at-2min  2 min",
    ]
    assert "2 points, 16 runs" in text
    assert "left after sharing" in text
    assert "kept in the results" not in text
    there = sweep(expected, "--dry-run").output
    assert f"{expected} has some of it already" in there.replace("\n", " ")
    refused = sweep(expected, "--dry-run", "--set=clients.count=3", code=2).output
    assert "a different scenario" in refused.replace("\n", " ")


def test_a_stage_that_is_left_out_and_data_that_nobody_looks_at_cost_no_evaluation(
    tmp_path: Path,
) -> None:
    def evaluations(*options: str) -> int:
        planned = sweep(tmp_path, *options, "--seeds=1", "--dry-run", "--json")
        return int(json.loads(planned.stdout)["evaluations"])

    no_target, received = "--set=evaluation.target=null", "--set=evaluation.stages=[received]"
    goal = "--set=stop_when={metric: accuracy, value: 1}"
    without, both = evaluations(no_target, received), evaluations(no_target)
    assert evaluations(received) == 2 * without < 2 * both
    assert evaluations() == both + without
    assert evaluations(no_target, goal) == both + without
    # The axis is the only one to tune.
    assert evaluations(no_target, "--tune=faults.server_crash.at") == 2 * both


def test_a_tuned_sweep_says_so_and_scores_the_validation_data(tmp_path: Path) -> None:
    small = ["no_faults", "--set=duration=1 min", "--set=evaluation={every: 1 min}"]
    small += ["--protocol=braintorrent", "--workers=0", "--set=clients.count=2"]
    rates = ["--vary=training.learning_rate=0.05,0.1", "--tune=training.learning_rate", "--seeds=1"]
    swept = invoke("sweep", *small, *rates, f"--out={tmp_path / 'tuned'}")
    assert swept.exit_code == 0, swept.output
    record = json.loads((tmp_path / "tuned" / "sweep.json").read_text())
    assert record["tune"] == ["training.learning_rate"]
    (point, _) = sorted((tmp_path / "tuned" / "runs").iterdir())
    rows = [row for row in read_scores(point) if row.metric == "accuracy_validation"]
    assert {(row.time_s, row.stage) for row in rows} == {
        *((0.0, "received"), (0.0, "trained"), (60.0, "received"), (60.0, "trained"))
    }

    alone = invoke("run", f"{point / 'scenario.yaml'}", "--workers=0", f"--out={tmp_path / 'one'}")
    assert "what the scenario says of a sweep is left out" in alone.output
    assert not [row for row in read_scores(tmp_path / "one") if "validation" in row.metric]


def test_a_dry_run_counts_the_models_that_are_kept(tmp_path: Path) -> None:
    keep = "--set=output={keep_models: final}"
    planned = json.loads(sweep(tmp_path / "kept", keep, "--dry-run", "--json").stdout)
    assert "final models kept in the results: " in sweep(tmp_path, keep, "--dry-run").output
    sweep(tmp_path / "kept", keep)
    files = sorted((tmp_path / "kept").rglob("*.safetensors"))
    tensors = [kept.read(file)[1].values() for file in files]
    assert planned["kept_bytes"] == sum(one.nbytes for each in tensors for one in each)


def test_what_ctrl_c_ends_counts_as_not_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.runs.session.SECONDS_BETWEEN_REPORTS", 0)  # To see every step.
    scenario = load("churn", ["duration=4 min", "seeds=[0, 1, 2]"])
    told: list[Progress] = []
    session = Session(tmp_path, 0, 1 << 30, print, told.append)

    async def interrupted() -> None:
        points = [PointFolder(scenario, tmp_path)]
        work = asyncio.create_task(run_points(points, session, prepared([scenario], print)))
        while not told or told[-1].latest is None:
            await asyncio.sleep(0.01)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    asyncio.run(interrupted())
    assert (told[-1].finished_runs, told[-1].total_runs) == (0, 12)
