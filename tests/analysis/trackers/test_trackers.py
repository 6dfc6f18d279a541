"""The registry refuses in one line, before any work; trackers hear exact curves and settings."""

import subprocess
import sys
from configparser import ConfigParser
from importlib.util import find_spec
from pathlib import Path

import pytest

from analysis import trackers
from analysis.loading import load
from analysis.trackers.runs import tracked_runs
from sim.record.errors import ResultError
from sim.record.rows import ScoreRow, TraceRow
from tests.analysis.folders import (
    RATE,
    Run,
    described,
    score,
    swept,
    two_looks,
    write_run,
    write_sweep,
)

ROOT = Path(__file__).parents[3]


def test_an_unknown_tracker_is_refused() -> None:
    trackers.check(())
    with pytest.raises(ResultError, match=r"^--track x: unknown; allowed: mlflow, tensorboard$"):
        trackers.check(("tensorboard", "x"))


@pytest.mark.parametrize(
    ("name", "module"),
    [("mlflow", "mlflow"), ("mlflow", "sqlalchemy"), ("tensorboard", "tensorboard")],
)
def test_a_missing_extra_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, name: str, module: str
) -> None:
    trackers.check((name,))
    monkeypatch.setattr(
        trackers, "find_spec", lambda asked: None if asked == module else find_spec(asked)
    )
    with pytest.raises(ResultError) as caught:
        trackers.check((name,))
    command = f'pip install ".[{name}]", in the folder of its sources'
    assert str(caught.value) == f"--track {name}: needs the extra: {command} (no module {module})"


def test_each_tracker_has_an_extra_of_its_name() -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = setup["options.extras_require"]
    for name, tracker in trackers.TRACKERS.items():
        assert all(module in extras[name] for module in tracker.needs)


@pytest.mark.slow
def test_trackers_bring_no_torch(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "out", described())
    script = (
        "import sys, warnings\n"
        "from pathlib import Path\n"
        "from analysis import trackers\n"
        "assert not {'mlflow', 'tensorboard'} & set(sys.modules)\n"
        "trackers.check(trackers.TRACKERS)\n"
        "assert len(list(trackers.log(trackers.TRACKERS, Path(sys.argv[1])))) == 2\n"
        "heavy = {'torch', 'tensorflow', 'sim.scenario', 'models', 'simpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {"mlruns", "tensorboard"} <= {path.name for path in folder.iterdir()}


def with_server(run: Run) -> tuple[list[ScoreRow], list[TraceRow]]:
    scores, traces = two_looks(run)
    server = [score(run, 60.0, "server", 0.5)] if run[1] == "fedavg" else []
    return [*scores, *server], list(traces)


def test_curves_are_the_clients_and_the_models(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "out", described("seeds=[1]"), with_server)
    local, fedavg = tracked_runs(load(folder))
    assert local.curves.to_numpy().tolist() == [
        [0.0, "accuracy/aggregate", 0.5],
        [0.0, "accuracy/mean_client_received", 0.125],
        [0.0, "accuracy/worst_client_received", 0.0],
        [0.0, "loss/aggregate", 0.5],
        [0.0, "loss/mean_client_received", 0.125],
        # The worst loss is the largest.
        [0.0, "loss/worst_client_received", 0.25],
        [60.0, "accuracy/aggregate", 0.75],
        [60.0, "accuracy/mean_client_received", 0.375],
        [60.0, "accuracy/worst_client_received", 0.25],
        [60.0, "loss/aggregate", 0.75],
        [60.0, "loss/mean_client_received", 0.375],
        [60.0, "loss/worst_client_received", 0.5],
    ]
    assert [60.0, "accuracy/server", 0.5] in fedavg.curves.to_numpy().tolist()
    assert len(fedavg.curves) == len(local.curves) + 1


def test_settings_are_the_run_s_own_by_their_paths(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "out", described("seeds=[1]"))
    local, fedavg = tracked_runs(load(folder))
    assert (local.name, local.virtual_s, local.folder) == ("local/seed_1", 60.0, folder)
    assert local.tags == {"protocol": "local", "seed": "1"}
    assert fedavg.settings["protocols.fedavg.deadline"] == "60.0 s"
    assert fedavg.settings["clients.count"] == 2
    assert fedavg.settings["task.name"] == "digits"
    assert not any(path.startswith("protocols.fedavg") for path in local.settings)
    assert any(path.startswith("protocols.local") for path in local.settings)
    assert "seeds" not in local.settings
    assert all(isinstance(value, str | int | float | bool) for value in local.settings.values())


def test_points_of_a_sweep_have_their_values_and_failed_runs_are_left_out(tmp_path: Path) -> None:
    sweep = swept(f"{RATE}=0 / h,4 / h", "clients.count=2,3", seeds=1)
    names = [point.name for point in sweep.points]
    failed = [(names[1], "local", 0)]
    folder = write_sweep(tmp_path / "out", sweep, failed=failed, unfinished=names[2:3])
    found = list(tracked_runs(load(folder)))
    assert [(run.point, run.protocol) for run in found] == [
        *((names[0], "local"), (names[0], "fedavg"), (names[1], "fedavg")),
        *((names[3], "local"), (names[3], "fedavg")),
    ]
    last = found[-1]
    assert last.name == f"{names[3]}/fedavg/seed_0"
    assert last.tags == {"protocol": "fedavg", "seed": "0", "point": names[3]}
    assert last.folder == folder / "runs" / names[3]
    assert (last.settings[RATE], last.settings["clients.count"]) == ("4 / h", 3)
