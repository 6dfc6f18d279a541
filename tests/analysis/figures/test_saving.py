"""Figures as files: the same bytes twice, by the file's ending, or a mistake in one line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from analysis.errors import ResultError
from analysis.figures import FIGURES
from analysis.figures.saving import plot
from sim import results as simulated
from sim.cli import app
from tests.analysis.figures.looked_at import a_run, a_sweep


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_the_same_bytes_twice(tmp_path: Path, ending: str) -> None:
    a_run(tmp_path / "run")
    first, second = (
        plot(tmp_path / "run", out=tmp_path / f"{name}.{ending}") for name in ("a", "b")
    )
    assert first.read_bytes() == second.read_bytes()
    assert b"202" not in first.read_bytes()[:400]
    assert sorted(path.name for path in tmp_path.glob(".*")) == []


def test_the_default_is_what_the_results_were_made_for(tmp_path: Path) -> None:
    a_run(tmp_path / "run")
    a_sweep(tmp_path / "sweep")
    assert plot(tmp_path / "run") == tmp_path / "run" / "convergence.png"
    assert plot(tmp_path / "sweep") == tmp_path / "sweep" / "failure_rate.png"
    # It still is a run's folder.
    assert (tmp_path / "run" / simulated.SCENARIO_FILE).is_file()


def test_mistakes(tmp_path: Path) -> None:
    a_run(tmp_path / "run")
    with pytest.raises(ResultError, match=r"a.gif: unknown ending; allowed: .png, .svg, .pdf"):
        plot(tmp_path / "run", out=tmp_path / "a.gif")
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultError, match="cannot be written"):
        plot(tmp_path / "run", out=tmp_path / "file" / "a.png")


def test_the_command(tmp_path: Path) -> None:
    a_run(tmp_path / "run")
    target = tmp_path / "a.svg"
    done = CliRunner().invoke(app, ["plot", str(tmp_path / "run"), "--out", str(target)])
    assert (done.exit_code, done.stderr) == (0, f"figure in {target}\n")
    assert target.read_text().startswith("<?xml")


def test_the_command_reports_mistakes_in_a_line(tmp_path: Path) -> None:
    a_run(tmp_path / "run")
    done = CliRunner().invoke(app, ["plot", str(tmp_path / "run"), "--figure", "art"])
    assert done.exit_code == 2
    assert done.stderr == f"--figure art: unknown; allowed: {', '.join(FIGURES)}\n"
    done = CliRunner().invoke(app, ["plot", str(tmp_path / "nothing")])
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
