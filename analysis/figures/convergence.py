"""The clients' scores over virtual time, or over what it took: work or bytes."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.canvas import look
from analysis.canvas import struck as bars
from analysis.canvas.choices import means, scores_of
from analysis.canvas.scale import Scale, size_scale, time_scale
from analysis.canvas.several import Panel, Several, common_metric, each, panels_of
from analysis.disturbances import disturbances
from analysis.frames import listed
from analysis.metrics import WORK_KINDS, cumulated, epochs_per_round, over_clients, with_work
from analysis.results import Names, Results
from analysis.statistics import over_seeds
from sim.record.errors import ResultError
from sim.record.rows import RECEIVED, TRAINED

Over = Literal["time", "local_epochs", "local_rounds", "bytes"]
_COLUMNS = {
    "time": "time_s",
    "local_epochs": "local_epochs",
    "local_rounds": "local_rounds",
    "bytes": "bytes_received",
}
_BY = ("point", "protocol", "time_s")
_CROWD = 9
"""Of so many protocols on, bands and thin lines would hide each other and the thick lines."""


def convergence_data(
    results: Results,
    *,
    points: Names | None = None,
    metric: str | None = None,
    stage: str = RECEIVED,
    over: Over = "time",
) -> pd.DataFrame:
    """One row per point, protocol and look, over the seeds.

    Columns: point, protocol, time_s; `cost`, the mean over seeds of what `over` counts (s, rounds,
    epochs or bytes, of all nodes); `mean`, `low`, `high` (95 %, of two seeds their own values),
    `std` of the mean client's score; `worst`, the mean over seeds of the worst client's; `count`,
    `left_out` of seeds.
    """
    if over not in _COLUMNS:
        raise ResultError(f"over: is {over!r}; allowed: {listed(_COLUMNS)}")
    scores = scores_of(results, points=points, metric=metric, stage=stage)
    curves = over_clients(scores)
    if over != "time":
        curves = with_work(curves, _work(results, scores, points, over))
    found = means(results, curves, "mean", metric, by=_BY)
    found["worst"] = over_seeds(curves, "worst", by=_BY)["mean"]
    if over == "time":
        return found.assign(cost=found["time_s"])
    return found.assign(cost=over_seeds(curves, _COLUMNS[over], by=_BY)["mean"])


def _work(results: Results, scores: pd.DataFrame, points: Names | None, over: Over) -> pd.DataFrame:
    trace = results.trace(points=points, kinds=results.told(WORK_KINDS))
    names = [str(name) for name in scores["point"].unique()]
    each = (
        {name: epochs_per_round(results.settings_at(name)) for name in names}
        if over == "local_epochs"
        else None
    )
    return cumulated(trace, scores, epochs_per_round=each)


class _Curves(NamedTuple):
    """What a panel shows: the rows of `convergence_data`, and those of the thin lines."""

    found: pd.DataFrame
    thin: pd.DataFrame
    """With a column `thin`."""


@look.looked
def convergence(
    results: Several,
    *,
    points: Names | None = None,
    protocol: str | None = None,
    metric: str | None = None,
    stage: str = RECEIVED,
    over: Over = "time",
) -> Figure:
    """A line per protocol with a band over seeds, the worst client thin; a panel per point.

    Where nine protocols or more are compared, bands and thin lines are left out.

    `results`: of one folder, or of several, whose points have panels side by side. `protocol`: only
    this one, with a line per point in one panel. `stage`: received, trained, or both: then the
    trained models' mean is the thin line. Over time there are bars above each panel for what struck
    the nodes and the network. Raises ResultError for folders that are judged by different metrics.
    """
    shown, panels = common_metric(results, metric), panels_of(results, points)
    curves = _curves(panels, protocol, shown, stage, over)
    found = _together(curves)
    thin = [look.line_key("as trained (thin)" if stage == look.BOTH else "worst client (thin)")]
    if protocol is None and stage != look.BOTH and found["protocol"].nunique() >= _CROWD:
        curves, thin = [_plain(one) for one in curves], []
        found = _together(curves)
    scale, x_name = _x_axis(over, float(found["cost"].max()))
    if protocol is None:
        struck = [_struck(panel, over) for panel in panels]
        figure, axes = _side_by_side(results, panels, curves, struck, scale)
        keys = [*look.keys_of(results, found), *thin, *bars.keys(pd.concat(struck))]
    else:
        figure, axes = look.panels(1)
        keys = [*_draw_overlaid(axes[0], protocol, panels, curves, scale), *thin]
    look.name_outer(axes, scale.label(x_name), shown)
    what = f"the clients' {shown}{_left_out(found)}"
    look.title(
        figure, results, f"{protocol}, {what}" if protocol else what, stage=stage,
        among=[protocol] if protocol else None,
        points=None if len(each(results)) > 1 else [panel.point for panel in panels],
    )  # fmt: skip
    look.legend(figure, keys)
    return figure


def _curves(
    panels: Sequence[Panel], protocol: str | None, metric: str, stage: str, over: Over
) -> list[_Curves]:
    """Of each panel; empty where its point isn't finished, but others of the folder are."""
    points: dict[Results, list[str]] = {}
    for panel in panels:
        points.setdefault(panel.results, []).append(panel.point)
    read = {
        one: _of_folder(one, names, protocol, metric, stage, over) for one, names in points.items()
    }
    return [
        _Curves(*(rows[rows["point"] == panel.point] for rows in read[panel.results]))
        for panel in panels
    ]


