"""The clients' scores over virtual time, or over what it took: work or bytes."""

from typing import Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import look
from analysis.figures.choices import few_points, scores_of
from analysis.figures.scale import Scale, point_name, size_scale, time_scale
from analysis.frames import listed
from analysis.metrics import WORK_KINDS, cumulated, epochs_per_round, over_clients, with_work
from analysis.results import Names, Results
from analysis.statistics import over_seeds
from sim.record.errors import ResultError

Over = Literal["time", "local_epochs", "local_rounds", "bytes"]
_COLUMNS = {
    "time": "time_s",
    "local_epochs": "local_epochs",
    "local_rounds": "local_rounds",
    "bytes": "bytes_received",
}
_BY = ("point", "protocol", "time_s")


def convergence_data(
    results: Results, *, points: Names | None = None, metric: str | None = None, over: Over = "time"
) -> pd.DataFrame:
    """One row per point, protocol and look, over the seeds.

    Columns: point, protocol, time_s; `cost`, the mean over seeds of what `over` counts (s, rounds,
    epochs or bytes, of all nodes); `mean`, `low`, `high` (95 %), `std` of the mean client's score;
    `worst`, the mean over seeds of the worst client's; `count`, `left_out` of seeds.
    """
    if over not in _COLUMNS:
        raise ResultError(f"over: is {over!r}; allowed: {listed(_COLUMNS)}")
    scores = scores_of(results, points=points, metric=metric)
    curves = over_clients(scores)
    if over != "time":
        curves = with_work(curves, _work(results, scores, points, over))
    found = over_seeds(curves, "mean", by=_BY)
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
    results: Results, *, points: Names | None = None, metric: str | None = None, over: Over = "time"
) -> Figure:
    """A line per protocol with a band over seeds, the worst client thin; a panel per point."""
    names = few_points(results, points)
    found = convergence_data(results, points=names, metric=metric, over=over)
    figure, axes = look.panels(len(names))
    scale, what = _x_axis(over, float(found["cost"].max()))
    for axis, name in zip(axes, names, strict=True):
        _draw(axis, results, found[found["point"] == name], scale)
        axis.set_title(point_name(results, name))
        crash_s = float(results.conditions["crash_s"][name])
        if over == "time" and crash_s == crash_s:
            axis.axvline(crash_s * scale.factor, color=look.GREY, linestyle=(0, (2, 2)))
    shown = metric or results.metric
    look.name_outer(axes, scale.label(what), shown)
    look.title(figure, results, f"the clients' {shown}{_left_out(found)}")
    look.legend(figure, _keys(results, found, over))
    return figure


def _x_axis(over: Over, largest: float) -> tuple[Scale, str]:
    if over == "time":
        return time_scale(largest), "virtual time"
    if over == "bytes":
        return size_scale(largest), "received by all nodes, mean over seeds"
    return Scale(1.0, ""), f"{over.replace('_', ' ')} of all clients, mean over seeds"


def _draw(axis: Axes, results: Results, found: pd.DataFrame, scale: Scale) -> None:
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
        axis.plot(
            x, rows["worst"], color=style.color, linestyle=style.line, linewidth=look.THIN_WIDTH
        )


def _keys(results: Results, found: pd.DataFrame, over: Over) -> list[look.Key]:
    keys = look.keys_of(results, found)
    keys.append(look.line_key("worst client (thin)"))
    crashed = results.conditions["crash_s"].reindex(found["point"].unique().astype("str"))
    if over == "time" and crashed.notna().any():
        keys.append(look.line_key("crash", line=(0, (2, 2)), width=1.5))
    return keys


def _left_out(found: pd.DataFrame) -> str:
    """A seed that has diverged would make the others' mean look like that of all."""
    return ", without seeds that have diverged" if found["left_out"].any() else ""
