"""The clients' scores over virtual time, or over what it took: work or bytes."""

from typing import Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.canvas import look
from analysis.canvas import struck as bars
from analysis.canvas.choices import few_points, means, scores_of
from analysis.canvas.scale import Scale, panel_names, size_scale, time_scale
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
    trace = results.trace(points=points, kinds=WORK_KINDS)
    names = [str(name) for name in scores["point"].unique()]
    each = (
        {name: epochs_per_round(results.settings_at(name)) for name in names}
        if over == "local_epochs"
        else None
    )
    return cumulated(trace, scores, epochs_per_round=each)


@look.looked
def convergence(
    results: Results,
    *,
    points: Names | None = None,
    metric: str | None = None,
    stage: str = RECEIVED,
    over: Over = "time",
) -> Figure:
    """A line per protocol with a band over seeds, the worst client thin; a panel per point.

    `stage`: received, trained, or both: then the trained models' mean is the thin line. Over time
    there are bars above each panel for what struck the nodes and the network.
    """
    names = few_points(results, points)
    first, *second = (RECEIVED, TRAINED) if stage == look.BOTH else (stage,)
    found, *trained = (
        convergence_data(results, points=names, metric=metric, stage=one, over=over)
        for one in (first, *second)
    )
    thin = (
        trained[0].assign(thin=trained[0]["mean"]) if trained else found.assign(thin=found["worst"])
    )
    struck = {name: _struck(results, name, over) for name in names}
    every_struck, titles = pd.concat(struck.values()), panel_names(results, names)
    figure, axes = look.panels(len(names), above_in=bars.above_in(every_struck, titles))
    scale, what = _x_axis(over, float(found["cost"].max()))
    for axis, name, title in zip(axes, names, titles, strict=True):
        _draw(axis, results, found[found["point"] == name], thin[thin["point"] == name], scale)
        end_s = float(found.loc[found["point"] == name, "time_s"].max())
        bars.draw(axis, struck[name], end_s, scale.factor)
        bars.put_title(axis, title, struck[name])
    shown = metric or results.metric
    look.name_outer(axes, scale.label(what), shown)
    what = f"the clients' {shown}{_left_out(found)}"
    look.title(figure, results, what, stage=stage, points=names)
    keys = look.keys_of(results, found)
    keys.append(look.line_key("as trained (thin)" if trained else "worst client (thin)"))
    look.legend(figure, [*keys, *bars.keys(every_struck)])
    return figure


def _struck(results: Results, point: str, over: Over) -> pd.DataFrame:
    """Nothing where the axis isn't that of time, on which it stands."""
    found = disturbances(results, point)
    return found if over == "time" else found.head(0)


def _x_axis(over: Over, largest: float) -> tuple[Scale, str]:
    if over == "time":
        return time_scale(largest), "virtual time"
    if over == "bytes":
        return size_scale(largest), "received by all nodes, mean over seeds"
    return Scale(1.0, ""), f"{over.replace('_', ' ')} of all clients, mean over seeds"


def _draw(
    axis: Axes, results: Results, found: pd.DataFrame, thin: pd.DataFrame, scale: Scale
) -> None:
    for place, (name, style) in enumerate(look.styles(results).items()):
        rows = found[found["protocol"] == name]
        x = (rows["cost"] * scale.factor).to_numpy()
        # Few markers, and not at the same looks, so that equal curves show both.
        every = max(1, len(rows) // 6)
        look.draw_band(axis, x, rows, style)
        axis.plot(
            x, rows["mean"], color=style.color, linestyle=style.line, linewidth=look.MEAN_WIDTH,
            marker=style.marker, markevery=(min(place, every - 1), every),
        )  # fmt: skip
        others = thin[thin["protocol"] == name]
        axis.plot(
            others["cost"] * scale.factor, others["thin"],
            color=style.color, linestyle=style.line, linewidth=look.THIN_WIDTH,
        )  # fmt: skip


def _left_out(found: pd.DataFrame) -> str:
    """A seed that has diverged would make the others' mean look like that of all."""
    return ", without seeds that have diverged" if found["left_out"].any() else ""
