"""A user's own images from the command line: the same bytes with any number of workers."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sim.cli import app
from tests.models.tasks.images.pictures import numbered, write_all
from tests.tables import read_scores

SCENARIO = """\
name: pets
duration: 4 s
seeds: [0]
task: {name: images, path: pets, size: 8, channels: 1}
model: {name: cnn, channels: [2, 4]}
training: {optimizer: adam, learning_rate: 0.01, batch_size: 4, local_steps: 2}
clients: {count: 2, step_time: 500 ms}
network: {latency: 20 ms, uplink: 20 Mbit/s, downlink: 100 Mbit/s}
protocols: {braintorrent: {}}
evaluation: {every: 2 s}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folders = [f"{site}/{pet}" for site in ("north", "south") for pet in ("cat", "dog")]
    write_all(tmp_path / "pets", *numbered(folders, 6))
    (tmp_path / "pets.yaml").write_text(SCENARIO)
    return tmp_path


def command(*words: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == code, done.output
    return done


@pytest.mark.slow
def test_workers_learn_the_same_from_images(home: Path) -> None:
    for workers in ("0", "1"):
        out = home / workers
        command("run", str(home / "pets.yaml"), f"--workers={workers}", f"--out={out}")
    one, other = (home / workers / "scores.parquet" for workers in ("0", "1"))
    assert one.read_bytes() == other.read_bytes()
    names = {row.metric for row in read_scores(home / "0")}
    assert names == {"accuracy", "loss", "accuracy_own_site", "loss_own_site"}


def test_a_mistake_among_the_images_is_one_line_and_leaves_nothing(home: Path) -> None:
    (home / "pets" / "north" / "dog" / "03.png").write_bytes(b"no image")
    said = command("run", str(home / "pets.yaml"), f"--out={home / 'out'}", code=2).stderr
    lines = [line for line in said.splitlines() if "decoding" not in line]
    assert len(lines) == 1
    assert "pets.yaml:4:" in lines[0] and ": task.path: " in lines[0]
    assert "north/dog/03.png: can't be read as PNG or JPEG; allowed: a whole file" in lines[0]
    assert not (home / "out").exists()
    assert not list((home / "cache").rglob("*.npz"))


def test_a_run_is_of_the_images_that_it_learned_from(home: Path) -> None:
    run = ["run", str(home / "pets.yaml"), "--workers=0", f"--out={home / 'out'}"]
    command(*run)
    command("run", str(home / "out" / "scenario.yaml"), f"--out={home / 'out'}")  # as it was stored
    (home / "pets" / "north" / "cat" / "00.png").unlink()
    assert "task.files_sha256: " in command(*run, code=2).stderr
