"""All scores of a run at one look side by side: both stages of the clients' models, and the one for
all.
"""

from collections.abc import Sequence

import pandas as pd

from analysis.metrics.clients import over_clients
from analysis.metrics.common import LOOK, RUN, is_client, told_alike
from analysis.metrics.progress import to_target
from sim.record.metrics import OWN_SITE, validation_metric
from sim.record.points import TargetRecord
from sim.record.rows import AGGREGATE, RECEIVED, SERVER, STAGES, TRAINED

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


def score_curves(scores: pd.DataFrame, metric: str, stages: Sequence[str] = STAGES) -> pd.DataFrame:
    """The scores of each run at each look, one column each: those of `SCORES`.

    `scores`: all stages of `metric`, and of `metric_own_site` if it is there. A column is NaN where
    a run has no such model, where its stage wasn't evaluated, or isn't among `stages`. Columns:
    point, protocol, seed, time_s, metric, and `SCORES`.
    """
    rows, look = scores[scores["metric"] == metric], [*RUN, "time_s"]
    found = rows[LOOK].drop_duplicates().reset_index(drop=True)
    own_site = f"{metric}_{OWN_SITE}"
    of_clients = scores[scores["metric"].isin([metric, own_site]) & is_client(scores["node"])]
    for stage in stages:
        clients, suffix = _of_clients(told_alike(of_clients, scores), stage), _SUFFIX[stage]
        for name, of, column in (
            (metric, "mean", "mean"), (metric, "worst", "worst"), (own_site, "mean", "own_site")
        ):  # fmt: skip
            kept = clients.loc[clients["metric"] == name, [*look, of]]
            found = found.merge(kept.set_axis([*look, f"{column}{suffix}"], axis=1), "left", look)
    for node in (AGGREGATE, SERVER):
        models = rows.loc[rows["node"] == node, [*look, "value"]]
        found = found.merge(models.rename(columns={"value": node}), "left", look)
    served = rows.loc[rows["node"] == SERVER, "protocol"].unique()
    found[GLOBAL] = found[SERVER].where(found["protocol"].isin(served), found[AGGREGATE])
    return told_alike(found.reindex(columns=[*LOOK, *SCORES]), scores)


def reached_target(scores: pd.DataFrame, target: TargetRecord | None) -> pd.DataFrame:
    """When each run had reached its target on validation data; no rows if nothing tells.

    `scores`: all stages of the target's metric on validation data, among others. Columns: point,
    protocol, seed, and `value` (virtual seconds) and `reached` as in `to_target`.
    """
    metric = validation_metric(target.metric) if target else ""
    if target is None or not (scores["metric"] == metric).any():
        return pd.DataFrame(columns=[*RUN, "value", "reached"]).astype(scores[RUN].dtypes)
    name = score_name(target.of, target.stage)
    curves = score_curves(scores, metric, (target.stage,))
    found = to_target(curves, target.value, column=name)
    return found[[*RUN, "value", "reached"]]


def _of_clients(rows: pd.DataFrame, stage: str) -> pd.DataFrame:
    """The mean and the worst client at each look; of references those of their only stage."""
    has_none = rows["stage"].isna()
    chosen = rows[(rows["stage"] == stage) | has_none]
    # Where the others were left out, references alone would be no comparison.
    if chosen.empty or (has_none.loc[chosen.index].all() and not has_none.all()):
        return pd.DataFrame(columns=[*LOOK, "mean", "worst"]).astype(rows[LOOK].dtypes)
    return over_clients(told_alike(chosen, rows))
