"""Lines with intervals over a varied number."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from analysis.figures import look
from analysis.figures.scale import Scale, path_name, scale_of
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


def draw_lines(
    axis: Axes, found: pd.DataFrame, styles: Mapping[str, look.Style], scale: Scale
) -> None:
    """A line per protocol of `found` (protocol, varied, mean, low, high), with error bars."""
    shown = [name for name in styles if (found["protocol"] == name).any()]
    width = float(found["varied"].max() - found["varied"].min()) * scale.factor
    for place, name in enumerate(shown):
        rows, style = found[found["protocol"] == name], styles[name]
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
