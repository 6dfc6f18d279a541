"""How long runs take to reach the target, where some never do."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import look
from analysis.figures.choices import curves, few_points
from analysis.figures.scale import Scale, panel_names, time_scale
from analysis.frames import listed
from analysis.metrics import to_target
from analysis.metrics.common import POINT_AND_PROTOCOL as BOTH
from analysis.metrics.common import PerPoint, per_point
from analysis.results import Names, Results
from analysis.statistics import kaplan_meier
from sim.record.errors import ResultError
from sim.record.rows import RECEIVED

_APART = 0.01
_LETTERS = 40


def time_to_target_data(
    results: Results,
    *,
    points: Names | None = None,
    target: PerPoint | None = None,
    stage: str = RECEIVED,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The curves as `kaplan_meier` gives them, with `until` where each ends, and the censored runs.

    `target`: the score to reach, of all points or of each; the scenario's, if none is given. The
    second frame has a row per time at which runs ended without: point, protocol, `time`, the
    curve's `survival` there, `runs`. Raises ResultError if a chosen point has no target.
    """
    names = few_points(results, points)
    targets = _targets(results, target)
    lacking = [name for name in names if targets[name] != targets[name]]
    if lacking:
        what = f"no target at {listed(lacking)}"
        raise ResultError(f"{results.folder}: {what}; allowed: points with evaluation.target")
    arrivals = to_target(curves(results, points=names, stage=stage), targets)
    found = kaplan_meier(arrivals)
    ends = arrivals.groupby(BOTH, observed=True)["value"].max().rename("until").reset_index()
    censored = arrivals[~arrivals["reached"]].groupby([*BOTH, "value"], observed=True).size()
    ended = censored.rename("runs").reset_index().rename(columns={"value": "time"})
    ended = ended.merge(found[[*BOTH, "time", "survival"]], on=[*BOTH, "time"], how="left")
    return found.merge(ends, on=BOTH), ended


def _targets(results: Results, target: PerPoint | None) -> pd.Series:
    own = results.conditions["target"]
    if target is None:
        return own
    return pd.Series(per_point(results.points["point"], target, "target"), own.index)


@look.looked
def time_to_target(
    results: Results,
    *,
    points: Names | None = None,
    target: PerPoint | None = None,
    stage: str = RECEIVED,
) -> Figure:
    """A falling line per protocol with its interval; a panel per point says who is never there."""
    names = few_points(results, points)
    found, ended = time_to_target_data(results, points=names, target=target, stage=stage)
    figure, axes = look.panels(len(names))
    scale = time_scale(results.duration_s)
    for axis, name, title in zip(axes, names, panel_names(results, names), strict=True):
        at = (found["point"] == name, ended["point"] == name)
        _draw(axis, results, found[at[0]], ended[at[1]], scale)
        axis.set_title(title)
        axis.text(
            0.02, 0.03, _never(found[at[0]]), transform=axis.transAxes, size=8.0,
            va="bottom", bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 1},
        )  # fmt: skip
        axis.set_ylim(-0.08, 1.06)
    look.name_outer(axes, scale.label("virtual time"), "share of runs not there yet")
    aims = _targets(results, target).loc[names].unique()
    aim = f"{results.metric} {aims[0]:g}" if len(aims) == 1 else f"the {results.metric} wanted"
    what = f"time until the mean client reaches {aim}"
    look.title(figure, results, what, stage=stage, points=names)
    keys = look.keys_of(results, found, interval="95 % interval", markers=False)
    if len(ended):
        keys.append(look.tick_key("ended without"))
    look.legend(figure, keys)
    return figure


def _never(found: pd.DataFrame) -> str:
    """Who did not get there in any seed."""
    last = found.groupby("protocol", observed=True)["survival"].min()
    never = [str(name) for name, share in last.items() if share == 1]
    if len(never) == len(last):
        return "nobody reaches it in any seed"
    return textwrap.fill(f"never reached by {', '.join(never)}", _LETTERS) if never else ""


def _draw(
    axis: Axes, results: Results, found: pd.DataFrame, ended: pd.DataFrame, scale: Scale
) -> None:
    for place, (name, style) in enumerate(look.styles(results).items()):
        rows = found[found["protocol"] == name]
        if rows.empty:
            continue
        # A little apart, or protocols that never get there would hide each other.
        lower = place * _APART
        # The last step holds until the last run's end.
        last = rows.iloc[[-1]].assign(time=rows["until"].iloc[-1])
        rows = pd.concat([rows, last], ignore_index=True)
        x = (rows["time"] * scale.factor).to_numpy()
        # Each step from both its ends, or one between two without an interval would have none.
        low, high = (np.repeat(rows[end].to_numpy()[:-1], 2) for end in ("low", "high"))
        axis.fill_between(
            np.repeat(x, 2)[1:-1], low, high, color=style.color, alpha=look.BAND_ALPHA, linewidth=0
        )
        axis.plot(
            x, rows["survival"] - lower, color=style.color, linestyle=style.line,
            linewidth=look.MEAN_WIDTH, drawstyle="steps-post",
        )  # fmt: skip
        ticks = ended[ended["protocol"] == name]
        axis.plot(
            ticks["time"] * scale.factor, ticks["survival"] - lower, color=style.color,
            linestyle="", marker="|", markersize=10, markeredgewidth=1.6,
        )  # fmt: skip
