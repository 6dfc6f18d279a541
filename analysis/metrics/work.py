"""Local rounds and bytes: over virtual time, lost to failures, and scores at equal work."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.metrics.common import (
    CURVE,
    LOOK,
    RUN,
    PerPoint,
    check,
    check_trace,
    ended_s,
    index_of,
    is_client,
    no_later,
    nodes_of,
    per_point,
    runs_of,
    told_alike,
)
from sim.record.errors import ResultError

WORK_KINDS = ("train", "train_lost", "transfer", "look")
"""What `cumulated` needs of a trace; of one that is thinned `look` is enough."""
LOSS_KINDS = ("train", "train_lost", "transfer", "transfer_lost", "message_lost")
"""What `work_lost` and `lost_by_cause` need of a trace."""
_ROUNDING = 1e-9
_LENGTHS = {"local_epochs": "local epochs", "local_steps": "local steps"}
_WHERE = ["point", "seed", "metric"]
_COUNTED = ["local_rounds", "local_rounds_lost", "bytes_received", "bytes_sent"]


def cumulated(
    trace: pd.DataFrame,
    scores: pd.DataFrame,
    *,
    by_node: bool = False,
    epochs_per_round: PerPoint | None = None,
) -> pd.DataFrame:
    """What had been done by each look of each run.

    `trace`: with the kinds of `WORK_KINDS`, and peer, bytes; `scores` tells the runs, nodes and
    looks (any metric will do), so that a node that did nothing has its rows of zeros. What ends at
    the instant of a look is in it. Where the trace tells of looks, the sums are theirs: columns
    round, attempt, asked.

    Columns: point, protocol, seed, time_s; `node` if `by_node`, else the sums over all nodes and
    `clients`, how many learn; `local_rounds` finished, `local_rounds_lost`; `bytes_received` and
    `bytes_sent` of models that were delivered; `local_epochs`, the rounds times
    `epochs_per_round`, if that is given.
    """
    told = trace[trace["kind"] == "look"]
    adds_up = by_node or told.empty
    looks = _added_up(trace, scores, by_node=by_node) if adds_up else _told(told)
    if epochs_per_round is not None:
        each = per_point(looks["point"], epochs_per_round, "epochs_per_round")
        looks["local_epochs"] = looks["local_rounds"] * each
    return looks.sort_values([*RUN, "time_s", *(["node"] if by_node else [])], ignore_index=True)


def _told(looks: pd.DataFrame) -> pd.DataFrame:
    """What the trace's rows of looks say of all nodes."""
    check(looks, [*RUN, "time_s", "asked", "round", "attempt", "bytes"], "trace")
    names = {"asked": "clients", "round": "local_rounds", "bytes": "bytes_received"}
    found = looks[[*RUN, "time_s", *names]].rename(columns=names)
    found["local_rounds_lost"] = looks["attempt"] - looks["round"]
    found["bytes_sent"] = found["bytes_received"]
    columns = ["clients", *_COUNTED]
    return found[[*RUN, "time_s", *columns]].astype(dict.fromkeys(columns, "int64"))


def _added_up(trace: pd.DataFrame, scores: pd.DataFrame, *, by_node: bool) -> pd.DataFrame:
    """The sums of what the trace's rows tell."""
    check_trace(trace, scores, WORK_KINDS, ["peer", "bytes"])
    nodes = nodes_of(scores)
    times = scores[[*RUN, "time_s"]].drop_duplicates()
    looks = nodes.drop(columns="end_s").merge(times, on=RUN)
    looks = looks.assign(place=index_of(looks, nodes, [*RUN, "node"]))
    happened = _happened(trace, nodes)
    both = pd.concat([happened, looks[["place", "time_s"]]], ignore_index=True)
    # Stable, and what happened stands first: a look sees what ends at its instant.
    both = both.sort_values(["place", "time_s"], kind="stable")
    sums = both.fillna(dict.fromkeys(_COUNTED, 0)).groupby("place")[_COUNTED].cumsum()
    looks[_COUNTED] = sums.sort_index().iloc[len(happened) :].to_numpy(np.int64)
    if not by_node:
        learns = looks.assign(clients=is_client(looks["node"]).astype("int64"))
        keys = [*RUN, "time_s"]
        looks = learns.groupby(keys, observed=True)[["clients", *_COUNTED]].sum().reset_index()
    return looks.drop(columns="place", errors="ignore")


def _happened(trace: pd.DataFrame, nodes: pd.DataFrame) -> pd.DataFrame:
    """`place` (a row of `nodes`), `time_s` when it ended, and what it adds to what is counted."""
    ended = trace.assign(time_s=no_later(ended_s(trace)), one=1)
    parts = []
    for kind, whose, amount, counted in (
        ("train", "node", "one", "local_rounds"),
        ("train_lost", "node", "one", "local_rounds_lost"),
        ("transfer", "peer", "bytes", "bytes_received"),
        ("transfer", "node", "bytes", "bytes_sent"),
    ):
        rows = ended.loc[ended["kind"] == kind, [*RUN, whose, "time_s", amount]]
        rows = rows.rename(columns={whose: "node", amount: counted})
        parts.append(rows.assign(place=index_of(rows, nodes, [*RUN, "node"])))
    found = pd.concat(parts, ignore_index=True).reindex(columns=["place", "time_s", *_COUNTED])
    return found[found["place"] >= 0].astype("float64").reset_index(drop=True)


