"""What the seeds of an experiment allow one to say: intervals, pairs, survival, and how many more.

Nothing here drops a value in silence: what can't be counted is counted as left out.

The method of intervals was chosen by measurement: how often one of 95 % covers the true mean, in
4,000 samples of each kind (a standard error of 0.4 %; the bootstraps with 1,999 resamples):

    seeds   Student's t   percentile   BCa     of
        3          95 %         75 %   72 %    normal values
        5          95 %         82 %   82 %
       10          95 %         90 %   90 %
        3          93 %         74 %   72 %    beta(5, 1.5): accuracies near their top
        5          93 %         82 %   84 %
       10          93 %         89 %   90 %
        3          88 %         68 %   66 %    lognormal, sigma 0.75: times with a long tail
        5          87 %         76 %   77 %
       10          88 %         84 %   84 %

A bootstrap can't show more spread than few seeds have, so Student's t is what is used unless
another is asked for. Where the values have bounds, as an accuracy has, an interval is cut off at
them: the mean can't lie beyond, so that takes nothing from how often it is covered. (On the scale
of the logit an interval stays inside by itself, but a score of exactly 1 has no logit.) Of values
that pile up at their bound, beta(8, 1), it covers 90, 90, 92 and 93 % at 3, 5, 10 and 20 seeds.

Of many differences some exceed their interval by chance, so a table of them says how many to
expect, and marks those that Holm's correction over all of the table leaves.

Protocols are compared in pairs of one seed, which met the same failures: what those do to both
cancels, and what is left has a narrower interval than that of two separate means.

The mean time of the runs that got somewhere is the time of the lucky ones; Kaplan and Meier's curve
uses what the others tell, too: that it took longer than their run. Its interval is Greenwood's, on
the scale of log(-log S), which stays between 0 and 1 and is the better one for few runs.

Sources: Student, "The probable error of a mean", Biometrika 6, 1908. Efron, "Better Bootstrap
Confidence Intervals", Journal of the American Statistical Association 82, 1987. Kaplan, Meier,
"Nonparametric Estimation from Incomplete Observations", ibid. 53, 1958. Kalbfleisch, Prentice, "The
Statistical Analysis of Failure Time Data", 1980. Holm, "A simple sequentially rejective multiple
test procedure", Scandinavian Journal of Statistics 6, 1979.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pandas as pd

from analysis.frames import listed
from analysis.metrics.common import POINT_AND_PROTOCOL, Floats, check
from sim.record.errors import ResultError

__all__ = ["Crossing", "Interval", "crossings", "differences", "holm", "kaplan_meier"]
__all__ += ["mean_interval", "median_time", "more_seeds", "over_seeds", "p_value"]
__all__ += ["paired_differences", "seeds_needed"]

Method = Literal["t", "percentile", "bca"]
METHODS: tuple[Method, ...] = ("t", "percentile", "bca")
RESAMPLES = 9_999
UNBOUNDED = (-math.inf, math.inf)
_SCIPY_NAMES = {"percentile": "percentile", "bca": "BCa"}


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval, in the unit of the values."""

    mean: float
    """Of the finite values; NaN if there is none."""
    low: float
    """NaN if there are fewer than two finite values, as is `high`: one seed tells no spread."""
    high: float
    std: float
    """The sample's standard deviation (n - 1); NaN for fewer than two."""
    count: int
    """Finite values."""
    left_out: int
    """Values that are no finite number, of runs that have diverged."""


