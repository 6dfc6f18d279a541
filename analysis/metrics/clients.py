"""The clients' scores at each look of the observer, and those of the models beside them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.metrics.common import LOOK, check, is_client, sign, told_alike
from sim.record.errors import ResultError

_SCORES = [*LOOK, "node", "value", "up"]


def over_clients(scores: pd.DataFrame, *, survivors: bool = False) -> pd.DataFrame:
    """The clients' scores at each look, one row per run, metric and look.

    `scores`: point, protocol, seed, time_s, node, metric, value, up. `survivors`: only those
    clients that are up at the look, so who is in it changes from look to look.

    Columns: point, protocol, seed, metric, time_s; `clients`, whose scores are counted; `up`, how
    many clients are up; `mean`; `worst` and `best`, the largest and the smallest of a loss; `std`
    over the clients, which are all there are (so not a sample's). The pooled machine counts as a
    client. A look at which nobody is up has clients 0 and NaN as a survivors' row.

    A score that isn't a finite number, of a model that has diverged, makes mean and std NaN; a NaN
    makes worst and best NaN, too. None is ever skipped. Raises ResultError for no clients' rows.
    """
    rows = client_rows(scores)
    looks = rows.groupby(LOOK, observed=True)["up"].sum().rename("up").astype("int64")
    if survivors:
        rows = rows[rows["up"]]
    value = rows["value"].to_numpy(np.float64)
    signed = rows.assign(
        signed=sign(rows) * value,
        infinite=~np.isfinite(value),
        nan=np.isnan(value),
    ).groupby(LOOK, observed=True)
    finite = signed["infinite"].sum() == 0
    counted = signed["nan"].sum() == 0
    found = pd.DataFrame(
        {
            "clients": signed.size(),
            "mean": signed["value"].mean().where(finite),
            "worst": signed["signed"].min().where(counted),
            "best": signed["signed"].max().where(counted),
            "std": signed["value"].std(ddof=0).where(finite),
        }
    )
    frame = told_alike(looks.to_frame().join(found).reset_index(), scores)
    frame["clients"] = frame["clients"].fillna(0).astype("int64")
    for name in ("worst", "best"):
        frame[name] *= sign(frame)
    return frame[[*LOOK, "clients", "up", "mean", "worst", "best", "std"]]


def client_rows(scores: pd.DataFrame) -> pd.DataFrame:
    """The rows of clients. Raises ResultError if there are none, or columns are lacking."""
    check(scores, _SCORES, "scores")
    rows = scores[is_client(scores["node"])]
    if rows.empty:
        raise ResultError("scores: have no clients' rows; allowed: those of client_0 and so on")
    return rows


def of_model(scores: pd.DataFrame, node: str) -> pd.DataFrame:
    """The scores of one model: `aggregate`, `server`, or one client's.

    `scores`: as for `over_clients`, and local_round, staleness. Columns: point, protocol, seed,
    metric, time_s, local_round, staleness, up, value. A protocol that has no such model, as local
    has no server, has no rows. Raises ResultError if no run has it.
    """
    columns = [*LOOK, "local_round", "staleness", "up", "value"]
    check(scores, [*columns, "node"], "scores")
    rows = scores.loc[scores["node"] == node, columns]
    check(rows, [], f"scores of {node}")
    return rows.sort_values(LOOK, ignore_index=True)
