"""One run's nodes over a stretch of virtual time: who trained, sent, was down, and merged whom."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.canvas import look
from analysis.canvas import struck as bars
from analysis.canvas.choices import only_point, only_protocol
from analysis.canvas.scale import Scale, time_scale
from analysis.disturbances import DOWN, Groups, disturbances, together
from analysis.metrics import RUN, STATE_KINDS, SUSPICION_KINDS, outages, presence, suspicions
from analysis.metrics.common import is_client, nodes_of
from analysis.results import Names, Results
from sim.record.errors import ResultError
from sim.record.rows import is_server

WINDOW_S, WINDOW_SHARE = 15.0, 1 / 240
"""What is shown before and after a crash, or twice from the beginning, if nothing is chosen: so
long, and of long runs that share."""
_MOST_ARROWS = 400
_MOST_FACTORS = 60
_NODE_COLUMNS = [*RUN, "time_s", "node"]
_ACTS = (*STATE_KINDS, "ping")
_KINDS = tuple(dict.fromkeys((*_ACTS, *SUSPICION_KINDS, "lead", "abort")))
_BEFORE_TRAINING = ("ping", "merge", "receive")
_ALONE = ("train", "train_lost", "recover", "join")
LOST = "send_lost"
"""What is lost at once has no length, so its end is marked."""
SUSPECTED, WRONGLY = "suspected", "suspected_up"
"""By some of the others, while it was down, and while it wasn't."""
BEFALLEN = frozenset(("down", "absent", "degraded", "join", "leave", SUSPECTED, WRONGLY))
"""States that are none of what a node does itself."""
# An edge would cover what lasts a moment.
_BRIEF = ("send", "receive", LOST, SUSPECTED, WRONGLY)
_PALEST = 0.3


class Bar(NamedTuple):
    """What a state looks like; `bottom` and `height` are parts of a node's row.

    `marker`: of what takes no time, or is marked at its end.
    """

    label: str
    color: str
    hatch: str
    bottom: float
    height: float
    marker: str = ""
    edge: str = "white"


BARS = {
    "degraded": Bar("links slower", "#CFE3E6", "", -0.42, 0.84),
    "absent": Bar("not there", "#FFFFFF", "\\\\\\", -0.42, 0.84, edge="#D4D4D4"),
    "down": Bar("down", "#C8C8C8", "////", -0.42, 0.84),
    "train": Bar("trains", "#0072B2", "", -0.40, 0.44),
    "train_lost": Bar("trains in vain", "#E69F00", "xxxx", -0.40, 0.44),
    "send": Bar("sends", "#D55E00", "", 0.06, 0.15),
    "receive": Bar("receives", "#009E73", "", 0.23, 0.15),
    LOST: Bar("sends in vain", "#E6007E", "", 0.06, 0.15, "x"),
    "open": Bar("under way at the end", "#9CC7E4", "....", -0.40, 0.44),
    SUSPECTED: Bar("rightly suspected", "#3A3A3A", "", 0.43, 0.13),
    WRONGLY: Bar("wrongly suspected", "#B2182B", "", 0.43, 0.13),
    "join": Bar("joins", "#1B7837", "", -0.42, 0.84, ">"),
    "leave": Bar("leaves", "#1B7837", "", -0.42, 0.84, "<"),
    "lead": Bar("is elected", "#222222", "", -0.42, 0.84, "*"),
    "abort": Bar("ends the job", "#222222", "", -0.42, 0.84, "X"),
}
"""By state; what a node sends is below what it does, what it receives below that, and below all
what others believe of it."""
DARKER = "suspected: the darker, the more of the others believe that it is down"
TOGETHER = Bar("fail together", "#8C564B", "", 0.0, 0.0)
"""How those are joined whom one cause took down at one instant."""


