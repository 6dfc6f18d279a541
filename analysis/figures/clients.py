"""Each client's own score over virtual time, side by side."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.canvas import look
from analysis.canvas.choices import means, only_point, scores_of
from analysis.canvas.scale import time_scale
from analysis.frames import listed
from analysis.metrics.common import Floats
from analysis.results import Names, Results
from sim.record.errors import ResultError
from sim.record.rows import CLIENT, RECEIVED

MOST_CLIENTS = 20
_COLUMNS = 5
_PANEL_HEIGHT_IN = 1.5
_PALE = 0.3


def clients_data(
    results: Results,
    *,
    points: Names | None = None,
    metric: str | None = None,
    stage: str = RECEIVED,
    nodes: Names | None = None,
) -> pd.DataFrame:
    """One row per client, protocol and look, over the seeds.

    Columns: node, protocol, time_s, mean, low, high (95 %), std, count, left_out; `there`, the
    share of seeds in which it had joined and not left. Raises ResultError for more clients than a
    figure has room for.
    """
    point = only_point(results, points)
    chosen = (
        results.clients if nodes is None else [nodes] if isinstance(nodes, str) else list(nodes)
    )
    if len(chosen) > MOST_CLIENTS:
        raise ResultError(
            f"{results.folder}: {len(chosen)} clients are too many for one figure;"
            f" choose at most {MOST_CLIENTS} of them; allowed: {listed(results.clients)}"
        )
    scores = scores_of(results, points=point, metric=metric, stage=stage)
    rows = scores[scores["node"].isin(chosen)]
    if rows.empty:
        raise ResultError(
            f"{results.folder}: has no scores of {listed(chosen)};"
            f" allowed: {listed(results.clients)}"
        )
    by = ("node", "protocol", "time_s")
    there = rows.groupby(list(by), observed=True)["member"].mean().rename("there").reset_index()
    return means(results, rows, "value", metric, by=by).merge(there, on=list(by))


@look.looked
def clients(
    results: Results,
    *,
    points: Names | None = None,
    metric: str | None = None,
    stage: str = RECEIVED,
    nodes: Names | None = None,
) -> Figure:
    """A panel per client, a line per protocol with a band over seeds, pale while it isn't there."""
    point = only_point(results, points)
    found = clients_data(results, points=point, metric=metric, stage=stage, nodes=nodes)
    names = [str(name) for name in found["node"].unique()]
    height_in = _PANEL_HEIGHT_IN if len(names) > _COLUMNS else 2 * _PANEL_HEIGHT_IN
    figure, axes = look.panels(len(names), columns=_COLUMNS, height_in=height_in)
    scale = time_scale(float(found["time_s"].max()))
    for axis, name in zip(axes, names, strict=True):
        for _, style, rows in look.lines(results, found[found["node"] == name]):
            _draw_client(axis, (rows["time_s"] * scale.factor).to_numpy(), rows, style)
        axis.set_title(name.replace(CLIENT, "client "))
    shown = metric or results.metric
    look.name_outer(axes, scale.label("virtual time"), shown)
    look.title(figure, results, f"each client's {shown}", stage=stage, points=[point])
    keys = look.keys_of(results, found, markers=False)
    if (found["there"] < 1).any():
        keys.append(look.line_key("had not joined, or had left (pale)"))
    look.legend(figure, keys)
    return figure


def _draw_client(axis: Axes, x: Floats, rows: pd.DataFrame, style: look.Style) -> None:
    """Its line; pale, without a band, where in most seeds it wasn't there."""
    is_there = rows["there"] >= 0.5
    ends = ["mean", "low", "high"]
    here = rows.assign(**{name: rows[name].where(is_there) for name in ends})
    look.draw_band(axis, x, here, style)
    shown = [(here, 1.0)] if is_there.all() else [(here, 1.0), (rows, _PALE)]
    for one, alpha in shown:
        axis.plot(
            x, one["mean"], color=style.color, linestyle=style.line, linewidth=1.4, alpha=alpha
        )  # fmt: skip
