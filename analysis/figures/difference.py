"""How much better clients end up than with the reference, under the same failures."""

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
    reference: str | None = None,
) -> pd.DataFrame:
    """One row per protocol but the reference and value of the varied `path`, sorted by both.

    `reference`: that of the results, if none is named. Columns: point, protocol,
    `varied` (base units), and the mean client's last score minus the reference's: mean, low, high
    (95 %, over pairs of one seed), std, count, left_out, unpaired.
    """
    path = varied_path(results, path, points)
    reference = reference_of(results, reference)
    last = final(curves(results, points=points, metric=metric))
    found = paired_differences(last, "mean", reference)
    if found.empty:
        raise ResultError(f"{results.folder}: no protocol but {reference} has a finished run")
    found.insert(2, "varied", results.with_values(found)[path].to_numpy())
    return found.sort_values(["protocol", "varied"], ignore_index=True)


def reference_of(results: Results, reference: str | None) -> str:
    """The protocol that others are compared with. Raises ResultError if it is not there."""
    if reference is not None:
        results.chosen("protocol", reference, results.protocols)
    return reference or results.reference


@look.looked
def difference(
    results: Results,
    *,
    path: str | None = None,
    points: Names | None = None,
    metric: str | None = None,
    reference: str | None = None,
) -> Figure:
    """A line per protocol with intervals, above zero where its clients' score is larger."""
    path = varied_path(results, path, points)
    reference = reference_of(results, reference)
    found = difference_data(results, path=path, points=points, metric=metric, reference=reference)
    figure, (axis,) = look.panels(1)
    scale = rate_axis(axis, results, path)
    axis.axhline(0.0, color=look.GREY, linewidth=1.2)
    draw_lines(axis, results, found, scale)
    shown = metric or results.metric
    axis.set_ylabel(f"mean client's {shown}, minus {reference}'s")
    look.title(figure, results, f"difference to {reference} at the end, by {path_name(path)}")
    bars = look.keys_of(results, found, bars=True, interval="95 % interval over pairs of one seed")
    look.legend(figure, [*bars, look.line_key(reference, width=1.2)])
    return figure