def epochs_per_round(settings: Mapping[str, Any]) -> float:
    """Passes over a client's data in one local round.

    Raises ResultError if rounds are in steps, or of a length of its own under some protocol.
    """
    for name, protocol in settings.get("protocols", {}).items():
        if {"local_epochs", "local_steps"} & protocol.get("training", {}).keys():
            raise ResultError(f"protocols.{name}.training: has a length of rounds of its own")
    epochs = settings.get("training", {}).get("local_epochs")
    if epochs is None:
        raise ResultError("training: counts in local_steps, so clients differ in epochs per round")
    return float(epochs)


def round_lengths(settings: Mapping[str, Any]) -> tuple[str, dict[str, float]]:
    """In what local work is counted, and how much of it one local round of each protocol is.

    Local epochs or steps if all protocols count their rounds in the same, else local rounds.
    """
    common = settings.get("training", {})
    told = {}
    for name, protocol in settings["protocols"].items():
        own = protocol.get("training", {})
        # One of the two lengths takes the place of the other.
        lengths = own if set(own) & set(_LENGTHS) else common
        told[name] = {length: lengths.get(length) for length in _LENGTHS}
    for length, unit in _LENGTHS.items():
        if all(lengths[length] is not None for lengths in told.values()):
            return unit, {name: float(lengths[length]) for name, lengths in told.items()}
    return "local rounds", dict.fromkeys(told, 1.0)


def with_work(over_time: pd.DataFrame, work: pd.DataFrame) -> pd.DataFrame:
    """`over_time` with the columns of `work`, as `cumulated` gives it for whole runs.

    Raises ResultError if `work` is by node, or lacks a look of `over_time`.
    """
    keys = [name for name in LOOK if name != "metric"]
    check(over_time, LOOK, "over_time")
    check(work, keys, "work")
    if work.duplicated(keys).any():
        raise ResultError("work: has several rows of one look; allowed: one, of the whole run")
    if (index_of(over_time, work, keys) < 0).any():
        raise ResultError("work: lacks looks of over_time; allowed: work of the same runs")
    # Both tell how many clients there are; of survivors, over_time knows better.
    told = [name for name in work if name in over_time and name not in keys]
    return told_alike(over_time.merge(work.drop(columns=told), on=keys, how="left"), over_time)


def at_equal_work(
    over_time: pd.DataFrame, columns: Sequence[str], *, work: str = "local_rounds"
) -> pd.DataFrame:
    """Each curve's `columns` where its client had done the work that all curves came to.

    `over_time`: curves with the columns of `with_work`; `work`: local_rounds or local_epochs, of
    which a curve's amount is its mean over clients. The work compared at is, for each point, seed
    and metric, that of the curve which did least in all; between two looks scores are interpolated
    linearly. Curves of all protocols in the frame count: leave out those not to be compared.

    Columns: point, protocol, seed, metric, `work` (per client), `time_s` by when it was done, and
    `columns`. Raises ResultError for lacking columns.
    """
    check(over_time, [*LOOK, work, "clients", *columns], "over_time")
    rows = over_time.sort_values(LOOK, ignore_index=True)
    rows["work"] = rows[work] / rows["clients"]
    done = rows.groupby(CURVE, observed=True)["work"].max().reset_index()
    least = done.groupby(_WHERE, observed=True)["work"].min().rename("least").reset_index()
    found = []
    for _, curve in rows.merge(least, on=_WHERE).groupby(CURVE, observed=True):
        amount = float(curve["least"].iloc[0])
        values = {name: _at(curve, name, amount) for name in ("time_s", *columns)}
        found.append({**curve.iloc[0][CURVE], "work": amount, **values})
    frame = pd.DataFrame(found, columns=[*CURVE, "work", "time_s", *columns])
    return told_alike(frame.astype({name: rows[name].dtype for name in CURVE}), over_time)


def not_after(
    curves: pd.DataFrame, work: str, protocols: Collection[str] | None = None
) -> pd.DataFrame:
    """Each run's last look at which it had done no more than the run that did least in all.

    `curves`: point, protocol, seed, time_s and `work`, which never falls; one row per look. Who did
    least is asked for each point and seed, among `protocols` (None: all); of the others those are
    left that had done less even at their end. All columns are kept; `least` is what it had done.

    Where two looks are far apart, a run may have done up to one of these less than the others.
    """
    check(curves, [*RUN, "time_s", work], "curves")
    compared = curves if protocols is None else curves[curves["protocol"].isin(list(protocols))]
    keys = ["point", "seed"]
    done = compared.groupby(RUN, observed=True)[work].max().reset_index()
    least = done.groupby(keys, observed=True)[work].min().rename("least").reset_index()
    rows = curves.merge(least, on=keys)
    # Amounts may be means over clients, so equal ones may miss each other by a bit.
    rows = rows[rows[work] <= rows["least"] * (1 + _ROUNDING)].sort_values([*RUN, "time_s"])
    return rows.drop_duplicates(RUN, keep="last").reset_index(drop=True)


