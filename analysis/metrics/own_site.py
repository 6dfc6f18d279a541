"""What each client's model is worth at home, and what elsewhere."""

from __future__ import annotations

import pandas as pd

from analysis.metrics.clients import client_rows
from analysis.metrics.common import RUN, check
from sim.record.errors import ResultError
from sim.record.metrics import OWN_SITE

_SUFFIX = f"_{OWN_SITE}"
_CLIENT = [*RUN, "node"]


def at_own_site(scores: pd.DataFrame, *, metric: str = "dice") -> pd.DataFrame:
    """Each client's last score on its own site's held-out subjects, beside that on all sites'.

    `scores`: as for `over_clients`, with both `metric` and its `_own_site`. `pooled` is at home
    nowhere, and has no rows; neither has a client whose site holds nobody out.

    Columns: point, protocol, seed, node, `own_site`, `all_sites`, `gap` (own minus all: above zero
    where a model is better at home; the other way round for a distance). Raises ResultError if
    there are no scores of one of the two.
    """
    rows = client_rows(scores).sort_values("time_s", kind="stable")
    last = rows.drop_duplicates([*_CLIENT, "metric"], keep="last")

    def of(name: str, column: str) -> pd.DataFrame:
        chosen = last[last["metric"] == name]
        if chosen.empty:
            raise ResultError(
                f"scores: have none of {name}; allowed: results of tasks whose clients are sites"
            )
        return chosen[[*_CLIENT, "value"]].rename(columns={"value": column})

    found = of(metric + _SUFFIX, "own_site").merge(of(metric, "all_sites"), on=_CLIENT)
    check(found, [], "scores")
    found["gap"] = found["own_site"] - found["all_sites"]
    return found.sort_values(_CLIENT, ignore_index=True)
