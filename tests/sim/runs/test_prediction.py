"""`predict`: a kept model's segmentation as files, and what it refuses in one line."""

import shutil
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from models.tasks import BrainsSettings
from models.tasks.cohort import Cohort
from models.tasks.segmentation import dice
from sim.cli import app
from sim.results import kept
from sim.runs.prediction import Choice, segmented
from tests.sim.squares import AFFINE, STRUCTURES, cohort
from tests.tables import read_scores

SCENARIO = """\
name: squares
duration: 12 s
seeds: [0, 1]
task: {name: brains, data_seed: 987654321}
model: {name: unet, channels: [4, 8]}
training: {optimizer: adam, learning_rate: 0.05, batch_size: 3, local_epochs: 5}
clients: {count: 2, step_time: 1 s}
network: {latency: 20 ms, uplink: 20 Mbit/s, downlink: 100 Mbit/s}
protocols: {braintorrent: {}, pooled: {}}
evaluation: {every: 12 s}
"""


def fake(settings: BrainsSettings, clients: int, tell: Any) -> Cohort:
    assert clients == 2
    return cohort()


@pytest.fixture(autouse=True)
def squares(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task `brains`, only that its subjects are squares."""
    monkeypatch.setattr(BrainsSettings, "cohort", fake)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of both protocols and both seeds."""
    home = tmp_path_factory.mktemp("prediction")
    (home / "squares.yaml").write_text(SCENARIO)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BrainsSettings, "cohort", fake)
        command = ["run", str(home / "squares.yaml"), "--workers=0", f"--out={home / 'run'}"]
        done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    return home / "run"


def predict(folder: Path, *options: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, ["predict", str(folder), *options])
    assert done.exit_code == code, done.output
    return done


def test_it_writes_the_labels_what_they_mean_and_a_picture(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "it.nii.gz"
    predict(folder, "--protocol=pooled", "--seed=1", "--subject=dora", f"--out={out}")
    files = sorted(path.name for path in out.parent.iterdir())
    assert files == ["it.csv", "it.nii.gz", "it.png"]
    image = nibabel.load(out)
    labels, truth = np.asarray(image.dataobj), cohort().subjects[3].labels
    assert np.array_equal(image.affine, AFFINE)
    assert labels.shape == truth.shape and labels.dtype == np.uint8
    assert (labels == truth).mean() > 0.5, "the model has learned nothing"
    assert (out.parent / "it.csv").read_text() == (
        "id,name\n0,background\n1,small_square\n2,large_square\n"
    )
    assert (out.parent / "it.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("node", "stage"),
    [("client_0", "received"), ("client_1", "trained"), ("aggregate", "received")],
)
def test_the_dice_of_the_held_out_subjects_is_the_run_s_last_score(
    node: str, stage: str, folder: Path, tmp_path: Path
) -> None:
    found = []
    for subject in cohort().subjects[2:4]:
        out = tmp_path / "it.nii.gz"
        options = ("--protocol=braintorrent", "--seed=0", f"--node={node}", f"--stage={stage}")
        predict(folder, *options, f"--subject={subject.name}", f"--out={out}")
        labels = np.asarray(nibabel.load(out).dataobj)
        found.append(dice(labels, subject.labels, 1 + len(STRUCTURES)).mean())
    (score,) = (
        row.value
        for row in read_scores(folder)
        if row[:2] == ("braintorrent", 0) and row.time_s == 12
        if (row.node, row.stage, row.metric) == (node, stage, "dice")
    )
    assert np.mean(found) == pytest.approx(score)


def test_by_default_it_is_the_aggregate_and_the_first_subject_that_is_held_out(
    folder: Path,
) -> None:
    said = predict(folder, "--protocol=braintorrent", "--seed=1").output
    default = folder / "braintorrent-seed1-aggregate-cleo_2-c297cdeb.nii.gz"
    assert f"segmentation by aggregate in {default}" in said
    other = folder / "other.nii.gz"
    options = ("--node=aggregate", "--subject=cleo/2", f"--out={other}")
    predict(folder, "--protocol=braintorrent", "--seed=1", *options)
    for file in (default, other):
        assert file.is_file()
    for ending in (".nii.gz", ".csv", ".png"):
        one, two = (
            path.with_name(path.name.removesuffix(".nii.gz") + ending) for path in (default, other)
        )
        assert one.read_bytes() == two.read_bytes()


def test_of_a_client_s_two_models_it_is_the_received_one_unless_asked(folder: Path) -> None:
    client = ("--protocol=braintorrent", "--seed=1", "--node=client_1")
    said = predict(folder, *client).output
    assert f"by client_1 (received) in {folder}/braintorrent-seed1-client_1_received-" in said
    said = predict(folder, *client, "--stage=trained").output
    trained = folder / "braintorrent-seed1-client_1_trained-cleo_2-c297cdeb.nii.gz"
    assert f"by client_1 (trained) in {trained}" in said
    assert trained.is_file()
    choice = Choice(protocol="braintorrent", seed=1, stage="trained")
    done = segmented(folder, choice, trained, print)
    assert "braintorrent seed 1, client_0 (trained)\n" in done.title
    assert "pooled seed 1, aggregate\n" in segmented(
        folder, Choice(protocol="pooled", seed=1, stage="trained"), trained, print
    ).title  # fmt: skip


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "--protocol: is needed, one of several; allowed: braintorrent, pooled"),
        (["--protocol=fedavg"], "--protocol fedavg: not in {}; allowed: braintorrent, pooled"),
        (["--protocol=pooled"], "--seed: is needed, one of several; allowed: 0, 1"),
        (["--protocol=pooled", "--seed=7"], "--seed 7: not in {}; allowed: 0, 1"),
        (
            ["--protocol=braintorrent", "--seed=0", "--node=server"],
            "--node server: not in {}; allowed: aggregate, client_0, client_1",
        ),
        (
            ["--protocol=braintorrent", "--seed=0", "--node=aggregate", "--stage=trained"],
            "--node aggregate: not in {}; allowed: client_0, client_1",
        ),
        (
            ["--protocol=pooled", "--seed=0", "--stage=best"],
            "--stage best: not in {}; allowed: received, trained",
        ),
        (
            ["--protocol=pooled", "--seed=0", "--subject=eve"],
            "--subject eve: not in the cohort; allowed: cleo/2, dora, emil, anna, ben",
        ),
        (["--point=base"], "--point base: {} is no sweep; allowed: no --point"),
        (["--out=it.nii"], "--out it.nii: unknown ending; allowed: .nii.gz"),
    ],
)
def test_a_choice_that_is_not_there_is_refused(options: list[str], said: str, folder: Path) -> None:
    assert predict(folder, *options, code=2).output == said.format(folder) + "\n"


