"""How nodes spend their time, when they are down, and when they are at work again."""

import numpy as np
import pandas as pd

from analysis.metrics.common import (
    RUN,
    Floats,
    PerPoint,
    check_trace,
    ended_s,
    first,
    index_of,
    is_client,
    nodes_of,
    per_point,
    runs_of,
)
from analysis.metrics.presence import presence
from sim.record.rows import SERVER, is_server

OUTAGE_KINDS = ("crash", "leave", "recover")
"""What `outages` needs of a trace."""
STATE_KINDS = ("train", "train_lost", "merge", "transfer", "transfer_lost", "join", *OUTAGE_KINDS)
"""What `time_by_state` needs of a trace."""
RECOVERY_KINDS = (*OUTAGE_KINDS, "train", "round")
"""What `recovery_of_nodes` needs of a trace."""
_OUTAGE = ["crash_s", "stop_s", "recover_s", "down_s", "recovered", "left"]
_COMPUTING = ["train", "train_lost", "merge"]
_TALKING = ["transfer", "transfer_lost"]
SHARES = ("computing", "communicating", "waiting", "down")
"""The columns of `time_shares`."""
_STATES = ["down", "computing", "communicating"]
"""In this order one hides the next; what is left is idle."""


def outages(trace: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Every time that a node was down, or had left.

    `trace`: with the kinds of `OUTAGE_KINDS`, and cause; `scores` tells the nodes, but for the
    standbys, and the ends.

    Columns: point, protocol, seed, node; `fault`, which brought it down first, or made it leave;
    `crash_s`; `stop_s`, when it came back, or left, and `recover_s`, the same if it came back
    (virtual times; NaN where it did not); `down_s`, until then or the run's end; `recovered`;
    `left`, whether it had left. Sorted by run, node and time. Who hasn't joined yet isn't down.
    """
    check_trace(trace, scores, OUTAGE_KINDS, ["cause"])
    rows = trace[trace["kind"].isin(list(OUTAGE_KINDS))]
    servers = rows.loc[_of_servers(rows), [*RUN, "node"]].merge(runs_of(scores), on=RUN)
    nodes = pd.concat([nodes_of(scores), servers]).drop_duplicates([*RUN, "node"])
    nodes = nodes.sort_values([*RUN, "node"], ignore_index=True)
    rows = rows.assign(place=index_of(rows, nodes, [*RUN, "node"]))
    rows = rows[rows["place"] >= 0].sort_values(["place", "time_s"], kind="stable")
    # A node that is down does not crash again, but it may leave, once.
    ends, leaves = rows["kind"] == "recover", rows["kind"] == "leave"
    has_left = leaves.groupby(rows["place"]).cumsum() > leaves
    rows = rows[(ends | leaves | ends.groupby(rows["place"]).shift(fill_value=True)) & ~has_left]
    # So the next row of each beginning is its end.
    after = rows.groupby("place")[["time_s", "kind"]].shift(-1)
    begins = (rows["kind"] != "recover").to_numpy()
    found = nodes.iloc[rows["place"][begins]].reset_index(drop=True)
    found["fault"] = rows["cause"][begins].astype("str").to_numpy()
    found["crash_s"] = rows["time_s"][begins].to_numpy()
    found["stop_s"] = after["time_s"][begins].to_numpy()
    found["recovered"] = (after["kind"][begins] == "recover").to_numpy()
    found["recover_s"] = found["stop_s"].where(found["recovered"])
    found["down_s"] = found["stop_s"].fillna(found["end_s"]) - found["crash_s"]
    found["left"] = (rows["kind"][begins] == "leave").to_numpy()
    return found[[*RUN, "node", "fault", *_OUTAGE]]


def _of_servers(rows: pd.DataFrame) -> pd.Series:
    """Whether the node of each row is a server."""
    return rows["node"].map(is_server).astype("bool")


def time_by_state(
    trace: pd.DataFrame, scores: pd.DataFrame, *, until_s: PerPoint | None = None
) -> pd.DataFrame:
    """How long each node was in each state while it was a member, to `until_s` at most.

    From 0, or when it joined, to the run's end, or when it left.

    `trace`: with the kinds of `STATE_KINDS`, and peer; `scores` tells the nodes and the ends, and
    by `member` who never joined.

    At each instant a node is in the first of these states that fits. *Down*: a fault holds it.
    *Computing*: it trains or merges, even if that is lost later. *Communicating*: a model is on its
    way from it or to it, from the moment it is sent until it arrives or is given up, latency
    included. *Idle*: it is up and does neither. Waiting for others' answers is idle: pings and
    requests take no bandwidth. A server's aggregation has no row in the trace, so it counts as
    idle or, as models come and go, as communicating.

    The trace has what has ended. What is under way at the end of a run is not in it and would count
    as idle, at most a local round or a transfer per client; with an `until_s` that lies a longest
    round before the end, nothing is missed.

    Columns: point, protocol, seed, node; `span_s`; `down_s`, `up_s`, which add up to it;
    `computing_s`, `communicating_s`, `idle_s`, which add up to up_s; `idle_share` of up_s, NaN for
    a node that was never up.
    """
    check_trace(trace, scores, STATE_KINDS, ["peer"])
    nodes = presence(trace.assign(cause=""), scores)
    end_s = nodes["until_s"].to_numpy(np.float64)
    if until_s is not None:
        end_s = np.minimum(end_s, per_point(nodes["point"], until_s, "until_s"))
    begin_s = np.minimum(nodes["from_s"].to_numpy(np.float64), end_s)
    spent = _spent(_intervals(trace, scores, nodes), begin_s, end_s)
    found = nodes[[*RUN, "node"]].assign(span_s=end_s - begin_s, down_s=spent[:, 0])
    found["up_s"] = found["span_s"] - found["down_s"]
    found["computing_s"], found["communicating_s"] = spent[:, 1], spent[:, 2]
    busy_s = found["computing_s"] + found["communicating_s"]
    # The states cover each instant once; what rounding leaves below zero is zero.
    found["idle_s"] = np.maximum(found["up_s"] - busy_s, 0.0)
    found["idle_share"] = found["idle_s"] / found["up_s"].where(found["up_s"] > 0)
    return found


def time_shares(
    trace: pd.DataFrame, scores: pd.DataFrame, *, until_s: PerPoint | None = None
) -> pd.DataFrame:
    """How the clients of each run spent their time: means over them of the shares of their time.

    Arguments and states as in `time_by_state`; idle is called waiting here, since a client that is
    up and does neither waits for somebody. The pooled machine counts as a client.

    Columns: point, protocol, seed; `computing`, `communicating`, `waiting`, `down`, which add up
    to 1; NaN for a run without length. Who was never there is left out.
    """
    states = time_by_state(trace, scores, until_s=until_s).rename(columns={"idle_s": "waiting_s"})
    states = states[is_client(states["node"])]
    span_s = states["span_s"].where(states["span_s"] > 0)
    shares = states.assign(**{name: states[f"{name}_s"] / span_s for name in SHARES})
    return shares.groupby(RUN, observed=True)[list(SHARES)].mean().reset_index()


def _intervals(trace: pd.DataFrame, scores: pd.DataFrame, nodes: pd.DataFrame) -> pd.DataFrame:
    """`place` (a row of `nodes`), `state` (a place in `_STATES`), `start_s`, `stop_s`."""
    down = outages(trace.assign(cause=""), scores).fillna({"stop_s": np.inf})
    down = down.rename(columns={"crash_s": "start_s"})
    spans = trace.assign(start_s=trace["time_s"], stop_s=ended_s(trace))
    computes = spans[spans["kind"].isin(_COMPUTING)]
    sends = spans[spans["kind"].isin(_TALKING)]
    receives = sends.assign(node=sends["peer"])
    parts = [
        part[[*RUN, "node", "start_s", "stop_s"]].assign(state=state)
        for part, state in ((down, 0), (computes, 1), (sends, 2), (receives, 2))
    ]
    found = pd.concat(parts, ignore_index=True)
    found["place"] = index_of(found, nodes, [*RUN, "node"])
    return found[found["place"] >= 0]


def _spent(intervals: pd.DataFrame, begin_s: Floats, end_s: Floats) -> Floats:
    """Seconds that each node [n] spent in each state [n, states], each instant counted once.

    Between `begin_s` [n] and `end_s` [n].

    A sweep along time: at each start a state's depth rises, at each stop it falls; between two
    such instants the first state whose depth isn't zero has the time.
    """
    place = intervals["place"].to_numpy(np.intp)
    starts, stops = (
        np.clip(intervals[name].to_numpy(np.float64), begin_s[place], end_s[place])
        for name in ("start_s", "stop_s")
    )
    places, times = np.concatenate([place, place]), np.concatenate([starts, stops])
    steps = np.zeros((len(times), len(_STATES)), dtype=np.int64)
    state = intervals["state"].to_numpy(np.intp)
    rows = np.arange(len(place))
    steps[rows, state] = 1
    steps[len(place) + rows, state] = -1
    order = np.lexsort((times, places))
    places, times = places[order], times[order]
    # Each node's steps add up to zero, so one sum over all of them starts afresh at each node.
    active = np.cumsum(steps[order], axis=0) > 0
    width_s = np.zeros(len(times))
    width_s[:-1] = np.where(places[1:] == places[:-1], np.diff(times), 0.0)
    spent = np.zeros((len(end_s), len(_STATES)))
    hidden = np.zeros(len(times), dtype=np.bool_)
    for column in range(len(_STATES)):
        shown = active[:, column] & ~hidden
        spent[:, column] = np.bincount(places, np.where(shown, width_s, 0.0), len(end_s))
        hidden |= shown
    return spent


def recovery_of_nodes(trace: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """From each recovery of a node to the end of its next local round.

    Of a server: to that of the next server round, whoever leads in it.

    `trace`: with the kinds of `RECOVERY_KINDS`, and cause; `scores` tells the nodes and the ends.

    Columns: point, protocol, seed, node, `fault`, `crash_s`, `recover_s`; `value`, virtual seconds;
    `reached`. Where `reached` is False the node crashed again, or the run ended, before a round was
    finished: `value` is the time until then. Outages that never ended have no row: see `outages`.
    """
    check_trace(trace, scores, RECOVERY_KINDS, ["cause"])
    keys = [*RUN, "node"]
    all_outages = outages(trace, scores)
    again_s = all_outages.groupby(keys, observed=True)["crash_s"].shift(-1)
    found = all_outages.assign(until_s=again_s).merge(runs_of(scores), on=RUN)
    found["until_s"] = found["until_s"].fillna(found["end_s"])
    found = found[found["recovered"]].reset_index(drop=True)
    served = _of_servers(trace)
    rounds = trace[trace["kind"].to_numpy() == np.where(served, "round", "train")]
    whose = rounds["node"].astype("str").where(~_of_servers(rounds), SERVER)
    rounds = rounds[RUN].assign(whose=whose, time_s=ended_s(rounds))
    whose = found["node"].astype("str").where(~_of_servers(found), SERVER)
    later = found[[*RUN, "recover_s", "until_s"]].assign(whose=whose, outage=found.index)
    later = later.merge(rounds, on=[*RUN, "whose"])
    # What began before the crash ended with it, so what ends after the recovery is its work.
    later = later[(later["time_s"] > later["recover_s"]) & (later["time_s"] <= later["until_s"])]
    done_s = first(later, ["outage"]).set_index("outage")["time_s"].reindex(found.index)
    found["reached"] = done_s.notna()
    found["value"] = done_s.fillna(found["until_s"]) - found["recover_s"]
    return found[[*keys, "fault", "crash_s", "recover_s", "value", "reached"]]
