"""How well clients end up, against the failure rate or another number that was varied."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analysis.figures import look
from analysis.figures.choices import curves, varied_path
from analysis.figures.rates import draw_lines, rate_axis
from analysis.figures.scale import path_name
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
    draw_lines(axis, found, look.styles(results), scale)
    shown = metric or results.metric
    axis.set_ylabel(f"mean client's {shown} at the end")
    look.title(figure, results, f"{shown} at the end, by {path_name(path)}")
    look.legend(figure, look.keys_of(results, found, bars=True))
    return figure