def test_a_folder_without_models_says_how_to_keep_them(folder: Path, tmp_path: Path) -> None:
    text = (folder / "scenario.yaml").read_text()
    (tmp_path / "scenario.yaml").write_text(text.replace("final", "none"))
    said = predict(tmp_path, code=2).output
    assert said == (
        f"{tmp_path}: keeps no models; allowed: results of a scenario with "
        "output: {keep_models: final}\n"
    )
    assert "no such folder" in predict(tmp_path / "no", code=2).output
    (tmp_path / "scenario.yaml").unlink()
    assert "holds neither a sweep nor a run" in predict(tmp_path, code=2).output


def test_a_task_without_segmentation_is_refused(tmp_path: Path) -> None:
    digits = ["run", "no_faults", "--set=duration=1 s", "--set=evaluation.every=1 s", "--seed=0"]
    keep = ["--set=output.keep_models=final", "--protocol=local", "--workers=0"]
    done = CliRunner().invoke(app, [*digits, *keep, f"--out={tmp_path}"])
    assert done.exit_code == 0, done.output
    assert "the task digits has no segmentation; allowed: " in predict(tmp_path, code=2).output


def test_a_damaged_model_and_one_of_another_network_are_refused(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "scenario.yaml").write_bytes((folder / "scenario.yaml").read_bytes())
    file = kept.path_of(tmp_path, "pooled", 0, "pooled")
    model, _ = kept.read(kept.path_of(folder, "pooled", 0, "pooled"))
    kept.write(tmp_path, model, {"weight": np.zeros(3, np.float32)})
    assert "the tensors are those of another network" in predict(tmp_path, code=2).output
    file.write_bytes(file.read_bytes()[:-1])
    assert f"{file} is no kept model" in predict(tmp_path, code=2).output


def test_a_sweep_s_point_is_chosen(tmp_path: Path) -> None:
    (tmp_path / "squares.yaml").write_text(SCENARIO)
    sweep = tmp_path / "sweep"
    vary = "--vary=training.learning_rate=0.05,0.02"
    command = ["sweep", str(tmp_path / "squares.yaml"), vary, "--seeds=1", "--protocol=pooled"]
    done = CliRunner().invoke(app, [*command, "--workers=0", f"--out={sweep}"])
    assert done.exit_code == 0, done.output
    said = predict(sweep, code=2).output
    assert said.startswith("--point: is needed, one of several; allowed: ")
    points = sorted(path.name for path in (sweep / "runs").iterdir())
    assert len(points) == 2
    assert all(point in said for point in points)
    predict(sweep, f"--point={points[0]}")
    assert (sweep / f"{points[0]}-pooled-seed0-aggregate-cleo_2-c297cdeb.png").is_file()


def test_the_subjects_are_those_of_the_model_s_run(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[int] = []

    def noting(settings: BrainsSettings, clients: int, tell: Any) -> Cohort:
        seeds.append(settings.drawn_by)
        return cohort()

    monkeypatch.setattr(BrainsSettings, "cohort", noting)
    options = ("--protocol=pooled", "--seed=1", f"--out={tmp_path / 'it.nii.gz'}")
    predict(folder, *options)
    changed = shutil.copytree(folder, tmp_path / "changed")
    scenario = changed / "scenario.yaml"
    scenario.write_text(scenario.read_text().replace("987654321", "run"))
    predict(changed, *options)
    assert seeds == [987654321, 1]


def test_subjects_of_each_site_are_drawn_with_their_labels(tmp_path: Path) -> None:
    (tmp_path / "squares.yaml").write_text(SCENARIO)
    out = tmp_path / "new" / "subjects.png"
    command = ["subjects", str(tmp_path / "squares.yaml"), f"--out={out}"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert out.read_bytes().startswith(b"\x89PNG")


def test_a_task_without_subjects_is_refused_in_one_line() -> None:
    done = CliRunner().invoke(app, ["subjects", "server_crash"])
    assert done.exit_code == 2
    assert done.stderr.endswith("task.name: digits has no subjects; allowed: brains, nifti\n")
