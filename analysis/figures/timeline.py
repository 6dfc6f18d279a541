"""One run's nodes over a stretch of virtual time: who trained, sent, was down, and merged whom."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.canvas import look
from analysis.canvas import struck as bars
from analysis.canvas.choices import only_point, only_protocol
from analysis.canvas.scale import Scale, time_scale
from analysis.disturbances import DOWN, disturbances
from analysis.metrics import RUN, STATE_KINDS, outages
from analysis.metrics.common import is_client, nodes_of
from analysis.results import Names, Results
from sim.record.errors import ResultError
from sim.record.rows import is_server

WINDOW_S = 15.0
"""What is shown before and after a crash, or twice from the beginning, if nothing is chosen."""
_MOST_ARROWS = 400
_NODE_COLUMNS = [*RUN, "time_s", "node"]
_KINDS = (*STATE_KINDS, "ping")
_BEFORE_TRAINING = ("ping", "merge", "receive")
_ALONE = ("train", "train_lost", "recover")
LOST, _LOST_MARK = "send_lost", "x"
"""What is lost at once has no length, so its end is marked."""
# An edge would cover what lasts a moment.
_BRIEF = ("send", "receive", LOST)


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
    LOST: Bar("sends in vain", "#E6007E", "", 0.06, 0.15),
    "open": Bar("under way at the end", "#9CC7E4", "....", -0.40, 0.44),
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

    The first frame: node, `state` (down, train, train_lost, send, receive, send_lost, open),
    start_s, stop_s.
    `open` is a local round that the run's end cut off, of which the trace has nothing: see
    `_under_way`. The server's outages are there under a protocol without one, too, if another has
    met them. The second: time_s, `node` that merged, `peer` whose model it was. Raises ResultError
    if the run is not finished.
    """
    run = _run(results, points, protocol, seed)
    scores = results.scores(points=run[0], protocols=run[1], seeds=run[2])
    if scores.empty:
        raise ResultError(f"{results.folder}: {run[1]} seed {run[2]} is not finished")
    trace = results.trace(points=run[0], protocols=run[1], seeds=run[2], kinds=_KINDS)
    end_s = float(scores["time_s"].max())
    struck = disturbances(results, run[0], seeds=run[2])
    # What struck a server after this run's end, another may have met.
    served = struck[(struck["kind"] == "server_down") & (struck["start_s"] < end_s)]
    own = outages(trace, scores).rename(columns={"crash_s": "start_s", "recover_s": "stop_s"})
    own = own[is_client(own["node"])]
    parts = [
        _part(one["node"], "down", one["start_s"], one["stop_s"].fillna(end_s).clip(upper=end_s))
        for one in (served, own)
    ]
    for kind, state, who in (
        ("train", "train", "node"),
        ("train_lost", "train_lost", "node"),
        ("transfer", "send", "node"),
        ("transfer", "receive", "peer"),
        ("transfer_lost", LOST, "node"),
    ):
        rows = trace[trace["kind"] == kind]
        parts.append(_part(rows[who], state, rows["time_s"], rows["time_s"] + rows["duration_s"]))
    parts.append(_under_way(trace, scores, end_s))
    merged = trace.loc[trace["kind"] == "merge", ["time_s", "node", "peers"]]
    pairs = merged.astype({"node": "str"}).explode("peers").rename(columns={"peers": "peer"})
    return pd.concat(parts, ignore_index=True), pairs.reset_index(drop=True)


def servers_without_scores(did: pd.DataFrame, scored: list[str]) -> list[str]:
    """The servers that `timeline_data` tells of and that are not among the `scored` nodes."""
    return sorted(name for name in did["node"].unique() if is_server(name) and name not in scored)


