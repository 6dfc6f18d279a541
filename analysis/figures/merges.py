"""Who merged whose models, and how often."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.canvas import look
from analysis.canvas.choices import only_point, only_protocol
from analysis.results import Names, Results
from sim.record.errors import ResultError
from sim.record.rows import CLIENT, FINISHED

_MOST_COUNTED = 16
_HEIGHT_IN = 5.0
_CELL_PT, _LEAST_PT = 17.0, 5.0
"""The letters that a square takes, of an inch of it; smaller ones nobody reads."""


def merges_data(
    results: Results, *, points: Names | None = None, protocol: str | None = None
) -> pd.DataFrame:
    """A square of merges per run, over the seeds: who merged (rows), whose model (columns).

    `protocol`: the first whose clients merged, if none is named. A client that merged nothing has a
    row of zeros. Raises ResultError if nobody merged: with a server, nobody does.
    """
    point = only_point(results, points)
    protocol = _merging(results, point, protocol)
    trace = results.trace(points=point, protocols=protocol, kinds="merge")
    if trace.empty:
        what = f"no merges in finished runs of {protocol}"
        raise ResultError(f"{results.folder}: {what}; allowed: a protocol whose clients merge")
    pairs = trace[["node", "peers"]].astype({"node": "str"}).explode("peers")
    runs = results.runs
    finished = (runs["point"] == point) & (runs["protocol"] == protocol)
    seeds = int((finished & (runs["status"] == FINISHED)).sum())
    clients = list(results.clients)
    counts = pd.crosstab(pairs["node"], pairs["peers"]) / seeds
    return counts.reindex(index=clients, columns=clients, fill_value=0.0).astype("float64")


def _merging(results: Results, point: str, protocol: str | None) -> str:
    if protocol is None:
        merged = results.trace(points=point, kinds="merge", columns=["protocol"])["protocol"]
        protocol = None if merged.empty else str(merged.min())
    return only_protocol(results, protocol)


@look.looked
def merges(results: Results, *, points: Names | None = None, protocol: str | None = None) -> Figure:
    """A square per pair of clients, darker where there were more merges."""
    point = only_point(results, points)
    protocol = _merging(results, point, protocol)
    found = merges_data(results, points=point, protocol=protocol)
    height_in = min(_HEIGHT_IN, look.page().width_in)
    figure, (axis,) = look.panels(1, height_in=height_in)
    axis.grid(visible=False)
    shown = found.to_numpy()
    image = axis.imshow(shown, cmap="Blues", vmin=0.0)
    names = [name.removeprefix(CLIENT) for name in found.index]
    every = -(-len(names) // _MOST_COUNTED)
    for one in (axis.xaxis, axis.yaxis):
        one.set_ticks(np.arange(0, len(names), every), names[::every])
    size = min(8.0, 80 / len(names), _CELL_PT * height_in / len(names))
    if every == 1 and size >= _LEAST_PT:
        for row, column in np.ndindex(shown.shape):
            value = shown[row, column]
            color = "white" if value > 0.6 * shown.max() else "black"
            axis.text(column, row, f"{value:.3g}", ha="center", va="center", color=color, size=size)
    axis.set_xlabel("client whose model was merged")
    axis.set_ylabel("client that merged it")
    figure.colorbar(image, ax=axis, label="merges per run")
    what = f"who merged whom, {protocol}"
    look.title(figure, results, what, among=[protocol], points=[point])
    return figure
