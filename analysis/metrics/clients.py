"""The clients' scores at each look: how good, even and stale they are, and at whose site."""

import numpy as np
import pandas as pd

from analysis.metrics.common import LOOK, RUN, check, check_one_stage, is_client, sign, told_alike
from sim.record.errors import ResultError
from sim.record.metrics import OWN_SITE

_CLIENT = [*RUN, "node"]
_SCORES = [*LOOK, "node", "value", "up", "member"]


def over_clients(scores: pd.DataFrame, *, survivors: bool = False) -> pd.DataFrame:
    """The clients' scores at each look, one row per run, metric and look.

    They are about the present: who has not joined yet, or has left, is not in them, unless nobody
    is there any more, of whom the models remain.

    `scores`: point, protocol, seed, time_s, node, metric, value, up, member. `survivors`: only
    those clients that are up at the look, so who is in it changes from look to look.

    Columns: point, protocol, seed, metric, time_s; `clients`, whose scores are counted; `up`, how
    many clients are up; `mean`; `worst` and `best`, the largest and the smallest of a loss; `std`
    over the clients, which are all there are (so not a sample's). The pooled machine counts as a
    client. A look at which nobody is up has clients 0 and NaN as a survivors' row.

    A score that isn't a finite number, of a model that has diverged, makes mean and std NaN; a NaN
    makes worst and best NaN, too. None is ever skipped. Raises ResultError for no clients' rows, or
    for two stages of one client's model.
    """
    rows = _present(scores)
    looks = rows.groupby(LOOK, observed=True)["up"].sum().rename("up").astype("int64")
    if survivors:
        rows = rows[rows["up"]]
    value = rows["value"].to_numpy(np.float64)
    signed = rows.assign(
        signed=sign(rows) * value, infinite=~np.isfinite(value), nan=np.isnan(value)
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
    """The rows of clients, of those who aren't there, too.

    Raises ResultError if there are none, if columns are lacking, or for two stages of one client.
    """
    check(scores, _SCORES, "scores")
    rows = scores[is_client(scores["node"])]
    if rows.empty:
        raise ResultError("scores: have no clients' rows; allowed: those of client_0 and so on")
    check_one_stage(rows)
    return rows


def _present(scores: pd.DataFrame) -> pd.DataFrame:
    """Those of them who are there at their look; all where nobody is."""
    rows = client_rows(scores)
    if rows["member"].all():
        return rows
    is_any = rows.groupby(LOOK, observed=True)["member"].transform("any")
    return rows[rows["member"] | ~is_any]


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
    check_one_stage(scores[scores["node"] == node])
    return rows.sort_values(LOOK, ignore_index=True)


def fairness_over_time(scores: pd.DataFrame) -> pd.DataFrame:
    """How much the clients' scores differ at each look; as in `over_clients`, of those there are.

    `scores`: point, protocol, seed, time_s, node, metric, value, up, member.

    Columns: point, protocol, seed, metric, time_s, `clients`; `std` over the clients, which are all
    there are; `gap` between the best and the worst client, zero or more in any metric; `jain`,
    Jain's index (sum x)^2 / (n sum x^2) of the values as they are: 1 if all are equal, 1/n if one
    client has everything. It is meant for what one wants much of, as accuracy; of a loss it only
    tells how even it is. NaN for values that are negative, all zero or not finite.
    """
    found = over_clients(scores)
    rows = _present(scores)
    values = rows.assign(square=rows["value"] ** 2, negative=rows["value"] < 0)
    sums = values.groupby(LOOK, observed=True).agg(
        total=("value", "sum"), squares=("square", "sum"), negative=("negative", "any")
    )
    found = found.merge(sums.reset_index(), on=LOOK)
    # Where the mean is no number, neither is a sum that has skipped what it can't add.
    defined = found["mean"].notna() & ~found["negative"] & (found["squares"] > 0)
    total = found["total"].where(defined)
    found["jain"] = total**2 / (found["clients"] * found["squares"].where(defined))
    found["gap"] = np.abs(found["best"] - found["worst"])
    return told_alike(found[[*LOOK, "clients", "std", "gap", "jain"]], scores)


def staleness_over_time(scores: pd.DataFrame) -> pd.DataFrame:
    """The clients' staleness at each look, in rounds as their protocol counts them.

    `scores`: point, protocol, seed, time_s, node, metric, value, up, member, staleness; of any
    metrics. Who has not joined yet, or has left, is not in it.
    Rounds of protocols differ: see the README before comparing them.

    Columns: point, protocol, seed, time_s; `mean`; `worst`, the largest; `std` over the clients,
    which are all there are. Raises ResultError for no clients' rows.
    """
    check(scores, ["staleness"], "scores")
    # Every metric's row of a look has the same staleness.
    looks = _present(scores).drop_duplicates([*RUN, "time_s", "node"])
    lags = looks.groupby([*RUN, "time_s"], observed=True)["staleness"]
    found = pd.DataFrame({"mean": lags.mean(), "worst": lags.max(), "std": lags.std(ddof=0)})
    return found.reset_index()


def at_own_site(scores: pd.DataFrame, *, metric: str = "dice") -> pd.DataFrame:
    """Each client's last score on its own site's held-out subjects, beside that on all sites'.

    `scores`: as for `over_clients`, with both `metric` and its `_own_site`. `pooled` is at home
    nowhere, and has no rows; neither has a client whose site holds nobody out.

    Columns: point, protocol, seed, node, `member`, whether it is there at the end; `own_site`,
    `all_sites`, `gap` (own minus all: above zero where a model is better at home; the other way
    round for a distance). Raises ResultError if there are no scores of one of the two.
    """
    rows = client_rows(scores).sort_values("time_s", kind="stable")
    last = rows.drop_duplicates([*_CLIENT, "metric"], keep="last")
    is_there = last[[*_CLIENT, "member"]].drop_duplicates()

    def of(name: str, column: str) -> pd.DataFrame:
        chosen = last[last["metric"] == name]
        if chosen.empty:
            raise ResultError(
                f"scores: have none of {name}; allowed: results of tasks whose clients are sites"
            )
        return chosen[[*_CLIENT, "value"]].rename(columns={"value": column})

    found = is_there.merge(of(f"{metric}_{OWN_SITE}", "own_site"), on=_CLIENT)
    found = found.merge(of(metric, "all_sites"), on=_CLIENT)
    check(found, [], "scores")
    found["gap"] = found["own_site"] - found["all_sites"]
    return found.sort_values(_CLIENT, ignore_index=True)
