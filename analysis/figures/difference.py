"""How much better clients end up than with the baseline, under the same failures."""

import pandas as pd
from matplotlib.figure import Figure

from analysis.figures import look
from analysis.figures.choices import curves, varied_path
from analysis.figures.failure_rate import draw_lines, rate_axis
from analysis.figures.scale import path_name
from analysis.metrics import final
from analysis.results import Names, Results
from analysis.statistics import paired_differences
from sim.record.errors import ResultError


def difference_data(
    results: Results,
    *,
    path: str | None = None,
    points: Names | None = None,
    metric: str | None = None,
    baseline: str | None = None,
) -> pd.DataFrame:
    """One row per protocol but the baseline and value of the varied `path`, sorted by both.

    `baseline`: that of the results, if none is named. Columns: point, protocol,
    `varied` (base units), and the mean client's last score minus the baseline's: mean, low, high
    (95 %, over pairs of one seed), std, count, left_out, unpaired.
    """
    path = varied_path(results, path, points)
    baseline = baseline_of(results, baseline)
    last = final(curves(results, points=points, metric=metric))
    found = paired_differences(last, "mean", baseline)
    if found.empty:
        raise ResultError(f"{results.folder}: no protocol but {baseline} has a finished run")
    found.insert(2, "varied", results.with_values(found)[path].to_numpy())
    return found.sort_values(["protocol", "varied"], ignore_index=True)


def baseline_of(results: Results, baseline: str | None) -> str:
    """The protocol that others are compared with. Raises ResultError if it is not there."""
    if baseline is not None:
        results.chosen("protocol", baseline, results.protocols)
    return baseline or results.baseline


@look.looked
def difference(
    results: Results,
    *,
    path: str | None = None,
    points: Names | None = None,
    metric: str | None = None,
    baseline: str | None = None,
) -> Figure:
    """A line per protocol with intervals, above zero where its clients' score is larger."""
    path = varied_path(results, path, points)
    baseline = baseline_of(results, baseline)
    found = difference_data(results, path=path, points=points, metric=metric, baseline=baseline)
    figure, (axis,) = look.panels(1)
    scale = rate_axis(axis, results, path)
    axis.axhline(0.0, color=look.GREY, linewidth=1.2)
    draw_lines(axis, results, found, scale)
    shown = metric or results.metric
    axis.set_ylabel(f"mean client's {shown}, minus {baseline}'s")
    look.title(figure, results, f"difference to {baseline} at the end, by {path_name(path)}")
    bars = look.keys_of(results, found, bars=True, interval="95 % interval over pairs of one seed")
    look.legend(figure, [*bars, look.line_key(baseline, width=1.2)])
    return figure