def timeline_data(
    results: Results,
    *,
    points: Names | None = None,
    protocol: str | None = None,
    seed: int | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the nodes of one run did and bore, and its merges.

    The first frame: node, `state` (of `BARS`), start_s, stop_s, `amount`: of suspected the share of
    the other nodes that believed it, of degraded how many times longer a transfer took, else 1.
    `absent` is who has not joined yet, or has left; `open` a local round that the run's end cut
    off, of which the trace has nothing: see `_under_way`. The server's outages are there under a
    protocol without one, too, if another has met them. The second: time_s, `node` that merged,
    `peer` whose model it was. Raises ResultError if the run is not finished.
    """
    run = _run(results, points, protocol, seed)
    scores = results.scores(points=run[0], protocols=run[1], seeds=run[2])
    if scores.empty:
        raise ResultError(f"{results.folder}: {run[1]} seed {run[2]} is not finished")
    kinds = results.told(_KINDS) or _KINDS  # Of those of no use to it, it says so.
    trace = results.trace(points=run[0], protocols=run[1], seeds=run[2], kinds=kinds)
    end_s = float(scores["time_s"].max())
    struck = disturbances(results, run[0], seeds=run[2])
    acts = trace[trace["kind"].isin(list(_ACTS))]
    parts = [
        *_not_up(trace, scores, struck, end_s),
        *_did(trace),
        _under_way(acts, scores, end_s),
        *_believed(trace, scores),
        _of_links(struck, end_s),
    ]
    merged = trace.loc[trace["kind"] == "merge", ["time_s", "node", "peers"]]
    pairs = merged.astype({"node": "str"}).explode("peers").rename(columns={"peers": "peer"})
    return pd.concat(parts, ignore_index=True), pairs.reset_index(drop=True)


def _not_up(
    trace: pd.DataFrame, scores: pd.DataFrame, struck: pd.DataFrame, end_s: float
) -> Iterator[pd.DataFrame]:
    """When nodes were down, or not there."""
    # What struck a server after this run's end, another may have met.
    served = struck[(struck["kind"] == "server_down") & (struck["start_s"] < end_s)]
    stops_s = served["stop_s"].fillna(end_s).clip(upper=end_s)
    yield _part(served["node"], "down", served["start_s"], stops_s)
    own = outages(trace, scores)
    own = own[is_client(own["node"])]
    for state, rows in (("down", own[~own["left"]]), ("absent", own[own["left"]])):
        yield _part(rows["node"], state, rows["crash_s"], rows["stop_s"].fillna(end_s))
    late = presence(trace, scores).query("from_s > 0")
    yield _part(late["node"], "absent", 0.0 * late["from_s"], late["from_s"])


def _did(trace: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for kind, state, who in (
        ("train", "train", "node"),
        ("train_lost", "train_lost", "node"),
        ("transfer", "send", "node"),
        ("transfer", "receive", "peer"),
        ("transfer_lost", LOST, "node"),
        ("lead", "lead", "node"),
    ):
        rows = trace[trace["kind"] == kind]
        yield _part(rows[who], state, rows["time_s"], rows["time_s"] + rows["duration_s"])
    for kind in ("join", "leave", "abort"):
        rows = trace[trace["kind"] == kind]
        yield _part(rows["node"], kind, rows["time_s"], rows["time_s"])


def _believed(trace: pd.DataFrame, scores: pd.DataFrame) -> Iterator[pd.DataFrame]:
    found = suspicions(trace, scores)
    for state, rows in ((SUSPECTED, found[found["is_down"]]), (WRONGLY, found[~found["is_down"]])):
        part = _part(rows["node"], state, rows["start_s"], rows["stop_s"])
        yield part.assign(amount=rows["share"])


def _of_links(struck: pd.DataFrame, end_s: float) -> pd.DataFrame:
    rows = struck[(struck["kind"] == "degraded") & (struck["start_s"] < end_s)]
    stops_s = rows["stop_s"].fillna(end_s).clip(upper=end_s)
    part = _part(rows["node"], "degraded", rows["start_s"], stops_s)
    return part.assign(amount=rows["factor"])


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
    told = {"node": nodes.astype("str"), "state": state, "start_s": start_s, "stop_s": stop_s}
    return pd.DataFrame(told | {"amount": 1.0})


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
    """A row per scored node, arrows from whose model it was to who merged it.

    `from_s`, `until_s`: the stretch that is shown, virtual times; 15 s before and after the
    crash, or the first join or leave, or the first 30 s, if neither is chosen, and more of runs
    over an hour. The server has a row, and what it went through, also under a protocol without
    one.
    """
    point, name, number = _run(results, points, protocol, seed)
    did, merged = timeline_data(results, points=point, protocol=name, seed=number)
    scores = results.scores(points=point, protocols=name, seeds=number, columns=_NODE_COLUMNS)
    end_s = float(scores["time_s"].max())
    moves_s = did.loc[did["state"].isin(["join", "leave"]), "start_s"]
    crash_s = float(results.conditions["crash_s"][point])
    middle_s = moves_s.min() if math.isnan(crash_s) else crash_s
    start_s, stop_s = _stretch(middle_s, end_s, from_s, until_s)
    used = [*scores["node"].astype("str"), *did.loc[~did["state"].isin(BEFALLEN), "node"]]
    did = did[(did["stop_s"] >= start_s) & (did["start_s"] <= stop_s)]
    merged = merged[merged["time_s"].between(start_s, stop_s)]
    nodes = [str(node) for node in nodes_of(scores)["node"]]
    nodes += servers_without_scores(did, nodes)
    # Of clients that nobody scores there are no rows.
    did = did[did["node"].isin(nodes)]
    merged = merged[merged["node"].isin(nodes) & merged["peer"].isin(nodes)]
    figure, (axis,) = look.panels(1, height_in=0.36 * len(nodes) + 0.6)
    scale = time_scale(stop_s)
    all_struck = disturbances(results, point, seeds=number)
    groups = [one for one in together(all_struck) if start_s <= one[0] <= stop_s]
    axis.set_xlim(start_s * scale.factor, stop_s * scale.factor)
    _draw_bars(axis, did, nodes, scale.factor)
    _draw_groups(axis, groups, nodes, scale.factor)
    _write_factors(axis, did, nodes, scale.factor)
    if len(merged) <= _MOST_ARROWS:
        _draw_arrows(axis, merged, nodes, scale.factor)
    struck = _within(all_struck, start_s, stop_s)
    bars.draw(axis, struck, stop_s, scale.factor)
    bars.put_title(axis, "", struck)
    axis.set_ylim(len(nodes) - 0.4, -0.6)
    axis.set_yticks(range(len(nodes)), [_row_name(one, used) for one in nodes])
    axis.set_xlabel(scale.label("virtual time"))
    what = f"{name}, {_said(start_s, stop_s, end_s, scale)}"
    said = [DARKER] if did["state"].isin([SUSPECTED, WRONGLY]).any() else []
    look.title(figure, results, what, seeds=[number], among=[name], points=[point], said=said)
    look.legend(figure, [*_keys(did, merged, groups), *bars.keys(struck)])
    return figure


def _within(struck: pd.DataFrame, start_s: float, stop_s: float) -> pd.DataFrame:
    """What of it has no place in a node's row, cut off at the window's ends."""
    found = struck[~struck["kind"].isin([*DOWN, "degraded"])]
    stops = found["stop_s"].fillna(stop_s).clip(upper=stop_s)
    found = found.assign(start_s=found["start_s"].clip(lower=start_s), stop_s=stops)
    return found[found["start_s"] <= found["stop_s"]]


def _stretch(
    middle_s: float, end_s: float, from_s: float | None, until_s: float | None
) -> tuple[float, float]:
    """Until the run's end, if only the beginning is chosen, and the other way round."""
    around_s = max(WINDOW_S, WINDOW_SHARE * end_s)
    middle_s = around_s if math.isnan(middle_s) else middle_s
    is_open = from_s is None and until_s is None
    start_s = from_s if from_s is not None else max(0.0, middle_s - around_s) if is_open else 0.0
    stop_s = until_s if until_s is not None else start_s + 2 * around_s if is_open else end_s
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


def _keys(did: pd.DataFrame, merged: pd.DataFrame, groups: Groups) -> list[look.Key]:
    present = set(did["state"])
    shown = [bar for state, bar in BARS.items() if state in present]
    keys: list[look.Key] = [
        Patch(facecolor=bar.color, hatch=bar.hatch, edgecolor=bar.edge, label=bar.label)
        for bar in shown
        if not bar.marker
    ]
    keys += [look.mark_key(bar.label, bar.marker, bar.color) for bar in shown if bar.marker]
    if len(merged) > _MOST_ARROWS:
        keys.append(look.line_key(f"{len(merged)} merges: too many to draw"))
    elif len(merged):
        keys.append(look.line_key("is merged by"))
    if groups:
        keys.append(look.line_key(TOGETHER.label, marker="o", color=TOGETHER.color))
    return keys


def _draw_bars(axis: Axes, did: pd.DataFrame, nodes: list[str], factor: float) -> None:
    for (node, state), rows in did[did["node"].isin(nodes)].groupby(["node", "state"]):
        bar, place = BARS[str(state)], nodes.index(str(node))
        spans = zip(
            rows["start_s"] * factor, (rows["stop_s"] - rows["start_s"]) * factor, strict=True
        )
        if bar.marker:
            height = place + bar.bottom + bar.height / 2
            ends = (rows["stop_s"] * factor).to_numpy()
            axis.plot(
                ends, [height] * len(ends), color=bar.color, linestyle="", marker=bar.marker,
                markeredgecolor=bar.color if bar.marker == "x" else "white", markeredgewidth=0.6,
                markersize=4.5 if bar.marker == "x" else 7.0, zorder=4,
            )  # fmt: skip
        if not bar.marker or state == LOST:
            axis.broken_barh(
                list(spans), (place + bar.bottom, bar.height), facecolors=_colors(str(state), rows),
                edgecolor=bar.edge, linewidth=0 if state in _BRIEF else 0.4, hatch=bar.hatch,
                zorder=_LAYERS.get(str(state), 2.0),
            )  # fmt: skip


_LAYERS = {"degraded": 0.5, "absent": 1.0, "down": 1.0}


def _colors(state: str, rows: pd.DataFrame) -> list[tuple[float, float, float, float]] | str:
    """Of what is more or less so the darker, the more."""
    color = BARS[state].color
    if state not in (SUSPECTED, WRONGLY):
        return color
    return [to_rgba(color, shade(share)) for share in rows["amount"]]


def shade(share: float) -> float:
    """How dark a bar is, from 0 to 1; what is there at all can be seen."""
    return _PALEST + (1 - _PALEST) * share


def _write_factors(axis: Axes, did: pd.DataFrame, nodes: list[str], factor: float) -> None:
    """How many times slower links are, where that begins or the stretch does, if it is seldom."""
    rows = did[(did["state"] == "degraded") & (did["amount"] > 1) & did["node"].isin(nodes)]
    if len(rows) > _MOST_FACTORS:
        return
    starts = (rows["start_s"] * factor).clip(lower=axis.get_xlim()[0])
    for node, start, times in zip(rows["node"], starts, rows["amount"], strict=True):
        axis.annotate(
            f"×{times:.3g}", (start, nodes.index(node) + BARS["degraded"].height / 2), (2, 1),
            textcoords="offset points", fontsize="x-small", color="#2F5257", zorder=5,
        )  # fmt: skip


def _draw_groups(axis: Axes, groups: Groups, nodes: list[str], factor: float) -> None:
    """Who went down by one cause at one instant, joined."""
    for time_s, members in groups:
        places = sorted(nodes.index(one) for one in members if one in nodes)
        axis.plot(
            [time_s * factor] * len(places), places, color=TOGETHER.color, linewidth=1.0,
            marker="o", markersize=3.0, zorder=3,
        )  # fmt: skip


def _draw_arrows(axis: Axes, merged: pd.DataFrame, nodes: list[str], factor: float) -> None:
    for time_s, node, peer in merged[["time_s", "node", "peer"]].itertuples(index=False, name=None):
        at = time_s * factor
        axis.annotate(
            "", (at, nodes.index(node)), (at, nodes.index(peer)), annotation_clip=True,
            arrowprops={"arrowstyle": "->", "color": "black", "linewidth": 0.5, "alpha": 0.6,
                        "shrinkA": 0, "shrinkB": 0, "mutation_scale": 7},
        )  # fmt: skip
