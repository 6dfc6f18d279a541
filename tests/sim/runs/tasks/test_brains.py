"""The task `brains` through the whole program: the same bytes whoever generates and trains."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from analysis import load
from sim.cli import app

SMALL = (
    "run",
    "brains_quick",
    "--set=task={name: brains, training_subjects: 2, test_subjects: 2, slices: 4}",
    "--set=model={name: quicknat, filters: 2}",
    "--set=clients.count=2",
    "--set=duration=20 s",
    "--set=evaluation.every=10 s",
)


def done(home: Path, workers: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose subjects are generated anew, in a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / f"cache_{workers}"))
    folder = home / f"run_{workers}"
    result = CliRunner().invoke(app, [*SMALL, f"--workers={workers}", f"--out={folder}"])
    assert result.exit_code == 0, result.output
    return folder


@pytest.mark.slow
def test_tables_and_models_have_the_same_bytes_with_two_workers_as_with_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, together = (done(tmp_path, workers, monkeypatch) for workers in (0, 2))
    files = [*alone.glob("*.parquet"), *alone.glob("models/**/*.safetensors")]
    assert len(files) > 10, "a table or a model is lacking"
    for file in files:
        assert file.read_bytes() == (together / file.relative_to(alone)).read_bytes(), file
    scores = load(alone).scores()
    own = scores[scores["metric"] == "dice_own_site"]
    assert set(own["node"]) == {"client_0", "client_1"}
    assert set(scores.loc[scores["metric"] == "hd95_mm", "time_s"]) == {20.0}
