"""The page's figures of scores: their data, what they say of themselves, what they hand over."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from analysis.canvas import look
from analysis.canvas.look import REFERENCE_STYLES, STYLES
from analysis.loading import load
from analysis.report import curves
from analysis.report.curves import at_the_end, over_time
from analysis.report.drawing import View, escaped, marker, plain, stroke, translucent
from sim.record.rows import ScoreRow, TraceRow
from tests.analysis.figures.looked_at import a_run, a_sweep
from tests.analysis.folders import RATE, Run, described, score, trace, write_run


def named(view: View, name: str) -> list[dict[str, Any]]:
    return [trace for trace in view.traces if trace["meta"] == name]


def test_the_end_of_a_sweep(tmp_path: Path) -> None:
    figure = at_the_end(a_sweep(tmp_path))
    assert figure.title == "Accuracy after the run, by churn failure rate"
    (view,) = figure.views
    assert (view.keys, figure.choices) == (("received",), [("models as", ["received"])])
    local, fedavg = view.traces
    # Failures per hour, a little apart: 0.6 % of the width, half of it to each side.
    assert (local["x"], fedavg["x"]) == ([0.994, 2.994], [1.006, 3.006])
    assert (local["y"], fedavg["y"]) == ([0.325, 0.325], [0.425, 0.425])
    assert local["error_y"]["array"] == [0.025, 0.025]
    assert fedavg["text"] == [
        *("fedavg 0.425 (0.400 and 0.450) at 1", "fedavg 0.425 (0.400 and 0.450) at 3")
    ]
    assert view.alternative == (
        "Lines of the mean client's accuracy after the run against churn failure rate (per hour), "
        "models as received: "
        "local 0.325 (0.300 and 0.350) at 1 and 0.325 (0.300 and 0.350) at 3; "
        "fedavg 0.425 (0.400 and 0.450) at 1 and 0.425 (0.400 and 0.450) at 3."
    )


def test_colours_are_those_of_the_other_figures(tmp_path: Path) -> None:
    results = a_sweep(tmp_path)
    for figure in (at_the_end(results), over_time(results)):
        for name, style in look.styles(results).items():
            lines = [
                trace["line"]["color"] for trace in named(figure.views[0], name) if "line" in trace
            ]
            assert lines and lines == [style.color] * len(lines)
            (switch,) = (one for one in figure.switches if one.name == name)
            assert switch.color == style.color


def test_what_varies_beside_the_number_is_chosen(tmp_path: Path) -> None:
    results = a_sweep(tmp_path, "network.sharing=none,equal", f"{RATE}=1 / h,3 / h")
    figure = at_the_end(results)
    assert figure.choices == [
        *(("network sharing", ["none", "equal"]), ("models as", ["received"]))
    ]
    assert [view.keys for view in figure.views] == [*(("none", "received"), ("equal", "received"))]
    assert (
        "(per hour), network sharing equal, models as received: local"
        in figure.views[1].alternative
    )
    assert [len(trace["y"]) for view in figure.views for trace in view.traces] == [2] * 4


def test_texts_make_an_axis_of_names(tmp_path: Path) -> None:
    figure = at_the_end(a_sweep(tmp_path, "network.sharing=none,equal"))
    (view,) = figure.views
    assert view.layout["xaxis"]["type"] == "category"
    assert [trace["x"] for trace in view.traces] == [["none", "equal"]] * 2


def test_a_run_over_time(tmp_path: Path) -> None:
    (view,) = over_time(a_run(tmp_path)).views
    low, high, mean, worst = named(view, "local")
    assert (mean["x"], mean["y"]) == ([0.0, 30.0, 60.0], [0.0, 0.225, 0.325])
    assert worst["y"] == [0.0, 0.0, 0.0]
    # Each of the two seeds, between which there is no band.
    assert (low["y"], high["y"]) == ([0.0, 0.2, 0.3], [0.0, 0.25, 0.35])
    assert view.alternative == (
        "Lines of the mean client's accuracy, models as received, over 60 s of virtual time. "
        "At the end: local 0.325 (0.300 and 0.350); fedavg 0.425 (0.400 and 0.450)."
    )


def test_three_seeds_have_a_band_within_what_an_accuracy_can_be(tmp_path: Path) -> None:
    (view,) = over_time(
        a_run(
            tmp_path,
            lambda run: {"client_0": [0.0, 0.5, 0.8 + 0.1 * run[2]]},
            changes=["seeds=[0, 1, 2]"],
        )
    ).views
    band, _, _ = named(view, "local")
    assert band["x"] == [0.0, 30.0, 60.0, 60.0, 30.0, 0.0]
    assert band["y"] == [0.0, 0.5, 1.0, 0.65159, 0.5, 0.0]


def test_what_struck_stands_above(tmp_path: Path) -> None:
    def events(run: Run) -> Sequence[TraceRow]:
        return [
            trace(run, 30.0, "client_0", "crash", cause="boom"),
            trace(run, 40.0, "client_0", "recover", cause="boom"),
            trace(run, 50.0 + run[2], "client_1", "crash", cause="churn"),
        ]

    figure = over_time(a_run(tmp_path, events=events))
    (view,) = figure.views
    fixed, random = named(view, "a client down")
    assert (fixed["x"], fixed["opacity"]) == ([30.0, 40.0, None], 1.0)
    assert (random["x"], random["opacity"]) == ([50.0, 60.0, None, 51.0, 60.0, None], 0.5)
    assert random["text"][3] == "client 1: a client down, 51 to 60 s, seed 1"
    assert [shape["x0"] for shape in view.layout["shapes"]] == [30.0, 40.0]
    assert view.alternative.endswith("Marked: a client down from 30 s and 2 times in all seeds.")
    assert figure.switches[-1].name == "a client down"
    assert view.layout["yaxis"]["domain"][1] < view.layout["yaxis2"]["domain"][0]


def test_either_stage_is_chosen(tmp_path: Path) -> None:
    def rows(run: Run) -> tuple[Sequence[ScoreRow], Sequence[TraceRow]]:
        row = score(run, 60.0, "client_0", 0.2)
        return [row, row._replace(stage="trained", value=0.6)], []

    figure = over_time(load(write_run(tmp_path, described(), rows)))
    assert figure.choices[1] == ("models as", ["received", "trained"])
    ends = [named(view, "fedavg")[-2]["y"] for view in figure.views]
    assert ends == [[0.2], [0.6]]


def test_one_seed_has_no_band(tmp_path: Path) -> None:
    (view,) = over_time(a_run(tmp_path, changes=["seeds=[1]"])).views
    assert [trace["mode"] for trace in named(view, "local")] == ["lines+markers", "lines"]
    assert "shapes" not in view.layout
    assert "local 0.350; fedavg 0.450." in view.alternative


def test_of_many_points_some_are_in_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curves, "MOST_POINTS", 2)
    figure = over_time(a_sweep(tmp_path, f"{RATE}=1 / h,2 / h,3 / h"))
    assert [view.keys for view in figure.views] == [
        ("churn failure rate 1 / h", "received"),
        ("churn failure rate 3 / h", "received"),
    ]
    assert figure.note.endswith("2 of 3 points are in this page.")


def test_numbers() -> None:
    assert plain([1 / 3, 1234567.0, math.nan, math.inf]) == [0.33333, 1234600.0, None, None]


def test_texts() -> None:
    assert escaped("<b>a & b</b>") == "&lt;b&gt;a &amp; b&lt;/b&gt;"


def test_a_band_is_the_line_s_colour() -> None:
    assert translucent("#0072B2") == "rgba(0,114,178,0.18)"


def test_every_style_has_a_line_and_a_marker_of_its_own() -> None:
    styles = [*STYLES, *REFERENCE_STYLES]
    assert stroke(STYLES[0])["dash"] == "solid"
    assert stroke(STYLES[1])["dash"] == "7px,4px"
    assert len({stroke(style)["dash"] for style in styles}) == len(styles)
    assert len({marker(style)["symbol"] for style in styles}) == len(styles)
