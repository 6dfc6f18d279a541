"""How far the clients' models lag behind, over time."""

from __future__ import annotations

import pandas as pd

from analysis.metrics.clients import client_rows
from analysis.metrics.common import RUN, check


def staleness_over_time(scores: pd.DataFrame) -> pd.DataFrame:
    """The clients' staleness at each look, in rounds as their protocol counts them.

    `scores`: point, protocol, seed, time_s, node, metric, value, up, staleness; of any metrics.
    Rounds of protocols differ: see the README before comparing them.

    Columns: point, protocol, seed, time_s; `mean`; `worst`, the largest; `std` over the clients,
    which are all there are. Raises ResultError for no clients' rows.
    """
    check(scores, ["staleness"], "scores")
    # Every metric's row of a look has the same staleness.
    looks = client_rows(scores).drop_duplicates([*RUN, "time_s", "node"])
    lags = looks.groupby([*RUN, "time_s"], observed=True)["staleness"]
    found = pd.DataFrame({"mean": lags.mean(), "worst": lags.max(), "std": lags.std(ddof=0)})
    return found.reset_index()
