"""MLflow: what was logged is read back with MLflow's own client."""

import posixpath
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from analysis.loading import load
from analysis.trackers import mlflow
from sim.record.errors import ResultError
from tests.analysis.evil import NAMES, STRUCTURES, an_evil_run
from tests.analysis.folders import RATE, described, swept, write_run, write_sweep

# MLflow's own tables use a strategy that SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


@pytest.fixture(autouse=True)
def _no_store_of_the_user_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(mlflow.URI_VARIABLE, raising=False)
    # A database that the user names has its artifacts in the current folder, as MLflow likes it.
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(mlflow.URI_VARIABLE, raising=False)
        folder = write_run(tmp_path_factory.mktemp("home") / "a run, é", described())
        mlflow.log(load(folder))
    return folder


@pytest.fixture
def folder(logged: Path, tmp_path: Path) -> Path:
    """A copy that a test may change; to make a database anew takes seconds."""
    return Path(shutil.copytree(logged, tmp_path / "out"))


def address(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}"


def runs(store: str, experiment: str = "churn") -> dict[str, Run]:
    client = MlflowClient(tracking_uri=store)
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    rows = client.search_runs([found.experiment_id])
    named = {row.info.run_name: row for row in rows}
    assert len(named) == len(rows)
    return named


def test_each_run_is_there_with_its_tags_and_settings(logged: Path) -> None:
    found = runs(address(logged))
    assert sorted(found) == ["fedavg/seed_0", "fedavg/seed_1", "local/seed_0", "local/seed_1"]
    run = found["fedavg/seed_1"]
    assert (run.data.tags["protocol"], run.data.tags["seed"]) == ("fedavg", "1")
    assert run.data.params["protocols.fedavg.deadline"] == "60.0 s"
    assert run.data.params["clients.count"] == "2"
    assert not any(path.startswith("protocols.local") for path in run.data.params)
    assert run.info.status == "FINISHED"
    # A run's duration is virtual.
    assert run.info.end_time - run.info.start_time == 60_000


def test_scores_come_back_over_virtual_time(logged: Path) -> None:
    run = runs(address(logged))["local/seed_0"]
    history = MlflowClient(tracking_uri=address(logged)).get_metric_history(
        run.info.run_id, "accuracy/mean_client_received"
    )
    assert [(one.step, one.timestamp - run.info.start_time, one.value) for one in history] == [
        (0, 0, 0.125),
        (60, 60_000, 0.375),
    ]
    assert set(run.data.metrics) == {
        f"{metric}/{of}"
        for metric in ("accuracy", "loss")
        for of in ("aggregate", "mean_client_received", "worst_client_received")
    }


def test_files_are_the_folder_s_and_tables_the_run_s_own(logged: Path, tmp_path: Path) -> None:
    run = runs(address(logged))["local/seed_1"]
    client = MlflowClient(tracking_uri=address(logged))
    names = sorted(file.path for file in client.list_artifacts(run.info.run_id))
    assert names == ["run.json", "scenario.yaml", "scores.parquet", "trace.parquet"]
    place = Path(client.download_artifacts(run.info.run_id, "", str(tmp_path)))
    for name in ("run.json", "scenario.yaml"):
        assert (place / name).read_bytes() == (logged / name).read_bytes()
    for name, whole in (
        ("scores.parquet", load(logged).scores(protocols="local", seeds=1)),
        ("trace.parquet", load(logged).trace(protocols="local", seeds=1)),
    ):
        pd.testing.assert_frame_equal(
            pd.read_parquet(place / name).astype(object), whole.astype(object)
        )
    assert (logged / "mlruns" / "artifacts").is_dir()


def test_logging_again_adds_nothing(folder: Path) -> None:
    before = {name: run.info.run_id for name, run in runs(address(folder)).items()}
    mlflow.log(load(folder))
    assert {name: run.info.run_id for name, run in runs(address(folder)).items()} == before


def test_what_is_not_whole_is_logged_anew(folder: Path) -> None:
    before = runs(address(folder))
    client = MlflowClient(tracking_uri=address(folder))
    broken = before["local/seed_0"].info.run_id
    client.update_run(broken, status="RUNNING")
    mlflow.log(load(folder))
    after = runs(address(folder))
    changed = {name for name in before if before[name].info.run_id != after[name].info.run_id}
    assert changed == {"local/seed_0"} and set(after) == set(before)


