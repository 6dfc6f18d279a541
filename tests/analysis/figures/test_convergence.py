"""Convergence: known curves with their intervals, by time and by work, and a panel per point."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from analysis.canvas.look import styles
from analysis.figures.convergence import Over, convergence, convergence_data
from analysis.loading import load
from sim.record.errors import ResultError
from sim.record.rows import ScoreRow, TraceRow
from tests.analysis.figures.looked_at import a_run, a_sweep, drawn, keys, linear, xs
from tests.analysis.folders import (
    RATE,
    Run,
    described,
    score,
    swept,
    trace,
    two_looks,
    write_run,
    write_sweep,
)

SEEDS = ["seeds=[0, 1, 2]"]


def trains(run: Run) -> Sequence[TraceRow]:
    """Client 1 trains once in each half minute, client 0 never."""
    return [trace(run, time_s, "client_1", "train") for time_s in (5.0, 35.0)]


def test_the_means_over_seeds_with_their_intervals(tmp_path: Path) -> None:
    found = convergence_data(a_run(tmp_path))
    rows = found[found["protocol"] == "fedavg"]
    np.testing.assert_allclose(rows["cost"], [0.0, 30.0, 60.0])
    np.testing.assert_allclose(rows["mean"], [0.0, 0.325, 0.425])
    np.testing.assert_allclose(rows["worst"], 0.0)
    # Two seeds have no interval worth its name: these are their own means.
    np.testing.assert_allclose(rows["high"], [0, 0.35, 0.45])
    np.testing.assert_allclose(rows["low"], [0, 0.3, 0.4])
    assert list(found["protocol"].unique()) == ["local", "fedavg"]


def test_over_what_it_took(tmp_path: Path) -> None:
    results = a_run(tmp_path, events=trains)
    costs: dict[Over, list[int]] = {"local_rounds": [0, 1, 2], "local_epochs": [0, 2, 4]}
    for over, expected in costs.items():
        found = convergence_data(results, over=over)
        assert found[found["protocol"] == "local"]["cost"].tolist() == expected
        drawn(convergence(results, over=over))
    assert (convergence_data(results, over="bytes")["cost"] == 0).all()


def test_a_diverged_seed_is_told_of(tmp_path: Path) -> None:
    def values(run: Run) -> Mapping[str, Sequence[float]]:
        return {"client_0": [0.1, 0.2, math.nan if run[2] else 0.4]}

    results = a_run(tmp_path, values)
    last = convergence_data(results).query("time_s == 60")
    assert last[["mean", "left_out"]].values.tolist() == [[0.4, 1], [0.4, 1]]
    assert "diverged" in drawn(convergence(results)).get_suptitle()


def test_one_seed_has_no_band(tmp_path: Path) -> None:
    results = load(write_run(tmp_path, described("seeds=[0]", "protocols={local: {}}"), two_looks))
    assert keys(drawn(convergence(results))) == ["local", "worst client (thin)"]


def test_a_crowd_has_no_bands_and_no_thin_lines(tmp_path: Path) -> None:
    nine = ", ".join(f"p{k}: {{kind: local}}" for k in range(9))
    results = load(write_run(tmp_path, described(*SEEDS, f"protocols={{{nine}}}"), two_looks))
    axis = drawn(convergence(results)).axes[0]
    assert keys(drawn(convergence(results))) == [f"p{k}" for k in range(9)]
    assert sum(np.size(line.get_xdata()) > 0 for line in axis.lines) == 9


def test_three_seeds_have_an_interval_within_what_an_accuracy_can_be(tmp_path: Path) -> None:
    three = a_run(tmp_path, lambda run: {"client_0": [0.9, 0.9, 0.8 + 0.1 * run[2]]}, changes=SEEDS)
    last = convergence_data(three).query("time_s == 60")
    # 0.8, 0.9 and 1: Student's 4.3027 standard errors of 0.057735 would reach 1.148.
    np.testing.assert_allclose(last["low"], 0.651586, atol=1e-6)
    assert last["high"].tolist() == [1.0, 1.0]
    assert keys(drawn(convergence(three)))[2] == "95 % interval over seeds"


def test_the_stage_is_chosen_and_named(tmp_path: Path) -> None:
    results = load(write_run(tmp_path, described(), both_stages))
    for stage, value in (("received", 0.2), ("trained", 0.6)):
        assert convergence_data(results, stage=stage)["mean"].tolist() == [value] * 2
        assert f"as {stage}" in convergence(results, stage=stage).get_suptitle()
    figure = drawn(convergence(results, stage="both"))
    assert keys(figure)[-1] == "as trained (thin)"
    assert "as received (thick) and as trained (thin)" in figure.get_suptitle()
    with pytest.raises(ResultError, match="has no stage 'x'; allowed: received, trained"):
        convergence(results, stage="x")


def test_a_stage_that_was_not_scored(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="no scores of models as trained; allowed: those of"):
        convergence(a_run(tmp_path), stage="trained")


def both_stages(run: Run) -> tuple[Sequence[ScoreRow], Sequence[TraceRow]]:
    """A client that knows 0.2 when it has merged, and 0.6 when it has trained."""
    row = score(run, 60.0, "client_0", 0.2)
    return [row, row._replace(stage="trained", value=0.6)], []


def struck(run: Run) -> Sequence[TraceRow]:
    """The server is down for 10 s, and in each seed a client at another time."""
    return [
        trace(run, 20.0, "server", "crash", cause="boom"),
        trace(run, 30.0, "server", "recover", cause="boom"),
        trace(run, 40.0 + run[2], "client_0", "crash", cause="churn"),
    ]


def test_all_that_struck_is_marked(tmp_path: Path) -> None:
    values = {**linear(("base", "local", 0)), "server": [0.0, 0.0, 0.0]}
    figure = drawn(convergence(a_run(tmp_path, lambda run: values, struck)))
    assert keys(figure)[-2:] == ["server down", "a client down (darker: more)"]
    # An upright line only where all seeds have the same: the server's crash and its recovery.
    upright = [xs(line).tolist() for line in figure.axes[0].get_lines() if len(xs(line)) == 2]
    assert upright == [[20.0, 20.0], [30.0, 30.0]]


def test_bars_have_room_below_the_figure_s_title(tmp_path: Path) -> None:
    values = {**linear(("base", "local", 0)), "server": [0.0, 0.0, 0.0]}
    figure = drawn(convergence(a_run(tmp_path, lambda run: values, struck)))
    (bars, *_), title = figure.axes[0].collections[-2:], figure.texts[0]
    assert figure.get_suptitle() == title.get_text()
    bottom = title.get_window_extent().y0
    # Each lane is a 12th of an inch above the one below it; the top of the highest one counts.
    top = figure.axes[0].get_window_extent().y1 + (3.5 + 6.0 + 4.5 / 2) / 72 * figure.dpi
    assert isinstance(bars, LineCollection) and top < bottom


def test_over_other_than_time_nothing_is_marked(tmp_path: Path) -> None:
    results = a_run(tmp_path, events=struck)
    assert keys(drawn(convergence(results, over="local_rounds")))[-1] == "worst client (thin)"


def test_a_panel_per_point(tmp_path: Path) -> None:
    results = a_sweep(tmp_path, f"{RATE}=1 / h,2 / h,3 / h,4 / h,5 / h,6 / h,7 / h")
    with pytest.raises(ResultError, match="7 points are too many .* at most 6 of them; allowed: "):
        convergence(results)
    names = [str(name) for name in results.points["point"]][:2]
    titles = [axis.get_title() for axis in drawn(convergence(results, points=names)).axes]
    assert titles == ["churn failure rate 1 / h", "churn failure rate 2 / h"]


def test_nothing_finished(tmp_path: Path) -> None:
    failed = [("base", protocol, seed) for protocol in ("local", "fedavg") for seed in (0, 1)]
    results = load(write_run(tmp_path, described(), failed=failed))
    with pytest.raises(ResultError, match="none of the chosen runs is finished"):
        convergence(results)


def test_mistakes(tmp_path: Path) -> None:
    results = a_run(tmp_path)
    with pytest.raises(ResultError, match="over: is 'money'; allowed: time, local_epochs"):
        convergence_data(results, over="money")  # type: ignore[arg-type]
    with pytest.raises(ResultError, match="has no point 'x'; allowed: base"):
        convergence(results, points="x")
    with pytest.raises(ResultError, match="has no metric 'loss'"):
        convergence(results, metric="loss")


@pytest.mark.parametrize("protocol", [None, "local"])
def test_a_point_that_is_not_finished_leaves_its_place_empty(
    tmp_path: Path, protocol: str | None
) -> None:
    wanted = swept(f"{RATE}=1 / h,2 / h")
    results = load(write_sweep(tmp_path, wanted, unfinished=[wanted.points[1].name]))
    figure = drawn(convergence(results, protocol=protocol))
    drawn_of = [[line for line in axis.get_lines() if len(xs(line))] for axis in figure.axes]
    assert [bool(lines) for lines in drawn_of] == ([True, False] if protocol is None else [True])


def test_several_folders_have_one_scale_and_a_protocol_one_style(tmp_path: Path) -> None:
    fast = a_run(tmp_path / "fast")
    both = "protocols={fedavg: {deadline: 1 min}, braintorrent: {}}"
    other = a_run(tmp_path / "other", changes=["name=slow", both])
    figure = drawn(convergence([fast, other]))
    one, two = figure.axes
    assert (one.get_title(), two.get_title()) == ("churn", "slow")
    assert one.get_ylim() == two.get_ylim() and one.get_xlim() == two.get_xlim()
    assert keys(figure)[:3] == ["local", "fedavg", "braintorrent"]
    colors = {
        axis.get_title(): [line.get_color() for line in axis.get_lines()] for axis in (one, two)
    }
    shared = {style.color for name, style in styles([fast, other]).items() if name == "fedavg"}
    assert shared <= set(colors["churn"]) & set(colors["slow"])
    assert figure.get_suptitle().startswith("churn, slow: the clients' accuracy\n")


def test_one_protocol_of_several_folders_is_one_panel(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", changes=["name=alone"])
    sweep = a_sweep(tmp_path / "sweep", f"{RATE}=1 / h,2 / h")
    figure = drawn(convergence([run, sweep], protocol="fedavg"))
    assert len(figure.axes) == 1
    assert keys(figure)[:3] == [
        *("alone", "churn, churn failure rate 1 / h", "churn, churn failure rate 2 / h")
    ]
    assert figure.get_suptitle().startswith("alone, churn: fedavg, the clients' accuracy\n")
    with pytest.raises(ResultError, match="has no protocol 'x'; allowed: local, fedavg"):
        convergence([run, sweep], protocol="x")
