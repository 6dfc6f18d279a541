"""How long runs take to reach the target, where some never do."""

import textwrap
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.canvas import look
from analysis.canvas.choices import curves, few_points, finished
from analysis.canvas.scale import Scale, panel_names, time_scale
from analysis.frames import listed
from analysis.metrics import reached_target, to_target
from analysis.metrics.common import POINT_AND_PROTOCOL as BOTH
from analysis.metrics.common import PerPoint, per_point
from analysis.results import Names, Results
from analysis.statistics import kaplan_meier
from sim.record.errors import ResultError
from sim.record.metrics import validation_metric
from sim.record.points import TargetRecord
from sim.record.rows import AGGREGATE, RECEIVED

_APART = 0.01
_LETTERS = 40
_TEXT_BELOW = 0.18
"""The room that a line of text takes, of the height between all and none."""


def time_to_target_data(
    results: Results,
    *,
    points: Names | None = None,
    target: PerPoint | None = None,
    stage: str | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The curves as `kaplan_meier` gives them, with `until` where each ends, and the censored runs.

    `target`: a score that the mean client has to reach, of all points or of each; if none is given,
    the scenario's target on validation data. `stage`: another one of the clients' models than the
    target is about. The second frame has a row per time at which runs ended without: point,
    protocol, `time`, the curve's `survival` there, `runs`. Raises ResultError if a chosen point has
    no target, or no scores of validation data.
    """
    names = few_points(results, points)
    arrivals = _arrivals(results, names, target, stage)
    found = kaplan_meier(arrivals)
    ends = arrivals.groupby(BOTH, observed=True)["value"].max().rename("until").reset_index()
    censored = arrivals[~arrivals["reached"]].groupby([*BOTH, "value"], observed=True).size()
    ended = censored.rename("runs").reset_index().rename(columns={"value": "time"})
    ended = ended.merge(found[[*BOTH, "time", "survival"]], on=[*BOTH, "time"], how="left")
    return found.merge(ends, on=BOTH), ended


def _arrivals(
    results: Results, names: Sequence[str], target: PerPoint | None, stage: str | None
) -> pd.DataFrame:
    """Point, protocol, seed, `value` and `reached` of each finished run; see `to_target`."""
    if target is not None:
        values = pd.Series(
            per_point(results.points["point"], target, "target"), results.conditions.index
        )
        return to_target(curves(results, points=names, stage=stage or RECEIVED), values)
    parts = []
    for name, one in _targets(results, names, stage).items():
        metric = validation_metric(one.metric)
        scores = results.scores(points=name, stage=None, metric=metric)
        parts.append(reached_target(finished(results, scores), one))
    found = pd.concat(parts, ignore_index=True)
    return found.astype({"point": results.points["point"].dtype, "reached": "bool"})


def _targets(results: Results, names: Sequence[str], stage: str | None) -> dict[str, TargetRecord]:
    """The scenario's own, by point. Raises ResultError if one has none."""
    found = {name: one for name in names if (one := results.targets[name]) is not None}
    if lacking := [name for name in names if name not in found]:
        what = f"no target at {listed(lacking)}"
        raise ResultError(f"{results.folder}: {what}; allowed: points with evaluation.target")
    return {name: replace(one, stage=stage or one.stage) for name, one in found.items()}


@look.looked
def time_to_target(
    results: Results,
    *,
    points: Names | None = None,
    target: PerPoint | None = None,
    stage: str | None = None,
) -> Figure:
    """A falling line per protocol with its interval; a panel per point says who is never there."""
    names = few_points(results, points)
    found, ended = time_to_target_data(results, points=names, target=target, stage=stage)
    figure, axes = look.panels(len(names))
    scale, below = time_scale(results.duration_s), []
    for axis, name, title in zip(axes, names, panel_names(results, names), strict=True):
        at = (found["point"] == name, ended["point"] == name)
        _draw(axis, results, found[at[0]], ended[at[1]], scale)
        axis.set_title(title)
        never = _never(found[at[0]])
        axis.text(
            0.02, 0.03, never, transform=axis.transAxes, size=8.0, va="bottom",
            bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 1},
        )  # fmt: skip
        below.append(_TEXT_BELOW * (1 + never.count("\n")) if never else 0.08)
    # All have one height; a text lies below the curves.
    axes[0].set_ylim(-max(below), 1.06)
    look.name_outer(axes, scale.label("virtual time"), "share of runs not there yet")
    aim, shown = _aim(results, names, target, stage)
    look.title(figure, results, f"time until {aim}", stage=shown, points=names)
    keys = look.keys_of(results, found, interval="95 % interval", markers=False)
    if len(ended):
        keys.append(look.tick_key("ended without"))
    look.legend(figure, keys)
    return figure


def _aim(
    results: Results, names: Sequence[str], target: PerPoint | None, stage: str | None
) -> tuple[str, str | None]:
    """What is to be reached, in words, and the stage that it is about."""
    if target is not None:
        values = list(per_point(pd.Series(list(names)), target, "target"))
        return f"the mean client reaches {_wanted(results.metric, values)}", stage or RECEIVED
    targets = list(_targets(results, names, stage).values())
    one = targets[0]
    whose = one.of if one.of == AGGREGATE else f"{one.of} client"
    wanted = _wanted(one.metric, [each.value for each in targets])
    shown = None if one.of == AGGREGATE else one.stage
    return f"the {whose} reaches {wanted} on validation data", shown


def _wanted(metric: str, values: Sequence[float]) -> str:
    return f"{metric} {values[0]:g}" if len(set(values)) == 1 else f"the {metric} wanted"


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