def test_other_tables_of_the_same_scenario_replace_the_runs(folder: Path) -> None:
    before = runs(address(folder))
    shutil.move(folder / "mlruns", folder.parent / "kept")
    shutil.rmtree(folder)
    write_run(folder, described(), failed=[("base", "local", 0)])
    shutil.move(folder.parent / "kept", folder / "mlruns")
    mlflow.log(load(folder))
    after = runs(address(folder))
    # The run that has failed this time was a good one, and stays.
    assert set(after) == set(before)
    assert {name for name in before if before[name].info.run_id == after[name].info.run_id} == {
        "local/seed_0"
    }


def test_a_sweep_is_an_experiment_of_its_own_with_points_as_tags(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(mlflow.URI_VARIABLE, address(folder))
    swept_folder = write_sweep(tmp_path / "sweep", swept(f"{RATE}=0 / h,4 / h", seeds=1))
    assert mlflow.log(load(swept_folder)) == address(folder)
    assert not (swept_folder / "mlruns").exists()
    found = runs(address(folder), "churn_sweep")
    run = found["churn.failure_rate-4perh/local/seed_0"]
    assert len(found) == 4 and len(runs(address(folder))) == 4
    assert run.data.tags["point"] == "churn.failure_rate-4perh"
    assert run.data.params[RATE] == "4 / h"


def test_many_settings_go_in_batches_and_long_ones_are_cut(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(mlflow.URI_VARIABLE, address(folder))
    faults = ", ".join(f"f{i}: {{kind: crash, node: client_0, at: {i} s}}" for i in range(1, 40))
    times = ", ".join(["1.000000001 s"] * 1000)
    scenario = described(
        "name=large",
        "seeds=[0]",
        f"faults={{{faults}}}",
        "clients.count=1000",
        f"clients.step_time=[{times}]",
    )
    mlflow.log(load(write_run(tmp_path / "large", scenario)))
    run = runs(address(folder), "large")["local/seed_0"]
    assert run.data.params["faults.f39.at"] == "39.0 s" and len(run.data.params) > 120
    assert len(run.data.params["clients.step_time"]) == 6000


@pytest.mark.parametrize(
    ("store", "shown"),
    [
        ("http://me:secret@127.0.0.1:9", "http://127.0.0.1:9: "),
        ("mlruns", "mlruns: .*maintenance mode"),
        ("nothing://x", "nothing://x: "),
    ],
)
def test_a_store_that_cannot_be_used_is_one_line_without_a_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str, shown: str
) -> None:
    folder = write_run(tmp_path / "out", described())
    monkeypatch.setenv(mlflow.URI_VARIABLE, store)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ResultError, match=f"^--track mlflow: cannot log to {shown}") as caught:
        mlflow.log(load(folder))
    said = str(caught.value)
    assert "\n" not in said and "secret" not in said and said.endswith("; the results are kept")


def test_a_folder_that_no_address_can_name_is_refused(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "50%", described())
    with pytest.raises(ResultError, match=r"has one of % \? # in its name; allowed: "):
        mlflow.log(load(folder))
    assert not (folder / "mlruns").exists()


def test_a_disk_that_refuses_is_one_line(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "out", described())
    (folder / "mlruns").write_text("a file of the user's")
    with pytest.raises(ResultError, match=r"^--track mlflow: cannot log to mlruns: .*File exists"):
        mlflow.log(load(folder))


@pytest.mark.slow
def test_names_that_mlflow_does_not_take_are_logged_all_the_same(tmp_path: Path) -> None:
    """A structure's name may have brackets, a dollar or two slashes."""
    folder = an_evil_run(tmp_path / "evil", NAMES[2:4])
    mlflow.log(load(folder))
    (run, *_) = runs(address(folder), "<i>evil</i>").values()
    of_structures = [name for name in run.data.metrics if name.startswith("dice_")]
    assert len(of_structures) == 2 * len(STRUCTURES)
    assert run.data.tags["protocol"] in NAMES[2:4]


def test_a_key_that_mlflow_takes_is_kept_and_others_are_told_apart() -> None:
    for name in ("dice_Left hippo/mean_client", "dice_größe: a-b.c/x", "accuracy/server"):
        assert mlflow._key(name) == name
    odd = ["a (b)/c", "a [b]/c", "a//b", "/a", "../a", "a/./b", "a" * 300, "a" * 301, "é$"]
    keys = list(map(mlflow._key, odd))
    assert len(set(keys)) == len(odd)
    for key in keys:
        assert re.fullmatch(r"[\w.\- :][/\w.\- :]{0,249}", key) and posixpath.normpath(key) == key
