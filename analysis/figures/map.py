"""Where one protocol beats another over two varied numbers, such as two failure rates."""

import textwrap

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch, Rectangle

from analysis.canvas import look
from analysis.canvas.choices import baseline_of, chosen_points, curves, paired, varied_pair
from analysis.canvas.scale import Scale, path_name, scale_of
from analysis.metrics import not_after
from analysis.results import Names, Results
from sim.record.errors import ResultError
from sim.record.metrics import is_rising
from sim.record.rows import RECEIVED

Grid = npt.NDArray[np.float64]
_HATCH, _HATCH_ALPHA = "////", 0.25
_LETTERS = 36
_DARK = 0.6
"""From this part of the scale on a cell's text is white."""
_CELL_IN, _LEAST_IN = 0.5, 2.6
_LINE = 2.2


def map_data(
    results: Results,
    *,
    points: Names | None = None,
    metric: str | None = None,
    stage: str = RECEIVED,
    baseline: str | None = None,
) -> pd.DataFrame:
    """One row per protocol but the baseline and references, and pair of values, sorted by these.

    Columns: point, protocol; `across`, `up`, the values of the two varied paths in their order
    (base units); the mean client's last score minus the baseline's at equal time: mean, low, high
    (95 %, over pairs of one seed; of two seeds their own values), std, count, left_out, unpaired.
    Raises ResultError unless two numbers and nothing else differ among the points, and where there
    is nobody to compare.
    """
    first, second = varied_pair(results, points)
    baseline = baseline_of(results, baseline)
    last = not_after(curves(results, points=points, metric=metric, stage=stage), "time_s")
    found = paired(results, last, "mean", metric, baseline)
    others = [name for name, one in results.about.items() if not one.is_reference]
    found = found[found["protocol"].isin([name for name in others if name != baseline])]
    if found.empty:
        what = f"no protocol but {baseline} and references has a finished run"
        raise ResultError(f"{results.folder}: {what}; allowed: results of two protocols")
    values = results.with_values(found)
    found = found.assign(across=values[first].to_numpy(), up=values[second].to_numpy())
    return found.sort_values(["protocol", "across", "up"], ignore_index=True)


@look.looked
def difference_map(
    results: Results,
    *,
    points: Names | None = None,
    metric: str | None = None,
    stage: str = RECEIVED,
    baseline: str | None = None,
) -> Figure:
    """A cell per pair of values, blue where the protocol is the better one; a panel per protocol.

    A hatched cell's interval holds zero, or isn't known. A line parts cells of opposite signs.
    Values stand at equal distances, however far apart they are.
    """
    baseline = baseline_of(results, baseline)
    found = map_data(results, points=points, metric=metric, stage=stage, baseline=baseline)
    first, second = varied_pair(results, points)
    names = [str(name) for name in found["protocol"].unique()]
    rows = found["up"].nunique()
    figure, axes = look.panels(len(names), columns=2, height_in=max(_LEAST_IN, _CELL_IN * rows))
    shown = metric or results.metric
    largest = float(found["mean"].abs().max()) or 1.0
    colors = "RdBu" if is_rising(shown, results.directions) else "RdBu_r"
    for axis, name in zip(axes, names, strict=True):
        image = _draw(
            axis, results, found[found["protocol"] == name], (first, second), largest, colors
        )
        axis.set_title(f"{name} minus {baseline}")
    # All have one scale.
    bar = figure.colorbar(image, ax=axes, label=f"mean client's {shown}, minus {baseline}'s")
    bar.outline.set_visible(False)
    labels = (scale_of(results, path).label(path_name(path)) for path in (first, second))
    look.name_outer(axes, *(textwrap.fill(label, _LETTERS) for label in labels))
    what = f"difference to {baseline} at the end, at equal time; blue: better than {baseline}"
    look.title(figure, results, what, stage=stage, points=chosen_points(results, points))
    look.legend(figure, list(_keys(found)))
    return figure


def _draw(
    axis: Axes,
    results: Results,
    found: pd.DataFrame,
    paths: tuple[str, str],
    largest: float,
    colors: str,
) -> AxesImage:
    grids = {one: _grid(found, one) for one in ("mean", "low", "high")}
    mean = grids["mean"]
    axis.grid(visible=False)
    image = axis.imshow(
        mean, cmap=colors, vmin=-largest, vmax=largest, origin="lower", aspect="auto"
    )
    for row, column in np.argwhere(np.isfinite(mean)).tolist():
        value = float(mean[row, column])
        color = "white" if abs(value) > _DARK * largest else "black"
        if not (grids["low"][row, column] > 0 or grids["high"][row, column] < 0):
            corner, edge = (column - 0.5, row - 0.5), (color, _HATCH_ALPHA)
            axis.add_patch(
                Rectangle(corner, 1, 1, fill=False, hatch=_HATCH, linewidth=0, edgecolor=edge)
            )
        axis.text(column, row, _signed(value), ha="center", va="center", color=color, size=8.0)
    axis.add_collection(
        LineCollection(_borders(mean), colors="black", linewidths=_LINE), autolim=False
    )
    for one, path, named in ((axis.xaxis, paths[0], "across"), (axis.yaxis, paths[1], "up")):
        labels = _labels(found[named], scale_of(results, path))
        one.set_ticks(range(len(labels)), labels)
    return image


def _grid(found: pd.DataFrame, column: str) -> Grid:
    """[values of the second path, of the first]; NaN where a point isn't finished."""
    grid: Grid = found.pivot(index="up", columns="across", values=column).to_numpy(np.float64)
    return grid


def _borders(mean: Grid) -> list[list[tuple[float, float]]]:
    """The edges between cells of opposite signs, as lines from one corner to the other."""
    sign = np.sign(mean)
    upright = np.argwhere(sign[:, :-1] * sign[:, 1:] < 0)
    level = np.argwhere(sign[:-1] * sign[1:] < 0)
    return [
        *([(x + 0.5, y - 0.5), (x + 0.5, y + 0.5)] for y, x in upright),
        *([(x - 0.5, y + 0.5), (x + 0.5, y + 0.5)] for y, x in level),
    ]


def _labels(values: pd.Series, scale: Scale) -> list[str]:
    return [f"{value * scale.factor:g}" for value in np.unique(values)]


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _keys(found: pd.DataFrame) -> list[look.Key]:
    keys: list[look.Key] = []
    if found["mean"].min() < 0 < found["mean"].max():
        keys.append(look.line_key("the sign changes", width=_LINE, color="black"))
    if not ((found["low"] > 0) | (found["high"] < 0)).all():
        what = "the seeds disagree" if look.is_pair(found) else "95 % interval holds 0"
        keys.append(Patch(facecolor="white", edgecolor=look.GREY, hatch=_HATCH, label=what))
    return keys
