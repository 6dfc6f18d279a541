"""One run's nodes over a stretch of virtual time: who trained, sent, was down, and merged whom."""

import math
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.figures import look
from analysis.figures.choices import only_point, only_protocol
from analysis.figures.scale import point_name, time_scale
from analysis.metrics import RUN, STATE_KINDS, outages
from analysis.metrics.common import nodes_of
from analysis.results import Names, Results
from sim.record.errors import ResultError

WINDOW_S = 15.0
"""What is shown before and after a crash, or twice from the beginning, if nothing is chosen."""
_MOST_ARROWS = 400
_NODE_COLUMNS = [*RUN, "time_s", "node"]
# An edge would cover what lasts a moment.
_BRIEF = ("send", "receive")


class Bar(NamedTuple):
    """What a state looks like; `bottom` and `height` are parts of a node's row."""

    label: str
    color: str
    hatch: str
    bottom: float
    height: float


BARS = {
    "down": Bar("down", "#C8C8C8", "////", -0.42, 0.84),
    "train": Bar("trains", "#0072B2", "", -0.40, 0.44),
    "train_lost": Bar("trains in vain", "#E69F00", "xxxx", -0.40, 0.44),
    "send": Bar("sends", "#D55E00", "", 0.06, 0.15),
    "receive": Bar("receives", "#009E73", "", 0.23, 0.15),
}
"""By state; what a node sends is below what it does, and what it receives below that."""


def timeline_data(
    results: Results,
    *,
    points: Names | None = None,
    protocol: str | None = None,
    seed: int | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the nodes of one run did, and its merges.

    The first frame: node, `state` (down, train, train_lost, send, receive), start_s, stop_s. The
    second: time_s, `node` that merged, `peer` whose model it was. Raises ResultError if the run
    is not finished.
    """
    run = _run(results, points, protocol, seed)
    scores = results.scores(points=run[0], protocols=run[1], seeds=run[2])
    if scores.empty:
        raise ResultError(f"{results.folder}: {run[1]} seed {run[2]} is not finished")
    trace = results.trace(points=run[0], protocols=run[1], seeds=run[2], kinds=STATE_KINDS)
    down = outages(trace, scores)
    stops = down["recover_s"].fillna(float(scores["time_s"].max()))
    parts = [_part(down["node"], "down", down["crash_s"], stops)]
    for kind, state, who in (
        ("train", "train", "node"),
        ("train_lost", "train_lost", "node"),
        ("transfer", "send", "node"),
        ("transfer", "receive", "peer"),
    ):
        rows = trace[trace["kind"] == kind]
        parts.append(_part(rows[who], state, rows["time_s"], rows["time_s"] + rows["duration_s"]))
    merged = trace.loc[trace["kind"] == "merge", ["time_s", "node", "peers"]]
    pairs = merged.astype({"node": "str"}).explode("peers").rename(columns={"peers": "peer"})
    return pd.concat(parts, ignore_index=True), pairs.reset_index(drop=True)


def _run(
    results: Results, points: Names | None, protocol: str | None, seed: int | None
) -> tuple[str, str, int]:
    chosen = results.seeds[0] if seed is None else int(seed)
    return only_point(results, points), only_protocol(results, protocol), chosen


def _part(nodes: pd.Series, state: str, start_s: pd.Series, stop_s: pd.Series) -> pd.DataFrame:
    columns = {"node": nodes.astype("str"), "state": state, "start_s": start_s, "stop_s": stop_s}
    return pd.DataFrame(columns)


@look.looked
def timeline(
    results: Results,
    *,
    points: Names | None = None,
    protocol: str | None = None,
    seed: int | None = None,
    from_s: float | None = None,
    until_s: float | None = None,
) -> Figure:
    """A row per node, arrows from whose model it was to who merged it.

    The stretch is the 15 s before and after the crash, or the first 30 s, if none is chosen.
    """
    point, name, number = _run(results, points, protocol, seed)
    did, merged = timeline_data(results, points=point, protocol=name, seed=number)
    start_s, stop_s = _stretch(float(results.conditions["crash_s"][point]), from_s, until_s)
    did = did[(did["stop_s"] >= start_s) & (did["start_s"] <= stop_s)]
    merged = merged[merged["time_s"].between(start_s, stop_s)]
    scores = results.scores(points=point, protocols=name, seeds=number, columns=_NODE_COLUMNS)
    nodes = [str(node) for node in nodes_of(scores)["node"]]
    figure, (axis,) = look.panels(1, height_in=0.36 * len(nodes) + 0.6)
    scale = time_scale(stop_s)
    _draw_bars(axis, did, nodes, scale.factor)
    if len(merged) <= _MOST_ARROWS:
        _draw_arrows(axis, merged, nodes, scale.factor)
    axis.set_xlim(start_s * scale.factor, stop_s * scale.factor)
    axis.set_ylim(len(nodes) - 0.4, -0.6)
    axis.set_yticks(range(len(nodes)), [one.replace("_", " ") for one in nodes])
    axis.set_xlabel(scale.label("virtual time"))
    at = f", {point_name(results, point)}" if results.paths else ""
    look.title(figure, results, f"{name}, seed {number}{at}")
    look.legend(figure, _keys(did, merged))
    return figure


def _stretch(crash_s: float, from_s: float | None, until_s: float | None) -> tuple[float, float]:
    middle_s = WINDOW_S if math.isnan(crash_s) else crash_s
    start_s = max(0.0, middle_s - WINDOW_S) if from_s is None else from_s
    stop_s = start_s + 2 * WINDOW_S if until_s is None else until_s
    if not start_s < stop_s:
        raise ResultError(f"until_s: is {stop_s:g}; allowed: more than from_s, {start_s:g}")
    return start_s, stop_s


def _keys(did: pd.DataFrame, merged: pd.DataFrame) -> list[look.Key]:
    present = set(did["state"])
    keys: list[look.Key] = [
        Patch(facecolor=bar.color, hatch=bar.hatch, edgecolor="white", label=bar.label)
        for state, bar in BARS.items()
        if state in present
    ]
    if len(merged) > _MOST_ARROWS:
        keys.append(look.line_key(f"{len(merged)} merges: too many to draw"))
    elif len(merged):
        keys.append(look.line_key("is merged by"))
    return keys


def _draw_bars(axis: Axes, did: pd.DataFrame, nodes: list[str], factor: float) -> None:
    for (node, state), rows in did.groupby(["node", "state"]):
        if node not in nodes:
            continue
        bar, place = BARS[str(state)], nodes.index(str(node))
        spans = zip(
            rows["start_s"] * factor, (rows["stop_s"] - rows["start_s"]) * factor, strict=True
        )
        axis.broken_barh(
            list(spans), (place + bar.bottom, bar.height), facecolors=bar.color,
            edgecolor="white", linewidth=0 if state in _BRIEF else 0.4, hatch=bar.hatch,
            zorder=1 if state == "down" else 2,
        )  # fmt: skip


def _draw_arrows(axis: Axes, merged: pd.DataFrame, nodes: list[str], factor: float) -> None:
    for time_s, node, peer in merged[["time_s", "node", "peer"]].itertuples(index=False, name=None):
        at = time_s * factor
        axis.annotate(
            "", (at, nodes.index(node)), (at, nodes.index(peer)), annotation_clip=True,
            arrowprops={"arrowstyle": "->", "color": "black", "linewidth": 0.5, "alpha": 0.6,
                        "shrinkA": 0, "shrinkB": 0, "mutation_scale": 7},
        )  # fmt: skip
