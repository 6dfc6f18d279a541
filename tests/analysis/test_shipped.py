"""Results on demand: only a shipped scenario's own folder is ever run, and only if it must be."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from analysis.loading import load_or_run
from sim.record.errors import ResultError
from tests.analysis.folders import RATE, described, swept, write_run, write_sweep


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project with a blank"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were started; each leaves results, as the real one would."""
    commands: list[list[str]] = []

    def run(command: list[str], **how: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command[1:])
        folder = Path(command[-1])
        if "sweep" in command:
            write_sweep(folder, swept(f"{RATE}=1 / h,2 / h"))
        else:
            write_run(folder, described())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    return commands


@pytest.mark.parametrize(("end", "command"), [("", "run"), ("_sweep", "sweep")])
def test_a_shipped_scenario_is_run_once(
    project: Path, started: list[list[str]], end: str, command: str
) -> None:
    place = project / "results" / f"churn{end}"
    for folder in (f"results/churn{end}", place, place.parent / ".." / "results" / place.name):
        results = load_or_run(folder, "churn")
        assert results.folder == place and results.is_sweep == bool(end)
    assert started == [["-P", "-m", "braintorrent", command, "churn", "--out", str(place)]]


def test_an_unfinished_one_is_continued(project: Path, started: list[list[str]]) -> None:
    place = project / "results" / "churn_sweep"
    write_sweep(place, swept(f"{RATE}=1 / h,2 / h"), unfinished=["churn.failure_rate-2perh"])
    assert load_or_run(place, "churn").missing.empty
    assert len(started) == 1


def test_another_folder_is_never_run(
    project: Path, started: list[list[str]], tmp_path: Path
) -> None:
    mine = write_run(tmp_path / "mine", described())
    assert load_or_run(mine, "churn").folder == mine
    for missing in ("results/mine", "churn", "results/churn/runs", "other/churn_sweep"):
        with pytest.raises(ResultError, match="no such folder; allowed: a folder that `braintorr"):
            load_or_run(missing, "churn")
    assert started == []


def test_what_the_command_says_is_what_went_wrong(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "braintorrent.py").write_text(REFUSES)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (project / "braintorrent.py").write_text("raise ImportError('data, not code')")
    with pytest.raises(ResultError, match=r"^run churn: results/churn: holds another scenario$"):
        load_or_run("results/churn", "churn")


REFUSES = """
import sys
print("preparing", file=sys.stderr)
print("results/churn: holds another scenario", file=sys.stderr)
sys.exit(2)
"""
