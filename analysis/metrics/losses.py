"""What failures cost in work: training that was interrupted, transfers and bytes that were lost."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.metrics.common import RUN, check_trace, runs_of

LOSS_KINDS = ("train", "train_lost", "transfer", "transfer_lost", "message_lost")
"""What the functions here need of a trace."""


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
