"""Scores where all protocols of one seed had trained equally much."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.metrics.common import LOOK, check
from analysis.metrics.progress import CURVE

_WHERE = ["point", "seed", "metric"]


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
    return frame.astype({name: rows[name].dtype for name in CURVE})


def _at(curve: pd.DataFrame, column: str, amount: float) -> float:
    # A curve may stand still for many looks: it is taken where it first had done as much.
    reached = curve.drop_duplicates("work")
    return float(np.interp(amount, reached["work"], reached[column]))
