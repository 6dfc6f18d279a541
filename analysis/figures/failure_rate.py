"""How well clients end up, against the failure rate or another number that was varied."""

import pandas as pd
from matplotlib.figure import Figure

from analysis.canvas import look, overtaking
from analysis.canvas.choices import chosen_points, curves, means, varied_path
from analysis.canvas.rates import draw_lines, rate_axis
from analysis.canvas.scale import path_name
from analysis.figures.difference import difference_data
from analysis.metrics import final
from analysis.metrics.common import POINT_AND_PROTOCOL
from analysis.results import Names, Results
from sim.record.rows import RECEIVED


def failure_rate_data(
    results: Results,
    *,
    path: str | None = None,
    points: Names | None = None,
    metric: str | None = None,
    stage: str = RECEIVED,
) -> pd.DataFrame:
    """One row per protocol and value of the varied `path`, sorted by both.

    Columns: point, protocol, `varied` (base units), and the mean client's last score over seeds:
    mean, low, high (95 %, of two seeds their own values), std, count, left_out. Raises ResultError
    where no number is varied.
    """
    path = varied_path(results, path, points)
    last = final(curves(results, points=points, metric=metric, stage=stage))
    found = means(results, last, "mean", metric, by=POINT_AND_PROTOCOL)
    found.insert(2, "varied", results.with_values(found)[path].to_numpy())
    return found.sort_values(["protocol", "varied"], ignore_index=True)


@look.looked
def failure_rate(
    results: Results,
    *,
    path: str | None = None,
    points: Names | None = None,
    metric: str | None = None,
    stage: str = RECEIVED,
) -> Figure:
    """A line per protocol with the intervals over seeds, and where one overtakes the baseline."""
    path = varied_path(results, path, points)
    found = failure_rate_data(results, path=path, points=points, metric=metric, stage=stage)
    figure, (axis,) = look.panels(1)
    scale = rate_axis(axis, results, path)
    draw_lines(axis, results, found, scale)
    shown = metric or results.metric
    look.name_height(axis, f"mean client's {shown} at the end")
    what = f"the mean client's {shown} at the end, by {path_name(path)}"
    names, said = chosen_points(results, points), []
    keys = look.keys_of(results, found, bars=True)
    if overtaking.is_there(results, found):
        apart = difference_data(results, path=path, points=points, metric=metric, stage=stage)
        overtaking.draw(axis, results, apart, scale)
        keys += overtaking.keys(results, apart)
        said = list(overtaking.said(results, apart, results.baseline, shown, scale))
    look.title(figure, results, what, stage=stage, points=names, said=said)
    look.legend(figure, keys)
    return figure
