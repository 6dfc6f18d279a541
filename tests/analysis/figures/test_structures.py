"""The Dice of each structure: the clients' mean at the end, the best structure uppermost."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from analysis.figures.structures import structures, structures_data
from analysis.loading import load
from analysis.results import Results
from sim.record.rows import ScoreRow, TraceRow
from tests.analysis.figures.looked_at import drawn, keys, xs, ys
from tests.analysis.folders import Run, described, score, write_run

NAN = float("nan")
Ends = Callable[[Run], Mapping[str, Mapping[str, float]]]
"""Of each metric the nodes' last scores."""


def ends(run: Run) -> Mapping[str, Mapping[str, float]]:
    """The thalamus 0.3 better than the amygdala, fedavg 0.2, seed 1 0.1; a client 0.2 beside it."""
    more = 0.2 * (run[1] == "fedavg") + 0.1 * run[2]
    return {
        "dice": {"client_0": 0.0, "client_1": 0.0},
        "dice_amygdala": {"client_0": 0.1 + more, "client_1": 0.3 + more, "aggregate": 0.9},
        "dice_thalamus": {"client_0": 0.4 + more, "client_1": 0.6 + more, "aggregate": 0.9},
        "dice_left_eye": {"client_0": NAN, "client_1": NAN},
        "dice_own_site": {"client_0": 0.8, "client_1": 0.8},
        "dice_validation": {"client_0": 0.8, "client_1": 0.8},
        "hd95_mm_thalamus": {"client_0": 5.0, "client_1": 7.0},
    }


def segmented(
    folder: Path,
    *changes: str,
    values: Ends = ends,
    protocols: str = "{local: {}, fedavg: {deadline: 1 min}}",
) -> Results:
    """A run whose structures are hardly found at the beginning, and as `values` says at the end."""

    def rows(run: Run) -> tuple[Sequence[ScoreRow], Sequence[TraceRow]]:
        scores = [
            score(run, time_s, node, value if time_s else 0.01, metric=metric)
            for time_s in (0.0, 60.0)
            for metric, nodes in values(run).items()
            for node, value in nodes.items()
        ]
        return scores, []

    found = load(write_run(folder, described(*changes, protocols=protocols), rows))
    return replace(found, directions={"dice": "higher"})  # A segmentation's, without its data.


def bars(figure: Figure) -> list[ErrorbarContainer]:
    """What is drawn of each protocol."""
    (axis,) = figure.axes
    return [one for one in axis.containers if isinstance(one, ErrorbarContainer)]


def test_the_mean_client_at_the_end(tmp_path: Path) -> None:
    found = structures_data(segmented(tmp_path))
    assert found["structure"].tolist() == ["thalamus", "thalamus", "amygdala", "amygdala"]
    assert found["protocol"].tolist() == ["local", "fedavg"] * 2
    np.testing.assert_allclose(found["mean"], [0.55, 0.75, 0.25, 0.45])
    # Of two seeds these are the two themselves.
    np.testing.assert_allclose(found["high"] - found["mean"], 0.05)
    assert found["count"].tolist() == [2] * 4
    assert not found.isna().any(axis=None)


def test_a_row_a_structure(tmp_path: Path) -> None:
    figure = drawn(structures(segmented(tmp_path)))
    (axis,) = figure.axes
    assert [text.get_text() for text in axis.get_yticklabels()] == ["thalamus", "amygdala"]
    assert axis.yaxis_inverted()
    assert keys(figure) == ["local", "fedavg", "each of the two seeds"]
    local, fedavg = (bar.lines[0] for bar in bars(figure))
    np.testing.assert_allclose(xs(local), [0.55, 0.25])
    np.testing.assert_allclose(xs(fedavg), [0.75, 0.45])
    np.testing.assert_allclose(ys(local), [-0.15, 0.85])
    np.testing.assert_allclose(ys(fedavg), [0.15, 1.15])
    left, right = axis.get_xlim()
    assert left >= -0.02 and right <= 1.02


def test_one_seed_has_no_interval(tmp_path: Path) -> None:
    results = segmented(tmp_path)
    figure = drawn(structures(results, seed=1))
    assert keys(figure) == ["local", "fedavg"]
    np.testing.assert_allclose(xs(bars(figure)[0].lines[0]), [0.6, 0.3])
    for bar in bars(figure):
        for (start, _), (end, _) in bar.lines[2][0].get_segments():
            assert start == end


def test_one_protocol_stands_in_the_middle_of_its_row(tmp_path: Path) -> None:
    figure = drawn(structures(segmented(tmp_path, protocols="{local: {}}")))
    (bar,) = bars(figure)
    np.testing.assert_allclose(ys(bar.lines[0]), [0.0, 1.0])


def test_references_order_the_rows(tmp_path: Path) -> None:
    # `local`, the reference, finds the thalamus best (0.55), fedavg now the amygdala.
    turned = {"dice_thalamus": {"client_0": 0.2}, "dice_amygdala": {"client_0": 0.9}}
    found = structures_data(
        segmented(tmp_path, values=lambda run: ends(run) if run[1] == "local" else turned)
    )
    assert list(found["structure"].cat.categories) == ["thalamus", "amygdala"]
