"""How evenly a federation's success is spread over its clients.

The index is Jain, Chiu, Hawe, "A Quantitative Measure of Fairness and Discrimination for Resource
Allocation in Shared Computer Systems", DEC Research Report TR-301, 1984.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.metrics.clients import client_rows, over_clients
from analysis.metrics.common import LOOK


def fairness_over_time(scores: pd.DataFrame) -> pd.DataFrame:
    """How much the clients' scores differ at each look.

    `scores`: point, protocol, seed, time_s, node, metric, value, up.

    Columns: point, protocol, seed, metric, time_s, `clients`; `std` over the clients, which are all
    there are; `gap` between the best and the worst client, zero or more in any metric; `jain`,
    Jain's index (sum x)^2 / (n sum x^2) of the values as they are: 1 if all are equal, 1/n if one
    client has everything. It is meant for what one wants much of, as accuracy; of a loss it only
    tells how even it is. NaN for values that are negative, all zero or not finite.
    """
    found = over_clients(scores)
    rows = client_rows(scores)
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
    return found[[*LOOK, "clients", "std", "gap", "jain"]]
