"""How much the network carries, minute by minute of virtual time."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.canvas import look
from analysis.canvas.choices import few_points, scores_of, shown
from analysis.canvas.scale import panel_names, size_scale, time_scale
from analysis.metrics import RUN
from analysis.metrics.common import runs_of
from analysis.results import Names, Results
from analysis.statistics import over_seeds

MINUTE_S = 60.0


def network_use_data(results: Results, *, points: Names | None = None) -> pd.DataFrame:
    """One row per point, protocol and minute: the bytes of models that arrived in it, over seeds.

    Columns: point, protocol, `time_s` (the minute's beginning), mean, low, high (bytes per minute,
    95 %), std, count, left_out. What arrives at the end of a run is in its last minute, and a last
    minute that is cut short is counted up to a whole one.
    """
    scores = scores_of(results, points=points)
    runs = runs_of(scores)
    minutes = np.maximum(np.ceil(runs["end_s"] / MINUTE_S), 1).astype("int64").to_numpy()
    every = runs.loc[runs.index.repeat(minutes)].reset_index(drop=True)
    every["minute"] = np.concatenate([np.arange(count) for count in minutes])
    trace = results.trace(points=points, kinds="transfer").merge(runs, on=RUN)
    arrived = np.floor((trace["time_s"] + trace["duration_s"]) / MINUTE_S).astype("int64")
    last = np.maximum(np.ceil(trace["end_s"] / MINUTE_S), 1).astype("int64") - 1
    trace["minute"] = np.minimum(arrived, last)
    sums = trace.groupby([*RUN, "minute"], observed=True)["bytes"].sum().reset_index()
    every = every.merge(sums, on=[*RUN, "minute"], how="left").fillna({"bytes": 0})
    every["time_s"] = every["minute"] * MINUTE_S
    width_s = (every["end_s"] - every["time_s"]).clip(upper=MINUTE_S)
    every["rate"] = every["bytes"] * MINUTE_S / width_s.where(width_s > 0, MINUTE_S)
    # Nothing is received less often than never.
    by = ("point", "protocol", "time_s")
    return shown(over_seeds(every, "rate", by=by, bounds=(0.0, np.inf)))


@look.looked
def network_use(results: Results, *, points: Names | None = None) -> Figure:
    """A line per protocol with a band over seeds; a panel per point."""
    names = few_points(results, points)
    found = network_use_data(results, points=names)
    figure, axes = look.panels(len(names))
    times, sizes = time_scale(results.duration_s), size_scale(float(found["mean"].max()))
    for axis, name, title in zip(axes, names, panel_names(results, names), strict=True):
        for _, style, rows in look.lines(results, found[found["point"] == name]):
            x = ((rows["time_s"] + MINUTE_S / 2) * times.factor).to_numpy()
            ends = rows.assign(**{end: rows[end] * sizes.factor for end in ("mean", "low", "high")})
            look.draw_band(axis, x, ends, style)
            axis.plot(
                x, ends["mean"], color=style.color, linestyle=style.line,
                linewidth=look.MEAN_WIDTH, marker=style.marker, markevery=max(1, len(rows) // 6),
            )  # fmt: skip
        axis.set_title(title)
        axis.set_ylim(bottom=0.0)
    look.name_outer(axes, times.label("virtual time"), f"received ({sizes.unit} per minute)")
    look.title(figure, results, "models received by all nodes", points=names)
    look.legend(figure, look.keys_of(results, found))
    return figure
