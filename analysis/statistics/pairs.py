"""Differences between protocols under the same seed, which met the same failures.

What a seed's failures do to both cancels, and what is left is the protocols' own, with a narrower
interval than that of two separate means.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from analysis.frames import listed
from analysis.metrics.common import check
from analysis.statistics.intervals import Method, over_seeds
from sim.record.errors import ResultError

POINT = ("point",)


def differences(
    frame: pd.DataFrame, column: str, reference: str, *, by: Sequence[str] = POINT
) -> pd.DataFrame:
    """Each protocol's value minus the reference's, for each seed that both have.

    `frame`: protocol, seed, the columns of `by` (which name where they are compared, and hold
    time_s or metric where a frame has several), and `column`. One row per protocol but the
    reference, group and seed. Columns: those of `by`, protocol, seed, `value` and `reference` of
    the two, `difference` (NaN where one of them is).

    Raises ResultError if no row is the reference's, or a seed has several rows in one group.
    """
    keys = [*by, "seed"]
    check(frame, [*keys, "protocol", column], "frame")
    if frame.duplicated([*keys, "protocol"]).any():
        raise ResultError(f"frame: has several rows of one protocol and seed for each {list(by)}")
    if not (frame["protocol"] == reference).any():
        present = listed(frame["protocol"].unique())
        raise ResultError(f"reference: {reference!r} has no rows; allowed: {present}")
    is_reference = frame["protocol"] == reference
    theirs = frame.loc[is_reference, [*keys, column]].rename(columns={column: "reference"})
    own = frame.loc[~is_reference, [*by, "protocol", "seed", column]]
    pairs = own.rename(columns={column: "value"}).merge(theirs, on=keys)
    pairs["difference"] = pairs["value"] - pairs["reference"]
    return pairs.sort_values([*by, "protocol", "seed"], ignore_index=True)


def paired_differences(
    frame: pd.DataFrame,
    column: str,
    reference: str,
    *,
    by: Sequence[str] = POINT,
    confidence: float = 0.95,
    method: Method = "t",
) -> pd.DataFrame:
    """The mean of `differences` over the seeds that both have, with its interval.

    Positive where a protocol's value is larger, whichever is better. Columns: those of `by`,
    protocol, mean, low, high, std, `count` of pairs, `left_out` of pairs of which a value is no
    finite number, and `unpaired`, the seeds that only one of the two has. A protocol whose seeds
    are all unpaired has count 0 and NaN.
    """
    pairs, groups = differences(frame, column, reference, by=by), [*by, "protocol"]
    seeds = frame.groupby(groups, observed=True).size().rename("seeds").reset_index()
    is_reference = seeds["protocol"] == reference
    theirs = seeds[is_reference].drop(columns="protocol").rename(columns={"seeds": "theirs"})
    found = seeds[~is_reference].merge(theirs, on=list(by), how="left").fillna({"theirs": 0})
    columns = ["mean", "low", "high", "std", "count", "left_out"]
    if pairs.empty:
        found = found.assign(**dict.fromkeys(columns, math.nan))
    else:
        means = over_seeds(pairs, "difference", by=groups, confidence=confidence, method=method)
        found = found.merge(means, on=groups, how="left")
    found = found.fillna({"count": 0, "left_out": 0})
    paired = found["count"] + found["left_out"]
    found["unpaired"] = found["seeds"] + found["theirs"] - 2 * paired
    counts = dict.fromkeys(("count", "left_out", "unpaired"), "int64")
    return found.astype(counts)[[*groups, *columns, "unpaired"]]