def mean_interval(
    values: Iterable[float],
    *,
    confidence: float = 0.95,
    method: Method = "t",
    bounds: tuple[float, float] = UNBOUNDED,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """The mean of values, one per seed, and the interval that covers its true value.

    `method`: t, percentile or bca; see this module for how they do. `bounds`: between which the
    values lie by their nature; the interval is cut off there. `resamples`, `seed`: of the
    bootstraps, whose draws depend on nothing else, so that equal values give equal intervals. Equal
    values have an interval without width. Raises ResultError for another method or confidence.
    """
    if method not in METHODS:
        raise ResultError(f"method: is {method!r}; allowed: {listed(METHODS)}")
    check_confidence(confidence)
    given = np.array(list(values), dtype=np.float64)
    known = given[np.isfinite(given)]
    count, left_out = len(known), len(given) - len(known)
    if count < 2:
        mean = float(known[0]) if count else math.nan
        return Interval(mean, math.nan, math.nan, math.nan, count, left_out)
    if known.min() == known.max():
        same = float(known[0])  # A sum would be rounded, and a bootstrap is not defined.
        return Interval(same, same, same, 0.0, count, left_out)
    mean, std = float(known.mean()), float(known.std(ddof=1))
    if method == "t":
        half_width = student_quantile(count - 1, confidence) * std / math.sqrt(count)
        low, high = mean - half_width, mean + half_width
    else:
        low, high = _bootstrapped(known, confidence, method, resamples, seed)
    low, high = max(low, bounds[0]), min(high, bounds[1])
    return Interval(mean, low, high, std, count, left_out)


def check_confidence(confidence: float) -> None:
    """Raise ResultError unless it is a share such as 0.95."""
    if not 0 < confidence < 1:
        raise ResultError(f"confidence: is {confidence!r}; allowed: between 0 and 1, e.g. 0.95")


def student_quantile(freedom: int, confidence: float) -> float:
    """How many standard errors a two-sided interval reaches, with `freedom` degrees of it."""
    from scipy.special import stdtrit  # takes 0.2 s, which only who wants an interval waits for

    return float(stdtrit(freedom, (1 + confidence) / 2))


def _bootstrapped(
    values: Floats, confidence: float, method: str, resamples: int, seed: int
) -> tuple[float, float]:
    from scipy.stats import bootstrap

    found = bootstrap(
        (values,),
        np.mean,
        confidence_level=confidence,
        method=_SCIPY_NAMES[method],
        n_resamples=resamples,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(found.low), float(found.high)


def over_seeds(
    frame: pd.DataFrame,
    column: str,
    *,
    by: Sequence[str] = POINT_AND_PROTOCOL,
    confidence: float = 0.95,
    method: Method = "t",
    bounds: tuple[float, float] = UNBOUNDED,
) -> pd.DataFrame:
    """The mean of a column over the seeds of each group, with its interval; see `mean_interval`.

    `frame`: `seed`, the columns of `by`, and `column`; one row per seed in each group, so a frame
    of several metrics or looks needs them in `by`. A seed that has no row is not counted: compare
    `count` with the number of seeds.

    Columns: those of `by`, then mean, low, high, std, count, left_out. Raises ResultError where a
    group has a seed twice.
    """
    check(frame, [*by, "seed", column], "frame")
    if frame.duplicated([*by, "seed"]).any():
        others = [name for name in ("metric", "time_s", "node") if name in frame and name not in by]
        raise ResultError(
            f"frame: has several rows of one seed in one group; allowed: one, with by={list(by)}"
            + (f" and {listed(others)}" if others else "")
        )
    rows = []
    for key, group in frame.groupby(list(by), observed=True):
        interval = mean_interval(group[column], confidence=confidence, method=method, bounds=bounds)
        rows.append({**dict(zip(by, key, strict=True)), **asdict(interval)})
    # What was categorical still is, in the same order.
    return pd.DataFrame(rows).astype({name: frame[name].dtype for name in by})


POINT = ("point",)


def intervals_of(found: pd.DataFrame) -> list[Interval]:
    """The rows of what `over_seeds` has found."""
    columns = [field.name for field in fields(Interval)]
    return [Interval(*row) for row in found[columns].itertuples(index=False, name=None)]


def differences(
    frame: pd.DataFrame, column: str, baseline: str, *, by: Sequence[str] = POINT
) -> pd.DataFrame:
    """Each protocol's value minus the baseline's, for each seed that both have.

    `frame`: protocol, seed, the columns of `by` (which name where they are compared, and hold
    time_s or metric where a frame has several), and `column`. One row per protocol but the
    baseline, group and seed. Columns: those of `by`, protocol, seed, `value` and `baseline` of
    the two, `difference` (NaN where one of them is).

    Raises ResultError if no row is the baseline's, or a seed has several rows in one group.
    """
    keys = [*by, "seed"]
    check(frame, [*keys, "protocol", column], "frame")
    if frame.duplicated([*keys, "protocol"]).any():
        raise ResultError(f"frame: has several rows of one protocol and seed for each {list(by)}")
    if not (frame["protocol"] == baseline).any():
        present = listed(frame["protocol"].unique())
        raise ResultError(f"baseline: {baseline!r} has no rows; allowed: {present}")
    is_baseline = frame["protocol"] == baseline
    theirs = frame.loc[is_baseline, [*keys, column]].rename(columns={column: "baseline"})
    own = frame.loc[~is_baseline, [*by, "protocol", "seed", column]]
    pairs = own.rename(columns={column: "value"}).merge(theirs, on=keys)
    pairs["difference"] = pairs["value"] - pairs["baseline"]
    return pairs.sort_values([*by, "protocol", "seed"], ignore_index=True)


def paired_differences(
    frame: pd.DataFrame,
    column: str,
    baseline: str,
    *,
    by: Sequence[str] = POINT,
    confidence: float = 0.95,
    method: Method = "t",
    bounds: tuple[float, float] = UNBOUNDED,
) -> pd.DataFrame:
    """The mean of `differences` over the seeds that both have, with its interval.

    Positive where a protocol's value is larger, whichever is better. `bounds`: of the values, from
    which those of their differences follow. Columns: those of `by`,
    protocol, mean, low, high, std, `count` of pairs, `left_out` of pairs of which a value is no
    finite number, and `unpaired`, the seeds that only one of the two has. A protocol whose seeds
    are all unpaired has count 0 and NaN.
    """
    pairs, groups = differences(frame, column, baseline, by=by), [*by, "protocol"]
    seeds = frame.groupby(groups, observed=True).size().rename("seeds").reset_index()
    is_baseline = seeds["protocol"] == baseline
    theirs = seeds[is_baseline].drop(columns="protocol").rename(columns={"seeds": "theirs"})
    found = seeds[~is_baseline].merge(theirs, on=list(by), how="left").fillna({"theirs": 0})
    columns = ["mean", "low", "high", "std", "count", "left_out"]
    if pairs.empty:
        found = found.assign(**dict.fromkeys(columns, math.nan))
    else:
        means = over_seeds(
            pairs,
            "difference",
            by=groups,
            confidence=confidence,
            method=method,
            bounds=(bounds[0] - bounds[1], bounds[1] - bounds[0]),
        )
        found = found.merge(means, on=groups, how="left")
    found = found.fillna({"count": 0, "left_out": 0})
    paired = found["count"] + found["left_out"]
    found["unpaired"] = found["seeds"] + found["theirs"] - 2 * paired
    counts = dict.fromkeys(("count", "left_out", "unpaired"), "int64")
    return found.astype(counts)[[*groups, *columns, "unpaired"]]


def p_value(difference: Interval) -> float:
    """Of Student's paired test whether a mean difference is zero; NaN for fewer than two pairs."""
    if difference.count < 2:
        return math.nan
    if difference.std == 0:
        return 1.0 if difference.mean == 0 else 0.0
    from scipy.special import stdtr  # takes 0.2 s, which only who tests waits for

    score = abs(difference.mean) * math.sqrt(difference.count) / difference.std
    return 2 * float(stdtr(difference.count - 1, -score))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values, corrected for how many there are: one below 0.05 holds beside all others.

    By Holm's steps, which need not know how the tests depend on each other. A NaN, of a test that
    could not be made, stays and isn't counted.
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if not math.isnan(p))
    found, highest = [math.nan] * len(p_values), 0.0
    for rank, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        found[place] = highest
    return found


@dataclass(frozen=True)
class Crossing:
    """Where, along an axis, one protocol overtakes another."""

    at: float
    """Where the mean difference is zero."""
    low: float
    """From here to `high` the interval holds zero, so either may be ahead; -inf where it holds it
    down to the lowest value that was tried."""
    high: float
    """inf where it holds it up to the highest; NaN, as is `low`, where there is no interval."""


def crossings(at: Sequence[float], found: Sequence[Interval]) -> tuple[Crossing, ...]:
    """Where the mean of a difference changes its sign: nowhere, once or more often.

    `at`: the values along the axis, rising; `found`: the difference at each of them. Between two
    values means and ends of intervals are interpolated linearly. A difference that is zero at
    several values in a row changes its sign in their middle. A value whose mean is NaN is skipped.
    """
    known = [(x, one) for x, one in zip(at, found, strict=True) if math.isfinite(one.mean)]
    signed = [(x, one.mean) for x, one in known if one.mean != 0]
    # Where one end of the interval leaves zero behind, to either side.
    edges = [
        *_changes([(x, one.low) for x, one in known], lambda low: low > 0),
        *_changes([(x, one.high) for x, one in known], lambda high: high < 0),
    ]
    is_known = all(math.isfinite(one.low) for _, one in known)
    places = _changes(signed, lambda mean: mean > 0)
    return tuple(
        Crossing(
            place,
            max((x for x in edges if x <= place), default=-math.inf) if is_known else math.nan,
            min((x for x in edges if x >= place), default=math.inf) if is_known else math.nan,
        )
        for place in map(partial(_middle, known), places)
    )


def _changes(curve: Sequence[tuple[float, float]], beyond: Callable[[float], bool]) -> list[float]:
    """Where a line through points [(x, y)] passes zero, so that `beyond(y)` changes."""
    return [
        x if y == 0 else x + (after_x - x) * y / (y - after_y)
        for (x, y), (after_x, after_y) in pairwise(curve)
        if beyond(y) != beyond(after_y)
    ]


def _middle(known: Sequence[tuple[float, Interval]], place: float) -> float:
    """`place`, or the middle of the values around it at which the mean is zero."""
    before = [x for x, one in known if one.mean != 0 and x <= place]
    after = [x for x, one in known if one.mean != 0 and x >= place]
    zeros = [x for x, _ in known if before[-1] < x < after[0]]
    return (zeros[0] + zeros[-1]) / 2 if zeros else place


def seeds_needed(std: float, half_width: float, *, confidence: float = 0.95) -> int:
    """The fewest seeds whose interval by Student's t is mean ± `half_width` or narrower.

    `std`: the standard deviation of one seed, taken as known: if it comes from a few seeds, it may
    be half or double of that, and so may the width that comes out. At least 2. Raises ResultError
    for a width that isn't above zero, or a std that isn't a number of zero or more.
    """
    check_confidence(confidence)
    if not 0 < half_width < math.inf:
        raise ResultError(f"half_width: is {half_width!r}; allowed: a number above zero")
    if not 0 <= std < math.inf:
        raise ResultError(f"std: is {std!r}; allowed: a number of zero or more")
    # Student's quantile is above the normal's, its limit: fewer seeds than that never do.
    least = student_quantile(10**9, confidence) * std / half_width
    seeds = max(2, math.ceil(least**2))
    while student_quantile(seeds - 1, confidence) * std / math.sqrt(seeds) > half_width:
        seeds += 1
    return seeds


def more_seeds(
    values: Iterable[float], half_width: float, *, confidence: float = 0.95
) -> int | None:
    """How many seeds to add to those that `values` come from, until their mean is ± `half_width`.

    0 if they do already; None if fewer than two of them are finite, which tells no spread. Those
    that aren't finite count as not there. See `seeds_needed`.
    """
    found = mean_interval(values, confidence=confidence)
    if found.count < 2:
        return None
    return max(0, seeds_needed(found.std, half_width, confidence=confidence) - found.count)


def kaplan_meier(
    frame: pd.DataFrame, *, by: Sequence[str] = POINT_AND_PROTOCOL, confidence: float = 0.95
) -> pd.DataFrame:
    """The share of runs that have not reached their target, as a step function of `time`.

    `frame`: `value`, `reached` and the columns of `by`, one row per run or failure, as `to_target`
    or the recoveries give them; `value` may be bytes or rounds as well. Where `reached` is False it
    took longer than `value` (censored there).

    Columns: those of `by`; `time`, first 0 and then each value at which something happens;
    `survival`, which holds from there to the next row; `low`, `high`, its pointwise interval, NaN
    where the share is still 1 or already 0; `at_risk`, runs that had not got there, nor ended,
    before; `events`, runs that got there; `left_out`, runs of the group whose value is NaN. A group
    that has only those has one row, without a share.
    """
    check(frame, [*by, "value", "reached"], "frame")
    check_confidence(confidence)
    parts = []
    for key, group in frame.groupby(list(by), observed=True):
        known = group[group["value"].notna()]
        reached = known["reached"].to_numpy(dtype=np.bool_)
        steps = _steps(known["value"].to_numpy(np.float64), reached, confidence)
        # A row, since a name may be any text, and a group is of one.
        named = pd.DataFrame([key], columns=list(by)).assign(left_out=len(group) - len(known))
        parts.append(named.merge(steps, how="cross"))
    found = pd.concat(parts, ignore_index=True)
    found = found.astype({name: frame[name].dtype for name in by})
    columns = ("time", "survival", "low", "high", "at_risk", "events", "left_out")
    return found[[*by, *columns]]


def _steps(values: Floats, reached: Any, confidence: float) -> pd.DataFrame:
    """One group's columns, but for who it is; `values` has no NaN."""
    start = {"time": 0.0, "survival": 1.0 if len(values) else np.nan, "low": np.nan, "high": np.nan}
    first = pd.DataFrame([{**start, "at_risk": len(values), "events": 0}])
    if not len(values):
        return first
    times = np.unique(values)
    at_risk = np.array([(values >= time).sum() for time in times])
    events = np.array([(values[reached] == time).sum() for time in times])
    survival = np.cumprod((at_risk - events) / at_risk)
    low, high = _greenwood(survival, at_risk, events, confidence)
    columns = (times, survival, low, high, at_risk, events)
    found = pd.DataFrame(dict(zip(first, columns, strict=True)))
    return pd.concat([first, found], ignore_index=True) if times[0] > 0 else found


def _greenwood(
    survival: Floats, at_risk: Floats, events: Floats, confidence: float
) -> tuple[Floats, Floats]:
    """The interval on the scale of log(-log S), as `scipy.stats.ecdf` has it.

    That takes a second to import, which each run would wait for.
    """
    from scipy.special import ndtri

    with np.errstate(divide="ignore", invalid="ignore"):  # NaN where the share is 0 or 1.
        sums = np.cumsum(events / (at_risk * (at_risk - events)))
        reach = ndtri((1 + confidence) / 2) * np.sqrt(sums) / np.abs(np.log(survival))
        centre = np.log(-np.log(survival))
        return np.exp(-np.exp(centre + reach)), np.exp(-np.exp(centre - reach))


def median_time(frame: pd.DataFrame, *, by: Sequence[str] = POINT_AND_PROTOCOL) -> pd.DataFrame:
    """By when half of the runs had got there: the first time at which the survival is at most 1/2.

    `frame`: as for `kaplan_meier`. Columns: those of `by`; `median`, NaN where fewer than half ever
    got there; `count` of runs, `reached` of those that got there; `left_out`.
    """
    curves = kaplan_meier(frame, by=by)
    half = curves[curves["survival"] <= 0.5].drop_duplicates(list(by))
    groups = curves.groupby(list(by), observed=True)
    found = groups.agg(
        count=("at_risk", "first"), reached=("events", "sum"), left_out=("left_out", "first")
    ).reset_index()
    found = found.merge(
        half[[*by, "time"]].rename(columns={"time": "median"}), on=list(by), how="left"
    )
    return found[[*by, "median", "count", "reached", "left_out"]]
