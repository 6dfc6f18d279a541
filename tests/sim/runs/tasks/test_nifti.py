"""A user's own scans from the command line: learned from, segmented, and not taken for others."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from sim.cli import app
from tests.models.tasks.nifti.phantom import SHAPE, write_sites, write_subject

SCENARIO = """\
name: heads
duration: 4 s
seeds: [0]
task: {name: nifti, scans: scans, label_map: map.csv, image_size: 32, voxel_size_mm: 4.0}
model: {name: unet, channels: [4, 8]}
training: {optimizer: adam, learning_rate: 0.01, batch_size: 8, local_epochs: 1}
clients: {count: 2, step_time: 1 s}
network: {latency: 20 ms, uplink: 20 Mbit/s, downlink: 100 Mbit/s}
protocols: {braintorrent: {}}
evaluation: {every: 4 s}
"""
CHANGED = "have changed since; allowed: the files as they were"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_sites(tmp_path, {"alpha": 3, "beta": 2})
    (tmp_path / "heads.yaml").write_text(SCENARIO)
    return tmp_path


def command(*words: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == code, done.output
    return done


def test_a_run_is_of_the_scans_that_it_learned_from(home: Path) -> None:
    run = ["run", str(home / "heads.yaml"), "--workers=0", f"--out={home / 'out'}"]
    predict = ["predict", str(home / "out"), f"--out={home / 'it.nii.gz'}"]
    command(*run)
    record = (home / "out" / "run.json").read_bytes()
    assert "monai" in json.loads(record)["versions"]
    command(*predict)
    command("run", str(home / "out" / "scenario.yaml"), f"--out={home / 'out'}")  # as it was stored
    label_map, before = home / "map.csv", (home / "map.csv").read_bytes()
    label_map.write_bytes(before.replace(b"ball", b"sphere"))
    said = command(*run, code=2).stderr
    assert said.startswith(f"--out {home / 'out'}: holds the results of a different scenario (")
    assert "task.files_sha256: " in said
    assert CHANGED in command(*predict, code=2).stderr
    label_map.write_bytes(before)
    assert "heads" in command(*run).output
    assert (home / "out" / "run.json").read_bytes() == record, "it has been done again"


@pytest.mark.parametrize("axes", ["RAS", "LIP"])
def test_a_segmentation_lies_over_the_scan_voxel_by_voxel(home: Path, axes: str) -> None:
    for name in ("alpha-0", "alpha-1", "alpha-2"):
        write_subject(home / "scans", "alpha", name, axes)
    command("run", str(home / "heads.yaml"), "--workers=0", f"--out={home / 'out'}")
    out = home / "it.nii.gz"
    said = command("predict", str(home / "out"), f"--out={out}").output
    shape = (20, 18, 24) if axes == "LIP" else SHAPE
    assert f", on the scan's own grid of {' x '.join(map(str, shape))} voxels\n" in said
    scan = nibabel.load(home / "scans" / "alpha" / "alpha-0" / "image.nii.gz")
    found = nibabel.load(out)
    assert found.shape == scan.shape == shape
    assert np.array_equal(found.affine, scan.affine)
    said = command("predict", str(home / "out"), f"--out={out}", "--grid=network").output
    assert ", on the network's grid of " in said and nibabel.load(out).shape[1:] == (32, 32)
    said = command("predict", str(home / "out"), "--grid=mine", code=2).stderr
    assert said == "--grid mine: unknown; allowed: scan, network\n"


def test_a_sweep_s_points_know_their_scans(home: Path) -> None:
    out = home / "out"
    vary = "--vary=training.learning_rate=0.01,0.02"
    sweep = ["sweep", str(home / "heads.yaml"), vary, "--workers=0", f"--out={out}"]
    command(*sweep)
    command(*sweep)  # finished
    command("status", str(out))
    (home / "map.csv").write_text((home / "map.csv").read_text().replace("ball", "sphere"))
    assert "task.files_sha256: " in command(*sweep, code=2).stderr


def test_a_missing_file_is_told_before_anything_is_written(home: Path) -> None:
    missing = home / "scans" / "beta" / "beta-0" / "image.nii.gz"
    missing.rename(missing.with_name("other.nii.gz"))
    said = command("run", str(home / "heads.yaml"), f"--out={home / 'out'}", code=2).stderr
    assert said.count("\n") == 1 and "no image.nii.gz; allowed: one of image.nii, " in said
    assert not (home / "out").exists()
