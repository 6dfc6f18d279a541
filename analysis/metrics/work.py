"""Local rounds and bytes, cumulated over virtual time: the other axes of a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.metrics.common import (
    RUN,
    Floats,
    PerPoint,
    check_trace,
    ended_s,
    index_of,
    is_client,
    no_later,
    nodes_of,
    per_point,
)  # fmt: skip
from sim.record.errors import ResultError

WORK_KINDS = ("train", "train_lost", "transfer")
"""What `cumulated` needs of a trace."""
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
    the instant of a look is in it.

    Columns: point, protocol, seed, time_s; `node` if `by_node`, else the sums over all nodes and
    `clients`, how many learn; `local_rounds` finished, `local_rounds_lost`; `bytes_received` and
    `bytes_sent` of models that were delivered; `local_epochs`, the rounds times
    `epochs_per_round`, if that is given.
    """
    check_trace(trace, scores, WORK_KINDS, ["peer", "bytes"])
    nodes = nodes_of(scores)
    times = scores[[*RUN, "time_s"]].drop_duplicates()
    looks = nodes.drop(columns="end_s").merge(times, on=RUN)
    looks = looks.assign(place=index_of(looks, nodes, [*RUN, "node"]))
    happened = pd.concat(_happened(trace, nodes), ignore_index=True)
    both = pd.concat([happened, looks[["place", "time_s"]]], ignore_index=True)
    # Stable, and what happened stands first: a look sees what ends at its instant.
    both = both.sort_values(["place", "time_s"], kind="stable")
    sums = both.fillna(dict.fromkeys(_COUNTED, 0)).groupby("place")[_COUNTED].cumsum()
    looks[_COUNTED] = sums.sort_index().iloc[len(happened) :].to_numpy(np.int64)
    if not by_node:
        learns = looks.assign(clients=is_client(looks["node"]).astype("int64"))
        keys = [*RUN, "time_s"]
        looks = learns.groupby(keys, observed=True)[["clients", *_COUNTED]].sum().reset_index()
    if epochs_per_round is not None:
        each = per_point(looks["point"], epochs_per_round, "epochs_per_round")
        looks["local_epochs"] = looks["local_rounds"] * each
    looks = looks.drop(columns="place", errors="ignore")
    return looks.sort_values([*RUN, "time_s", *(["node"] if by_node else [])], ignore_index=True)


def _happened(trace: pd.DataFrame, nodes: pd.DataFrame) -> list[pd.DataFrame]:
    """Per kind of count: whose it is (a row of `nodes`), when it ended, and how much it adds."""
    kinds, ends = trace["kind"], no_later(ended_s(trace))
    own = index_of(trace, nodes, [*RUN, "node"])
    other = index_of(trace[[*RUN, "peer"]].rename(columns={"peer": "node"}), nodes, [*RUN, "node"])
    size = trace["bytes"].to_numpy(np.float64)
    one = np.ones(len(trace))

    def counted(kind: str, column: str, whose: Any, amount: Floats) -> pd.DataFrame:
        rows = (kinds == kind).to_numpy() & (whose >= 0)
        return pd.DataFrame(
            {"place": whose[rows], "time_s": ends[rows], column: amount[rows]},
            columns=["place", "time_s", *_COUNTED],
            dtype="float64",
        )

    return [
        counted("train", "local_rounds", own, one),
        counted("train_lost", "local_rounds_lost", own, one),
        counted("transfer", "bytes_received", other, size),
        counted("transfer", "bytes_sent", own, size),
    ]


def epochs_per_round(settings: Mapping[str, Any]) -> float:
    """Passes over a client's data in one local round. Raises ResultError if rounds are in steps."""
    epochs = settings.get("training", {}).get("local_epochs")
    if epochs is None:
        raise ResultError("training: counts in local_steps, so clients differ in epochs per round")
    return float(epochs)
