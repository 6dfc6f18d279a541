"""The axis of a varied number, and the lines over it."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from analysis.canvas import look
from analysis.canvas.scale import Scale, path_name, scale_of
from analysis.results import Results

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