def _under_way(trace: pd.DataFrame, scores: pd.DataFrame, end_s: float) -> pd.DataFrame:
    """The local rounds that the end cut off, from each client's last act on.

    A client that is up and has asked, merged or received since its last round is in the next one;
    one that never does any of these trains without a pause.
    """
    nodes = scores.loc[is_client(scores["node"]), "node"].astype("str").unique()
    own = trace.assign(who=trace["node"].astype("str"), end_s=trace["time_s"] + trace["duration_s"])
    received = own[own["kind"] == "transfer"].assign(who=own["peer"].astype("str"), kind="receive")
    acts = pd.concat([own[own["kind"] != "transfer"], received])
    acts = acts[acts["who"].isin(nodes)].sort_values("end_s", kind="stable")
    talks = not acts[acts["kind"].isin(_BEFORE_TRAINING)].empty
    last = acts.drop_duplicates("who", keep="last")
    begun = last[last["kind"].isin(_BEFORE_TRAINING if talks else _ALONE)]
    begun = begun[begun["end_s"] < end_s]
    return _part(
        begun["who"], "open", begun["end_s"], begun["end_s"].where(begun["end_s"].isna(), end_s)
    )


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

    `from_s`, `until_s`: the stretch that is shown, virtual times; the 15 s before and after the
    crash, or the first 30 s, if neither is chosen. The server has a row, and what it went through,
    also under a protocol without one.
    """
    point, name, number = _run(results, points, protocol, seed)
    did, merged = timeline_data(results, points=point, protocol=name, seed=number)
    scores = results.scores(points=point, protocols=name, seeds=number, columns=_NODE_COLUMNS)
    end_s = float(scores["time_s"].max())
    crash_s = float(results.conditions["crash_s"][point])
    start_s, stop_s = _stretch(crash_s, end_s, from_s, until_s)
    used = [*scores["node"].astype("str"), *did.loc[did["state"] != "down", "node"]]
    did = did[(did["stop_s"] >= start_s) & (did["start_s"] <= stop_s)]
    merged = merged[merged["time_s"].between(start_s, stop_s)]
    nodes = [str(node) for node in nodes_of(scores)["node"]]
    nodes += servers_without_scores(did, nodes)
    figure, (axis,) = look.panels(1, height_in=0.36 * len(nodes) + 0.6)
    scale = time_scale(stop_s)
    _draw_bars(axis, did, nodes, scale.factor)
    if len(merged) <= _MOST_ARROWS:
        _draw_arrows(axis, merged, nodes, scale.factor)
    axis.set_xlim(start_s * scale.factor, stop_s * scale.factor)
    struck = _within(disturbances(results, point, seeds=number), start_s, stop_s)
    bars.draw(axis, struck, stop_s, scale.factor)
    bars.put_title(axis, "", struck)
    axis.set_ylim(len(nodes) - 0.4, -0.6)
    axis.set_yticks(range(len(nodes)), [_row_name(one, used) for one in nodes])
    axis.set_xlabel(scale.label("virtual time"))
    what = f"{name}, {_said(start_s, stop_s, end_s, scale)}"
    look.title(figure, results, what, seeds=[number], among=[name], points=[point])
    look.legend(figure, [*_keys(did, merged), *bars.keys(struck)])
    return figure


def _within(struck: pd.DataFrame, start_s: float, stop_s: float) -> pd.DataFrame:
    """What of it has no place in a node's row, cut off at the window's ends."""
    found = struck[~struck["kind"].isin(list(DOWN))]
    stops = found["stop_s"].fillna(stop_s).clip(upper=stop_s)
    found = found.assign(start_s=found["start_s"].clip(lower=start_s), stop_s=stops)
    return found[found["start_s"] <= found["stop_s"]]


def _stretch(
    crash_s: float, end_s: float, from_s: float | None, until_s: float | None
) -> tuple[float, float]:
    """Until the run's end, if only the beginning is chosen, and the other way round."""
    middle_s = WINDOW_S if math.isnan(crash_s) else crash_s
    is_open = from_s is None and until_s is None
    start_s = from_s if from_s is not None else max(0.0, middle_s - WINDOW_S) if is_open else 0.0
    stop_s = until_s if until_s is not None else start_s + 2 * WINDOW_S if is_open else end_s
    stop_s = min(stop_s, end_s)
    if not start_s < stop_s:
        what = f"--from {start_s:g} s, --to {stop_s:g} s: show nothing of the run"
        raise ResultError(f"{what}; allowed: --from before --to, within 0 s to {end_s:g} s")
    return start_s, stop_s


def _said(start_s: float, stop_s: float, end_s: float, scale: Scale) -> str:
    """Which window of the whole is shown."""
    start, stop, end = (f"{one * scale.factor:.4g}" for one in (start_s, stop_s, end_s))
    return f"from {start} to {stop} {scale.unit} of {end} {scale.unit} of virtual time"


def _row_name(node: str, used: Sequence[str]) -> str:
    """A row that only tells what befell a node says so."""
    return node.replace("_", " ") + ("" if node in used else "\n(not used)")


def _keys(did: pd.DataFrame, merged: pd.DataFrame) -> list[look.Key]:
    present = set(did["state"])
    keys: list[look.Key] = [
        Patch(facecolor=bar.color, hatch=bar.hatch, edgecolor="white", label=bar.label)
        for state, bar in BARS.items()
        if state in present and state != LOST
    ]
    if LOST in present:
        keys.append(look.mark_key(BARS[LOST].label, _LOST_MARK, BARS[LOST].color))
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
        if state == LOST:
            height = place + bar.bottom + bar.height / 2
            ends = (rows["stop_s"] * factor).to_numpy()
            axis.plot(ends, [height] * len(ends), color=bar.color, linestyle="", marker=_LOST_MARK)


def _draw_arrows(axis: Axes, merged: pd.DataFrame, nodes: list[str], factor: float) -> None:
    for time_s, node, peer in merged[["time_s", "node", "peer"]].itertuples(index=False, name=None):
        at = time_s * factor
        axis.annotate(
            "", (at, nodes.index(node)), (at, nodes.index(peer)), annotation_clip=True,
            arrowprops={"arrowstyle": "->", "color": "black", "linewidth": 0.5, "alpha": 0.6,
                        "shrinkA": 0, "shrinkB": 0, "mutation_scale": 7},
        )  # fmt: skip