def _plain(curves: _Curves) -> _Curves:
    """The thick lines alone."""
    return _Curves(curves.found.assign(low=np.nan, high=np.nan), curves.thin.head(0))


def _of_folder(
    results: Results,
    points: Sequence[str],
    protocol: str | None,
    metric: str,
    stage: str,
    over: Over,
) -> _Curves:
    stages = (RECEIVED, TRAINED) if stage == look.BOTH else (stage,)
    if protocol is not None:
        results.chosen("protocol", protocol, results.protocols)
    found, *trained = (
        _of_protocol(
            convergence_data(results, points=points, metric=metric, stage=one, over=over), protocol
        )
        for one in stages
    )
    if trained:
        return _Curves(found, trained[0].assign(thin=trained[0]["mean"]))
    return _Curves(found, found.assign(thin=found["worst"]))


def _of_protocol(found: pd.DataFrame, protocol: str | None) -> pd.DataFrame:
    return found if protocol is None else found[found["protocol"] == protocol]


def _together(curves: Sequence[_Curves]) -> pd.DataFrame:
    return pd.concat([one.found.astype({"point": "str", "protocol": "str"}) for one in curves])


def _struck(panel: Panel, over: Over) -> pd.DataFrame:
    """Nothing where the axis isn't that of time, on which it stands."""
    found = disturbances(panel.results, panel.point)
    return found if over == "time" else found.head(0)


def _side_by_side(
    results: Several,
    panels: Sequence[Panel],
    curves: Sequence[_Curves],
    struck: Sequence[pd.DataFrame],
    scale: Scale,
) -> tuple[Figure, list[Axes]]:
    """A panel for each point, with a line per protocol, below what struck it."""
    above_in = bars.above_in(pd.concat(struck), [panel.title for panel in panels])
    figure, axes = look.panels(len(panels), above_in=above_in)
    for axis, panel, one, hits in zip(axes, panels, curves, struck, strict=True):
        for place, (name, style) in enumerate(look.styles(results).items()):
            _draw_line(
                axis, _Curves(*(_of_protocol(rows, name) for rows in one)), style, place, scale
            )
        bars.draw(axis, hits, float(one.found["time_s"].max()), scale.factor)
        bars.put_title(axis, panel.title, hits)
    return figure, axes


def _draw_overlaid(
    axis: Axes, protocol: str, panels: Sequence[Panel], curves: Sequence[_Curves], scale: Scale
) -> list[look.Key]:
    """A line for each point in one panel; returns the legend's entries."""
    keys: list[look.Key] = []
    for place, (panel, one) in enumerate(zip(panels, curves, strict=True)):
        style = look.STYLES[place % len(look.STYLES)]
        _draw_line(axis, one, style, place, scale)
        keys.append(look.key_of(panel.title.replace("\n", ", ") or protocol, style))
    found = _together(curves)
    return [*keys, look.interval_key(found)] if found["low"].notna().any() else keys


def _x_axis(over: Over, largest: float) -> tuple[Scale, str]:
    if over == "time":
        return time_scale(largest), "virtual time"
    if over == "bytes":
        return size_scale(largest), "received by all nodes, mean over seeds"
    return Scale(1.0, ""), f"{over.replace('_', ' ')} of all clients, mean over seeds"


def _draw_line(axis: Axes, curves: _Curves, style: look.Style, place: int, scale: Scale) -> None:
    rows, others = curves
    x = (rows["cost"] * scale.factor).to_numpy()
    # Few markers, and not at the same looks, so that equal curves show both.
    every = max(1, len(rows) // 6)
    look.draw_band(axis, x, rows, style)
    axis.plot(
        x, rows["mean"], color=style.color, linestyle=style.line, linewidth=look.MEAN_WIDTH,
        marker=style.marker, markevery=(min(place, every - 1), every),
    )  # fmt: skip
    axis.plot(
        others["cost"] * scale.factor, others["thin"],
        color=style.color, linestyle=style.line, linewidth=look.THIN_WIDTH,
    )  # fmt: skip


def _left_out(found: pd.DataFrame) -> str:
    """A seed that has diverged would make the others' mean look like that of all."""
    return ", without seeds that have diverged" if found["left_out"].any() else ""
