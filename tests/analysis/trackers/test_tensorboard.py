"""TensorBoard: what was logged is read back with TensorBoard's own reader."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata, plugin_data_pb2

from analysis.loading import load
from analysis.trackers import tensorboard
from sim.record.errors import ResultError
from tests.analysis.folders import RATE, described, swept, write_run, write_sweep


def read(folder: Path) -> EventAccumulator:
    (file,) = folder.iterdir()
    found = EventAccumulator(str(file))
    found.Reload()
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_run(tmp_path / "out", described())


def test_scores_come_back_with_virtual_seconds_as_steps_and_times(folder: Path) -> None:
    assert tensorboard.log(load(folder)) == str(folder / "tensorboard")
    found = read(folder / "tensorboard" / "local" / "seed_1")
    assert sorted(found.Tags()["scalars"]) == [
        f"{metric}/{of}"
        for metric in ("accuracy", "loss")
        for of in ("aggregate", "mean_client_received", "worst_client_received")
    ]
    events = [
        (one.step, one.wall_time, one.value)
        for one in found.Scalars("accuracy/mean_client_received")
    ]
    assert events == [(0, 0.0, 0.125), (60, 60.0, 0.375)]


def test_settings_and_tags_come_back_as_hyperparameters(folder: Path) -> None:
    tensorboard.log(load(folder))
    found = read(folder / "tensorboard" / "local" / "seed_1")
    content = found.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    assert start.hparams["clients.count"].number_value == 2
    assert start.hparams["duration"].string_value == "60.0 s"
    assert start.hparams["protocol"].string_value == "local"
    assert start.hparams["seed"].string_value == "1"
    assert start.group_name == "local/seed_1"


def test_scenario_and_record_come_back_as_text(folder: Path) -> None:
    tensorboard.log(load(folder))
    found = read(folder / "tensorboard" / "fedavg" / "seed_0")
    for name in ("scenario.yaml", "run.json"):
        (event,) = found.Tensors(name)
        shown = event.tensor_proto.string_val[0].decode()
        lines = (folder / name).read_text().splitlines()
        assert shown.splitlines() == [f"    {line}" for line in lines]


def test_logging_twice_leaves_one_file_per_run(folder: Path) -> None:
    tensorboard.log(load(folder))
    stale = folder / "tensorboard" / "gone" / "seed_0"
    stale.mkdir(parents=True)
    tensorboard.log(load(folder))
    assert not stale.exists()
    runs = sorted((folder / "tensorboard").glob("*/*"))
    assert [str(run.relative_to(folder / "tensorboard")) for run in runs] == [
        *("fedavg/seed_0", "fedavg/seed_1", "local/seed_0", "local/seed_1")
    ]
    assert all(len(list(run.iterdir())) == 1 for run in runs)


def test_a_sweep_has_a_folder_per_point(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "out", swept(f"{RATE}=0 / h,4 / h", seeds=1))
    tensorboard.log(load(folder))
    names = {path.parent.name for path in (folder / "tensorboard").glob("*/local")}
    assert names == {"churn.failure_rate-0perh", "churn.failure_rate-4perh"}


def test_a_place_that_cannot_be_written_is_one_line(folder: Path) -> None:
    (folder / "tensorboard").write_text("a file of the user's")
    before = sorted(folder.iterdir())
    with pytest.raises(ResultError, match=r"tensorboard: cannot be written: .*results are kept$"):
        tensorboard.log(load(folder))
    assert sorted(folder.iterdir()) == before
