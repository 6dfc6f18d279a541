"""All scores of a run at one look side by side: both stages of the clients' models, and the one for
all.
"""

import math

import pandas as pd

from analysis.metrics.clients import over_clients
from analysis.metrics.common import LOOK, RUN, is_client, told_alike
from analysis.metrics.progress import to_target
from sim.record.metrics import OWN_SITE, validation_metric
from sim.record.points import TargetRecord
from sim.record.rows import AGGREGATE, RECEIVED, SERVER, TRAINED

GLOBAL = "global_model"
"""The one model for all: the server's where a protocol has one, else the aggregate."""
RECEIVED_SCORES = ("mean", "worst", "own_site", AGGREGATE, SERVER, GLOBAL)
"""Of clients' received models their mean, their worst, and the mean of each on its own site's kind
of data; and of models that are no client's."""
TRAINED_SCORES = ("mean_trained", "worst_trained", "own_site_trained")
"""Of clients' trained models the same. What a reference has, which has one stage, is in both."""
SCORES = (*RECEIVED_SCORES, *TRAINED_SCORES)
_SUFFIX = {RECEIVED: "", TRAINED: f"_{TRAINED}"}


def score_name(of: str, stage: str) -> str:
    """The column of `SCORES` that a target's `of` and `stage` mean; an aggregate has no stage."""
    return of if of == AGGREGATE else of + _SUFFIX[stage]


def score_curves(scores: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The scores of each run at each look, one column each: those of `SCORES`.

    `scores`: all stages of `metric`, and of `metric_own_site` if it is there. A column is NaN where
    a run has no such model, or where its stage wasn't evaluated. Columns: point, protocol, seed,
    time_s, metric, and `SCORES`.
    """
    rows = scores[scores["metric"] == metric]
    found = rows[LOOK].drop_duplicates().reset_index(drop=True)
    look = [*RUN, "time_s"]
    for stage, suffix in _SUFFIX.items():
        names = {"mean": f"mean{suffix}", "worst": f"worst{suffix}"}
        found = found.merge(_of_clients(scores, metric, stage).rename(columns=names), "left", look)
        own = _of_clients(scores, f"{metric}_{OWN_SITE}", stage)
        own = own.rename(columns={"mean": f"own_site{suffix}"}).drop(columns="worst")
        found = found.merge(own, "left", look)
    for node in (AGGREGATE, SERVER):
        models = rows.loc[rows["node"] == node, [*look, "value"]]
        found = found.merge(models.rename(columns={"value": node}), "left", look)
    served = rows.loc[rows["node"] == SERVER, "protocol"].unique()
    found[GLOBAL] = found[SERVER].where(found["protocol"].isin(served), found[AGGREGATE])
    return told_alike(found[[*LOOK, *SCORES]], scores)


def reached_target(scores: pd.DataFrame, target: TargetRecord | None) -> pd.DataFrame:
    """When each run had reached its target on validation data; no rows if nothing tells.

    `scores`: all stages of the target's metric on validation data, among others. Columns: point,
    protocol, seed, and `value` (virtual seconds) and `reached` as in `to_target`.
    """
    metric = validation_metric(target.metric) if target else ""
    if target is None or not (scores["metric"] == metric).any():
        return pd.DataFrame(columns=[*RUN, "value", "reached"]).astype(scores[RUN].dtypes)
    name = score_name(target.of, target.stage)
    found = to_target(score_curves(scores, metric), target.value, column=name)
    return found[[*RUN, "value", "reached"]]


def _of_clients(scores: pd.DataFrame, metric: str, stage: str) -> pd.DataFrame:
    """The mean and the worst client at each look; of references those of their only stage."""
    rows = scores[(scores["metric"] == metric) & is_client(scores["node"])]
    columns, has_none = [*RUN, "time_s", "mean", "worst"], rows["stage"].isna()
    is_evaluated = (rows["stage"] == stage).any() or has_none.all()
    rows = rows[(rows["stage"] == stage) | has_none]
    if rows.empty or not is_evaluated:
        return rows.assign(mean=math.nan, worst=math.nan)[columns]
    return over_clients(told_alike(rows, scores))[columns]
