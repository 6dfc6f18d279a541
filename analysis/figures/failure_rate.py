"""How well clients end up, against the failure rate or another number that was varied."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.figures import look
from analysis.figures.choices import curves, varied_path
from analysis.figures.scale import Scale, path_name, scale_of
from analysis.metrics import final
from analysis.results import Names, Results
from analysis.statistics import over_seeds


def failure_rate_data(
    results: Results,
    *,
    path: str | None = None,
    points: Names | None = None,
    metric: str | None = None,
) -> pd.DataFrame:
    """One row per protocol and value of the varied `path`, sorted by both.

    Columns: point, protocol, `varied` (base units), and the mean client's last score over seeds:
    mean, low, high (95 %), std, count, left_out. Raises ResultError where no number is varied.
    """
    path = varied_path(results, path, points)
    found = over_seeds(final(curves(results, points=points, metric=metric)), "mean")
    found.insert(2, "varied", results.with_values(found)[path].to_numpy())
    return found.sort_values(["protocol", "varied"], ignore_index=True)


@look.looked
def failure_rate(
    results: Results,
    *,
    path: str | None = None,
    points: Names | None = None,
    metric: str | None = None,
) -> Figure:
    """A line per protocol with the intervals over seeds."""
    path = varied_path(results, path, points)
    found = failure_rate_data(results, path=path, points=points, metric=metric)
    figure, (axis,) = look.panels(1)
    scale = rate_axis(axis, results, path)
    draw_lines(axis, results, found, scale)
    shown = metric or results.metric
    axis.set_ylabel(f"mean client's {shown} at the end")
    look.title(figure, results, f"{shown} at the end, by {path_name(path)}")
    look.legend(figure, look.keys_of(results, found, bars=True))
    return figure


_APART = 0.006


def rate_axis(axis: Axes, results: Results, path: str) -> Scale:
    """Name the horizontal axis; returns how its numbers are shown."""
    scale = scale_of(results, path)
    axis.set_xlabel(scale.label(path_name(path)))
    shown = results.points[path] * scale.factor
    if np.allclose(shown, shown.round()):
        # There is no half client; the steps are those of an axis that nobody has set.
        axis.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
    return scale


def draw_lines(axis: Axes, results: Results, found: pd.DataFrame, scale: Scale) -> None:
    """A line per protocol of `found` (protocol, varied, mean, low, high), with error bars."""
    shown = list(look.lines(results, found))
    width = float(found["varied"].max() - found["varied"].min()) * scale.factor
    for place, (_, style, rows) in enumerate(shown):
        # A little apart, or equal protocols' bars would hide each other.
        x = rows["varied"] * scale.factor + (place - (len(shown) - 1) / 2) * _APART * width
        below, above = rows["mean"] - rows["low"], rows["high"] - rows["mean"]
        # One seed has no interval.
        bars = [bar.fillna(0.0).to_numpy() for bar in (below, above)]
        axis.errorbar(
            x.to_numpy(), rows["mean"].to_numpy(), yerr=bars,
            color=style.color, linestyle=style.line, linewidth=look.MEAN_WIDTH,
            marker=style.marker, elinewidth=1.1,
        )  # fmt: skip
