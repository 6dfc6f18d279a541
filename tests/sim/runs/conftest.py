from pathlib import Path

import pytest

from tests.sim.counting import JOURNAL, CountingTraining


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the steps of every training are noted from now on."""
    path = tmp_path / "journal"
    path.touch()
    monkeypatch.setenv(JOURNAL, str(path))
    monkeypatch.setattr("sim.runs.training.Training", CountingTraining)
    return path