def _at(curve: pd.DataFrame, column: str, amount: float) -> float:
    # A curve may stand still for many looks: it is taken where it first had done as much.
    reached = curve.drop_duplicates("work")
    return float(np.interp(amount, reached["work"], reached[column]))


def work_lost(trace: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """What each run did and what of it was lost, over all nodes.

    `trace`: with the kinds of `LOSS_KINDS`, and bytes; `scores` tells which runs there are.

    Columns: point, protocol, seed; `train_s`, `train_lost_s`: virtual seconds of finished and of
    lost local rounds, all clients' added up; `lost_share` of all training seconds, NaN where
    nobody trained; `local_rounds`, `local_rounds_lost`; `transfers`, `transfers_lost` of models;
    `bytes_received`; `bytes_lost`: the models' whole sizes, however much of one had gone through;
    `messages_lost`: requests and answers without a model, but for those of pings, which only the
    counters of `runs` have. Training under way at the end of a run is in neither.
    """
    check_trace(trace, scores, LOSS_KINDS, ["bytes"])
    rows = trace[trace["kind"].isin(list(LOSS_KINDS))]
    sums = rows.groupby([*RUN, "kind"], observed=True).agg(
        count=("kind", "size"), seconds=("duration_s", "sum"), size=("bytes", "sum")
    )
    wide = sums.reset_index().pivot(index=RUN, columns="kind")
    found = runs_of(scores)[RUN].set_index(RUN)
    for name, column, kind in (
        ("train_s", "seconds", "train"),
        ("train_lost_s", "seconds", "train_lost"),
        ("local_rounds", "count", "train"),
        ("local_rounds_lost", "count", "train_lost"),
        ("transfers", "count", "transfer"),
        ("transfers_lost", "count", "transfer_lost"),
        ("bytes_received", "size", "transfer"),
        ("bytes_lost", "size", "transfer_lost"),
        ("messages_lost", "count", "message_lost"),
    ):
        present = (column, kind) in wide
        found[name] = wide[column, kind].reindex(found.index) if present else np.nan
        # A run without such rows has lost, or done, nothing of the kind.
        found[name] = found[name].fillna(0).astype("float64" if column == "seconds" else "int64")
    all_s = found["train_s"] + found["train_lost_s"]
    found.insert(2, "lost_share", (found["train_lost_s"] / all_s.where(all_s > 0)))
    return found.reset_index()


def thinned_work(trace: pd.DataFrame, work: pd.DataFrame) -> pd.DataFrame:
    """What `work_lost` tells of runs whose traces tell of no transfers.

    `work`: as `cumulated` gives it for whole runs; `trace`: what it tells of trainings.

    Columns: point, protocol, seed; `local_rounds`, `local_rounds_lost`, `bytes_received`;
    `lost_share`, NaN where the trace tells of no trainings.
    """
    ends = work.sort_values("time_s").drop_duplicates(RUN, keep="last")
    found = ends[[*RUN, "local_rounds", "local_rounds_lost", "bytes_received"]].set_index(RUN)
    rows = trace[trace["kind"].isin(["train", "train_lost"])]
    all_s = rows.groupby(RUN, observed=True)["duration_s"].sum()
    lost = rows[rows["kind"] == "train_lost"]
    lost_s = lost.groupby(RUN, observed=True)["duration_s"].sum().reindex(all_s.index).fillna(0)
    return found.assign(lost_share=(lost_s / all_s.where(all_s > 0))).reset_index()


def lost_by_cause(trace: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """What each run lost to each cause; what lost nothing to a cause has no row of it.

    Columns: point, protocol, seed; `what`: train, transfer or message; `cause`: the name of the
    fault that ended a training, or why the network lost a message (loss, partition, sender_down,
    receiver_down, timeout, late); `count`, `seconds` (of training, or under way), `bytes`.
    """
    check_trace(trace, scores, LOSS_KINDS, ["bytes", "cause"])
    rows = trace[trace["kind"].isin(["train_lost", "transfer_lost", "message_lost"])]
    what, cause = rows["kind"].astype("str").str.removesuffix("_lost"), rows["cause"].astype("str")
    named = rows.assign(what=what, cause=cause)
    sums = named.groupby([*RUN, "what", "cause"], observed=True).agg(
        count=("what", "size"), seconds=("duration_s", "sum"), bytes=("bytes", "sum")
    )
    return sums.reset_index()
