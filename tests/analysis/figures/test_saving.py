"""Figures as files: the same bytes twice, by the file's ending, or a mistake in one line."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from analysis.figures import FIGURES
from analysis.figures.saving import plot
from sim.cli import app
from sim.record.errors import ResultError
from tests.analysis.figures.looked_at import a_run, a_sweep
from tests.analysis.folders import RATE


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
    two = (f"{RATE}=1 / h,3 / h", "task.partition.alpha=0.1,0.5")
    a_sweep(tmp_path / "both", *two, protocols="{braintorrent: {}, fedavg: {deadline: 1 min}}")
    assert plot(tmp_path / "both") == tmp_path / "both" / "map.png"
    assert plot(tmp_path / "sweep") == tmp_path / "sweep" / "failure_rate.png"
    # It still is a run's folder.
    assert (tmp_path / "run" / "scenario.yaml").is_file()


def test_other_choices_have_files_of_their_own(tmp_path: Path) -> None:
    run, sweep = tmp_path / "run", tmp_path / "sweep"
    a_run(run)
    a_sweep(sweep, f"{RATE}=1 / h,2 / h")
    assert plot(run, stage="received", over="time").name == "convergence.png"
    assert plot(run, over="local_rounds").name == "convergence_local_rounds.png"
    timeline = plot(run, figure="timeline", protocol="fedavg", seed=1, from_s=20.0)
    assert timeline.name == "timeline_fedavg_seed-1_from-20.png"
    clients = plot(run, figure="clients", nodes=["client_0", "client_1"])
    assert clients.name == "clients_client_0+client_1.png"
    one = plot(sweep, figure="convergence", conditions=[f"{RATE}= 2 / h"])
    assert one.name == "convergence_churn.failure_rate-2perh.png"


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


def test_choices_reach_the_figure(tmp_path: Path) -> None:
    a_run(tmp_path / "run")
    done = invoke(tmp_path, "--over", "local_rounds", "--metric", "accuracy")
    assert "local rounds of all clients" in done
    assert "client 1" in invoke(tmp_path, "--figure", "clients", "--node", "client_1")
    timeline = invoke(tmp_path, "--figure", "timeline", "--protocol", "fedavg", "--seed", "1")
    assert "fedavg, from 0 to 30 s of 60 s of virtual time\nseed 1" in timeline
    window = invoke(tmp_path, "--figure", "timeline", "--from", "20 s", "--to", "0.75 min")
    assert "from 20 to 45 s of 60 s" in window
    assert "models as received" in invoke(tmp_path, "--stage", "received")


def test_points_are_chosen_by_their_values(tmp_path: Path) -> None:
    a_sweep(tmp_path / "run", f"{RATE}=1 / h,2 / h,3 / h")
    said = invoke(tmp_path, "--figure", "convergence", "--where", f"{RATE}=48 / d")
    assert "churn failure rate 2 / h" in said and "churn failure rate 1 / h" not in said


def invoke(tmp_path: Path, *arguments: str) -> str:
    """The texts of the figure, which an SVG keeps in comments."""
    target = tmp_path / "a.svg"
    folder = str(tmp_path / "run")
    done = CliRunner().invoke(app, ["plot", folder, "--out", str(target), *arguments])
    assert (done.exit_code, done.stderr) == (0, f"figure in {target}\n")
    return "\n".join(re.findall("<!-- (.*?) -->", target.read_text()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--seed", "1"),
            "--seed: the figure convergence has no such choice; allowed with: timeline, structures",
        ),
        (
            ("--figure", "clients", "--over", "bytes"),
            "--over: the figure clients has no such choice; allowed with: convergence",
        ),
        (
            ("--figure", "timeline", "--metric", "loss"),
            "--metric: the figure timeline has no such choice; allowed with: convergence,"
            " failure_rate, difference, map, clients",
        ),
        (
            ("--figure", "clients", "--protocol", "local"),
            "--protocol: the figure clients has no such choice; allowed with: convergence, "
            "timeline, merges",
        ),
        (
            ("--from", "1 min"),
            "--from: the figure convergence has no such choice; allowed with: timeline",
        ),
        (
            ("--figure", "timeline", "--from", "50 s", "--to", "40 s"),
            "--from 50 s, --to 40 s: show nothing of the run; allowed: --from before --to, within "
            "0 s to 60 s",
        ),
        (
            ("--from", "1"),
            "--from: '1' needs a unit; allowed: ns, us, ms, s, min, h, d, week, e.g. '1 min'",
        ),
        (
            ("--baseline", "x", "--figure", "clients"),
            "--baseline: the figure clients has no such choice; allowed with: difference, map",
        ),
        (
            ("--where", "x=1"),
            "--where x=1: x is not varied; allowed: a sweep, which varies something",
        ),
        (("--over", "miles"), "over: is 'miles'; allowed: time, local_epochs, local_rounds, bytes"),
        (("--metric", "dice"), "has no metric 'dice'; allowed: accuracy, accuracy_validation"),
        (("--point", "x"), "has no point 'x'; allowed: base"),
        (("--figure", "timeline", "--seed", "7"), "has no seed 7; allowed: 0, 1"),
        (
            ("--figure", "timeline", "--protocol", "x"),
            "has no protocol 'x'; allowed: local, fedavg",
        ),
        (("--protocol", "x"), "has no protocol 'x'; allowed: local, fedavg"),
        (("--width", "8.5"), "--width: '8.5' needs a unit; allowed: in, cm, mm, pt, e.g. '8.5cm'"),
        (
            ("--width", "3 s"),
            "--width: 's' is not a unit that fits here; allowed: in, cm, mm, pt, e.g. '8.5cm'",
        ),
        (("--width", "4cm"), "--width: is 4 cm; allowed: 5 cm to 60 cm"),
        (("--figure", "clients", "--node", "x"), "has no scores of x; allowed: client_0, client_1"),
    ],
)
def test_choices_that_a_figure_or_a_folder_does_not_have(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    a_run(tmp_path / "run")
    done = CliRunner().invoke(app, ["plot", str(tmp_path / "run"), *arguments])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.removeprefix(f"{tmp_path / 'run'}: ") == message + "\n"


def test_the_command_reports_mistakes_in_a_line(tmp_path: Path) -> None:
    a_run(tmp_path / "run")
    done = CliRunner().invoke(app, ["plot", str(tmp_path / "run"), "--figure", "art"])
    assert done.exit_code == 2
    assert done.stderr == f"--figure art: unknown; allowed: {', '.join(FIGURES)}\n"
    done = CliRunner().invoke(app, ["plot", str(tmp_path / "nothing")])
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)


WIDTHS = {"8.5cm": 85 / 25.4, "170 mm": 170 / 25.4, "3.35in": 3.35, "240pt": 240 / 72}


@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_is_as_wide_as_it_was_asked_to_be(tmp_path: Path, width: str) -> None:
    a_run(tmp_path / "run")
    target = tmp_path / "a.pdf"
    arguments = ["plot", str(tmp_path / "run"), "--width", width, "--out", str(target)]
    done = CliRunner().invoke(app, arguments)
    assert (done.exit_code, done.stderr) == (0, f"figure in {target}\n")
    found = re.search(rb"/MediaBox \[ 0 0 ([0-9.]+) ", target.read_bytes())
    assert found and float(found[1]) == pytest.approx(72 * WIDTHS[width], abs=1e-6)


def test_print_has_fonts_that_publishers_take(tmp_path: Path) -> None:
    a_run(tmp_path / "run")
    content = plot(tmp_path / "run", width_in=3.35, out=tmp_path / "a.pdf").read_bytes()
    # TrueType programs, whole glyphs, none of Matplotlib's own Type 3.
    assert b"/FontFile2" in content and b"/Type3" not in content


def test_a_picture_for_print_has_300_dots_an_inch(tmp_path: Path) -> None:
    a_run(tmp_path / "run")
    content = plot(tmp_path / "run", width_in=4.0, out=tmp_path / "a.png").read_bytes()
    assert int.from_bytes(content[16:20]) == 1200


def test_several_folders_are_drawn_side_by_side_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    a_run(tmp_path / "one")
    a_sweep(tmp_path / "two", f"{RATE}=1 / h,2 / h")
    done = CliRunner().invoke(app, ["plot", "one", "two", "--where", f"{RATE}=2 / h"])
    assert (done.exit_code, done.stderr) == (
        0,
        "figure in convergence_one+two_churn.failure_rate-2perh.png\n",
    )
    texts = several_texts("one", "two", "--where", f"{RATE}=2 / h")
    assert {"one", "two", "churn failure rate 2 / h"} <= texts
    assert "churn failure rate 1 / h" not in texts
    # All in one panel, of one protocol.
    assert "two, churn failure rate 1 / h" in several_texts("one", "two", "--protocol", "local")


def several_texts(*arguments: str) -> set[str]:
    done = CliRunner().invoke(app, ["plot", *arguments, "--out", "a.svg"])
    assert (done.exit_code, done.stderr) == (0, "figure in a.svg\n")
    return set(re.findall("<!-- (.*?) -->", Path("a.svg").read_text()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--figure", "map"), "--figure map: shows one folder; allowed of several: convergence"),
        (("--point", "base"), "--point: is for one folder; allowed with several: --where PATH="),
        (("--metric", "loss"), "has no metric 'loss'; allowed: accuracy, accuracy_validation"),
        (("--where", "x=1"), "--where x=1: x is not varied; allowed: a sweep, which varies"),
        ((), "the folders are judged by different metrics: one by accuracy, two by loss; allowed:"),
    ],
)
def test_what_several_folders_have_not_in_common(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    a_run(tmp_path / "one")
    judged = ["evaluation.target={metric: loss, value: 1}"] if not arguments else []
    a_run(tmp_path / "two", changes=judged)
    done = CliRunner().invoke(app, ["plot", "one", "two", *arguments])
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert message in done.stderr
    assert [path for path in tmp_path.iterdir() if path.suffix] == []
