"""How well each structure of a segmentation is found at the end of a run."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.canvas import look
from analysis.canvas.choices import finished, means, only_point
from analysis.frames import ordered
from analysis.metrics import final, over_clients
from analysis.results import Names, Results, Seeds
from sim.record.errors import ResultError
from sim.record.metrics import OWN_SITE, validation_metric
from sim.record.rows import RECEIVED
from sim.record.words import plain_text

_PREFIX = "dice_"
_NO_STRUCTURES = (f"{_PREFIX}{OWN_SITE}", validation_metric("dice"))
"""Metrics that begin like a structure's."""
_ROW_HEIGHT_IN, _AXIS_HEIGHT_IN = 0.25, 0.35
_ROW_FILLED = 0.6
"""How much of a row's height the markers of all protocols are spread over."""
_MARGIN = 0.02
"""Room for a marker beside a Dice of 0 or 1."""


def structures_data(
    results: Results,
    *,
    points: Names | None = None,
    seed: Seeds | None = None,
    stage: str = RECEIVED,
) -> pd.DataFrame:
    """The mean client's last Dice: one row per structure and protocol, over the seeds.

    Each client's model is tested on the held-out subjects of all sites; `pooled` has one model.
    `seed`: only that one or those. Columns: structure (the first is found best, by the best
    reference if there is one), protocol, mean, low, high
    (95 %), std, count, left_out. A structure that no held-out subject has is left out. Raises
    ResultError for more than one point, and where no scores of structures are there.
    """
    point = only_point(results, points)
    scores = finished(results, results.scores(points=point, seeds=seed, stage=stage))
    names = [str(name) for name in scores["metric"].unique()]
    wanted = [name for name in names if name.startswith(_PREFIX) and name not in _NO_STRUCTURES]
    rows = scores[scores["metric"].isin(wanted)]
    if rows.empty:
        raise ResultError(
            f"{results.folder}: has no scores of structures;"
            " allowed: results of a task that segments"
        )
    last = final(over_clients(rows)).dropna(subset="mean")
    last["structure"] = last["metric"].astype("str").str.removeprefix(_PREFIX)
    found = means(results, last, "mean", "dice", by=("structure", "protocol"))
    found["structure"] = found["structure"].astype(ordered(_best_first(results, found)))
    return found.sort_values(["structure", "protocol"], ignore_index=True)


def _best_first(results: Results, found: pd.DataFrame) -> list[str]:
    """The structures in one order for all protocols, or rows could not be compared by eye."""
    references = [name for name, one in results.about.items() if one.is_reference]
    # By how hard they are, which those tell that others are measured by.
    ranked = found[found["protocol"].isin(references)]
    best = (found if ranked.empty else ranked).groupby("structure", observed=True)["mean"].max()
    return [str(name) for name in best.sort_values(ascending=False, kind="stable").index]


@look.looked
def structures(
    results: Results,
    *,
    points: Names | None = None,
    seed: Seeds | None = None,
    stage: str = RECEIVED,
) -> Figure:
    """A row per structure, a marker per protocol with its interval: the mean client's last Dice."""
    point = only_point(results, points)
    found = structures_data(results, points=point, seed=seed, stage=stage)
    names = [str(name) for name in found["structure"].cat.categories]
    figure, (axis,) = look.panels(1, height_in=_ROW_HEIGHT_IN * len(names) + _AXIS_HEIGHT_IN)
    _draw_rows(axis, results, found)
    axis.set_yticks(np.arange(len(names)), [plain_text(name).replace("_", " ") for name in names])
    # The first row is the uppermost.
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set_xlabel("Dice at the end, mean client")
    seeds = None if seed is None else [seed] if isinstance(seed, int) else list(seed)
    look.title(figure, results, "Dice of each structure", stage=stage, seeds=seeds, points=[point])
    look.legend(figure, _keys(results, found))
    return figure


def _keys(results: Results, found: pd.DataFrame) -> list[look.Key]:
    """Without lines, since none joins the markers of two structures."""
    keys: list[look.Key] = []
    for name, style, _ in look.lines(results, found):
        keys.append(look.key_of(name, style))
        keys[-1].set_linestyle("")
    if found["low"].notna().any():
        label = look.PAIR if look.is_pair(found) else look.INTERVAL
        keys.append(look.line_key(label, width=1.1, marker="|"))
    return keys


def _draw_rows(axis: Axes, results: Results, found: pd.DataFrame) -> None:
    axis.grid(visible=False, axis="y")
    axis.tick_params(axis="y", length=0)
    shown = list(look.lines(results, found))
    for row in range(0, len(found["structure"].cat.categories), 2):
        axis.axhspan(row - 0.5, row + 0.5, color="#F5F5F5", linewidth=0, zorder=0)
    for place, (_, style, rows) in enumerate(shown):
        # Below each other, or equal protocols would hide each other.
        apart = _ROW_FILLED * ((place + 0.5) / len(shown) - 0.5)
        # One seed has no interval.
        bars = [(rows["mean"] - rows["low"]).fillna(0.0), (rows["high"] - rows["mean"]).fillna(0.0)]
        axis.errorbar(
            rows["mean"].to_numpy(), rows["structure"].cat.codes.to_numpy() + apart,
            xerr=[bar.to_numpy() for bar in bars], color=style.color, linestyle="",
            marker=style.marker, elinewidth=1.1, capsize=1.5,
        )  # fmt: skip
    left, right = axis.get_xlim()
    axis.set_xlim(max(left, -_MARGIN), min(right, 1 + _MARGIN))
