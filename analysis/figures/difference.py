"""How much better clients end up than with the baseline, under the same failures."""

import pandas as pd
from matplotlib.figure import Figure

from analysis.canvas import look, overtaking
from analysis.canvas.choices import baseline_of, chosen_points, curves, paired, varied_path
from analysis.canvas.rates import draw_lines, rate_axis
from analysis.canvas.scale import path_name
from analysis.metrics import not_after
from analysis.results import Names, Results
from sim.record.errors import ResultError
from sim.record.rows import RECEIVED


def difference_data(
    results: Results,
    *,
    path: str | None = None,
    points: Names | None = None,
    metric: str | None = None,
    stage: str = RECEIVED,
    baseline: str | None = None,
) -> pd.DataFrame:
    """One row per protocol but the baseline and value of the varied `path`, sorted by both.

    `baseline`: that of the results, if none is named. Columns: point, protocol, `varied` (base
    units), and the mean client's last score minus the baseline's at equal time: mean, low, high
    (95 %, over pairs of one seed), std, count, left_out, unpaired.
    """
    path = varied_path(results, path, points)
    baseline = baseline_of(results, baseline)
    last = not_after(curves(results, points=points, metric=metric, stage=stage), "time_s")
    found = paired(results, last, "mean", metric, baseline)
    if found.empty:
        raise ResultError(f"{results.folder}: no protocol but {baseline} has a finished run")
    found.insert(2, "varied", results.with_values(found)[path].to_numpy())
    return found.sort_values(["protocol", "varied"], ignore_index=True)


@look.looked
def difference(
    results: Results,
    *,
    path: str | None = None,
    points: Names | None = None,
    metric: str | None = None,
    stage: str = RECEIVED,
    baseline: str | None = None,
) -> Figure:
    """A line per protocol with intervals, above zero where its clients' score is larger."""
    path = varied_path(results, path, points)
    baseline = baseline_of(results, baseline)
    found = difference_data(
        results, path=path, points=points, metric=metric, stage=stage, baseline=baseline
    )
    figure, (axis,) = look.panels(1)
    scale = rate_axis(axis, results, path)
    axis.axhline(0.0, color=look.GREY, linewidth=1.2)
    draw_lines(axis, results, found, scale)
    overtaking.draw(axis, results, found, scale)
    shown = metric or results.metric
    look.name_height(axis, f"mean client's {shown}, minus {baseline}'s")
    what = f"difference to {baseline} at the end, at equal time, by {path_name(path)}"
    said = overtaking.said(results, found, baseline, shown, scale)
    look.title(figure, results, what, stage=stage, points=chosen_points(results, points), said=said)
    bars = look.keys_of(results, found, bars=True, interval="95 % interval over pairs of one seed")
    look.legend(
        figure, [*bars, look.line_key(baseline, width=1.2), *overtaking.keys(results, found)]
    )
    return figure
