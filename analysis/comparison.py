"""What runs came to over their seeds, and how tables and sentences write it."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import NamedTuple, TypeVar

import pandas as pd

from analysis.metrics import (
    COST_KINDS,
    COSTS,
    LOOK,
    LOSS_KINDS,
    PRESENCE_KINDS,
    RUN,
    SHARES,
    STATE_KINDS,
    WORK_KINDS,
    catching_up,
    costs,
    cumulated,
    final,
    not_after,
    progress_after_crash,
    round_lengths,
    thinned_work,
    time_shares,
    work_lost,
)
from analysis.metrics.common import POINT_AND_PROTOCOL, told_alike
from analysis.metrics.stages import GLOBAL, SCORES, reached_target, score_curves
from analysis.results import Results, Settings
from analysis.statistics import (
    UNBOUNDED,
    Crossing,
    Interval,
    crossings,
    holm,
    intervals_of,
    mean_interval,
    median_time,
    over_seeds,
    p_value,
)
from sim.record.metrics import OWN_SITE, validation_metric
from sim.record.points import TargetRecord
from sim.record.rows import FINISHED, RECEIVED, SERVER, STAGES, TRAINED
from sim.record.words import amount_text, time_text

Key = tuple[str, str]
"""Point and protocol."""
K = TypeVar("K")

PROGRESS = "progress"
WORK = ("local_rounds", "local_rounds_lost", "lost_share", "bytes_received")

TIME, EPOCHS, BYTES = "time", "local_epochs", "bytes"
EQUALS = (TIME, EPOCHS, BYTES)
"""What protocols have in common where they are compared: the virtual time; the local epochs per
client (see `Comparison.effort`); the bytes that all nodes received."""

NONE = "–"
"""Where there is no number."""
LEVEL = 0.05
"""Above this p-value a difference may well be chance."""
TWO = 2
_AVERAGED = (*SCORES, PROGRESS, *WORK, *SHARES, *COSTS)
_PRICED = ("costs", "clients", "server")
_ROWS_AT_ONCE = 500_000
_SCORE_COLUMNS = [*LOOK, "node", "stage", "value", "up", "member"]
_TRACE_COLUMNS = [
    *RUN,
    *("time_s", "duration_s", "node", "kind", "peer", "bytes", "cause", "updates"),
    *("round", "attempt", "asked"),
]
_KINDS = tuple(dict.fromkeys((*LOSS_KINDS, *STATE_KINDS, *WORK_KINDS, *COST_KINDS)))
# A server's model is compared as the global one; another protocol has none to subtract.
_CONTRASTED = tuple(name for name in SCORES if name != SERVER)
_SHOWN_OF_RUN = ("mean", "mean_trained", "own_site", "own_site_trained", GLOBAL)
_SHOWN_OF_SWEEP = ("mean", "mean_trained", GLOBAL)


class Contrast(NamedTuple):
    """One paired difference to the baseline: of equal scores, at equal cost."""

    point: str
    protocol: str
    equal: str
    """Of `EQUALS`."""
    score: str
    """Of `SCORES`."""


@dataclass(frozen=True)
class Arrival:
    """By when half of the runs had reached the target, by Kaplan and Meier's estimate."""

    median_s: float
    """NaN where fewer than half ever did."""
    count: int
    """Finished runs."""
    reached: int


@dataclass(frozen=True)
class Comparison:
    """What the finished runs of each point and protocol came to; empty if none is finished."""

    runs: pd.DataFrame
    """One row per finished run: point, protocol, seed, the columns of `SCORES` (at the last look;
    NaN where a run has no such score), `progress` (see `progress_after_crash`; NaN without a
    crash), those of `WORK` (see `work_lost`), of `SHARES` (see `time_shares`) and of `COSTS` (see
    `costs`), `value` and `reached` (see `to_target`; missing without a target)."""
    means: Mapping[str, Mapping[Key, Interval]]
    """By column of `SCORES`, `WORK`, `SHARES` and `COSTS`, and `progress`; every key has a finished
    run."""
    contrasts: Mapping[Contrast, Interval]
    """To the baseline's under the same seeds, of scores of equal stages that both have; a reference
    is compared at equal time and epochs only. None without a baseline."""
    amounts: Mapping[tuple[str, str], float]
    """By point and `EPOCHS` or `BYTES`, at how much of it they are compared; the seeds' mean."""
    arrivals: Mapping[Key, Arrival]
    """At the target, of the score that it is about; no keys of points without one."""
    newcomers: Mapping[Key, Arrival]
    """When half of those clients that joined, of all seeds, had caught up with the others in the
    models of the headline's stage: see `catching_up`; no keys where nobody joined."""
    baseline: str | None
    """That of the results, if it has a finished run, and another protocol has one."""
    stages: tuple[str, ...]
    """Those of clients' models that were evaluated."""
    effort: str
    """What is equal at equal local epochs: these, or local steps or rounds if that is all that
    tells how long each protocol's rounds are (see `round_lengths`)."""

    @property
    def headline(self) -> str:
        """The score that is compared first: the mean client's, as received if that is known."""
        return _headline(self.stages)

    @property
    def differences(self) -> Mapping[Key, Interval]:
        """Those of the headline at equal time."""
        return {
            (one.point, one.protocol): found
            for one, found in self.contrasts.items()
            if (one.equal, one.score) == (TIME, self.headline)
        }


def compared(results: Results) -> Comparison:
    """Reads the tables of a few points at a time: see `_batches`."""
    if not (results.runs["status"] == FINISHED).any():
        return Comparison(
            pd.DataFrame(), {name: {} for name in _AVERAGED}, {}, {}, {}, {}, None, (), ""
        )
    parts = [_of_points(results, *batch) for batch in _batches(results)]
    # Those of one point that are text become one type again.
    types = {name: results.runs[name].dtype for name in POINT_AND_PROTOCOL}
    runs = pd.concat([one.runs for one in parts], ignore_index=True).astype(types)
    limits = dict.fromkeys(SCORES, results.limits) | dict.fromkeys(SHARES, (0.0, 1.0))
    means = {
        name: _intervals(over_seeds(runs, name, bounds=limits.get(name, UNBOUNDED)))
        for name in _AVERAGED
    }
    baseline = None
    if {results.baseline} < {str(name) for name in runs["protocol"].unique()}:
        baseline = results.baseline
    return Comparison(
        runs,
        means,
        {key: each for one in parts for key, each in _contrasts(results, one)},
        {key: amount for one in parts for key, amount in _amounts(one)},
        _arrivals(runs),
        _arrivals(pd.concat([one.newcomers for one in parts], ignore_index=True).astype(types)),
        baseline,
        tuple(stage for stage in STAGES if any(stage in one.stages for one in parts)),
        parts[0].effort if len({one.effort for one in parts}) == 1 else "local work",
    )


def overtaking(results: Results, found: Comparison) -> dict[str, tuple[Crossing, ...]]:
    """By protocol, where it and the baseline are level in a sweep over one number.

    Of the headline at equal time; no keys if the sweep isn't one over at least two numbers, or if
    there is no baseline. In the unit of the path; see `crossings`.
    """
    if len(results.paths) != 1 or results.points[results.paths[0]].dtype != "float64":
        return {}
    places = results.points.sort_values(results.paths[0])
    if len(places) < TWO:
        return {}
    at = dict(zip(places["point"].astype("str"), places[results.paths[0]], strict=True))
    protocols = dict.fromkeys(protocol for _, protocol in found.differences)
    lines = {
        protocol: [(x, found.differences[point, protocol]) for point, x in at.items()
                   if (point, protocol) in found.differences]
        for protocol in protocols
    }  # fmt: skip
    return {
        protocol: crossings([x for x, _ in line], [one for _, one in line])
        for protocol, line in lines.items()
    }


def shown_contrasts(results: Results, found: Comparison) -> dict[Contrast, Interval]:
    """Those that tables show, on a terminal and on a page: what holds is told among all of them."""
    scores = _SHOWN_OF_SWEEP if results.paths else _SHOWN_OF_RUN
    return {one: own for one, own in found.contrasts.items() if one.score in scores}


def without_bytes(results: Results, found: Comparison) -> list[str]:
    """The protocols, but references, that at some point aren't compared at equal bytes, because
    they or the baseline received nothing, or had learned nothing by then.
    """
    had = {(one.point, one.protocol) for one in found.contrasts if one.equal == BYTES}
    lacking = dict.fromkeys(name for point, name in found.differences if (point, name) not in had)
    return [name for name in lacking if not results.about[name].is_reference]


def is_told(difference: Interval) -> bool:
    """Whether its interval leaves no doubt which of the two is larger."""
    return difference.low > 0 or difference.high < 0


def holding(differences: Mapping[K, Interval]) -> frozenset[K]:
    """Those that hold after Holm's correction over all of them, as those of one table are."""
    corrected = holm([p_value(one) for one in differences.values()])
    return frozenset(key for key, p in zip(differences, corrected, strict=True) if p < LEVEL)


def _headline(stages: Collection[str]) -> str:
    return "mean_trained" if TRAINED in stages and RECEIVED not in stages else "mean"


class _Told(NamedTuple):
    """What metrics are told of a point beside its tables."""

    target: TargetRecord | None
    effort: str
    lengths: Mapping[str, float]
    """See `round_lengths`."""
    priced: Settings
    protocols: Sequence[str]
    """Those that have finished runs."""


@dataclass(frozen=True)
class _Part:
    """The runs of some points, at their ends and at equal cost."""

    runs: pd.DataFrame
    """As in `Comparison`."""
    alike: Mapping[str, Mapping[str, pd.DataFrame]]
    """By point and what is equal: a row per run that is compared, with `SCORES` and `least`."""
    stages: frozenset[str]
    effort: str
    newcomers: pd.DataFrame
    """As `catching_up` has them."""


def _batches(results: Results) -> Iterator[tuple[list[str], _Told]]:
    """Points of which metrics are told the same, and whose tables are read at once.

    Not all, for the sake of memory; nor one at a time, since most of a metric's time is taken by
    what it asks of pandas, however few rows there are.
    """
    finished = results.runs[results.runs["status"] == FINISHED].drop_duplicates(POINT_AND_PROTOCOL)
    protocols = finished["protocol"].astype("str").groupby(finished["point"], observed=True)
    told = {str(point): _told(results, str(point), list(names)) for point, names in protocols}
    rows = accumulate(map(results.rows_at, told))
    # Where stages or looks differ, what isn't there at one point says nothing of another.
    is_apart = any(path.startswith(("evaluation.", "output.")) for path in results.paths)
    whole = dict(zip(told, rows, strict=True))
    keys = {
        point: (one, whole[point] // _ROWS_AT_ONCE, point if is_apart else "")
        for point, one in told.items()
    }
    for (one, *_), points in groupby(told, keys.__getitem__):
        yield list(points), one


def _told(results: Results, point: str, protocols: Sequence[str]) -> _Told:
    lengths = _round_lengths(results, point)
    return _Told(results.targets[point], *lengths, _priced(results, point), protocols)


def _of_points(results: Results, points: list[str], told: _Told) -> _Part:
    target = told.target
    metrics = {results.metric, f"{results.metric}_{OWN_SITE}"}
    metrics |= {validation_metric(target.metric)} if target else set()
    scores = results.scores(
        points=points, stage=None, metric=sorted(metrics), columns=_SCORE_COLUMNS
    )
    trace = results.trace(points=points, kinds=results.told(_KINDS), columns=_TRACE_COLUMNS)
    stages = frozenset(scores["stage"].dropna().astype("str"))
    curves = score_curves(scores, results.metric)
    work = cumulated(trace, scores)
    each = work["protocol"].astype("str").map(told.lengths)
    # Per client, of whom protocols may have another number: pooled is one machine.
    work[EPOCHS] = work["local_rounds"] * each / work["clients"]
    curves = curves.merge(work[[*RUN, "time_s", EPOCHS, "bytes_received"]])
    found = final(curves)[[*RUN, *SCORES]]
    crash_s = results.conditions["crash_s"]
    gained = progress_after_crash(told_alike(curves, scores), crash_s, column=_headline(stages))
    found = found.merge(gained[[*RUN, "value"]].rename(columns={"value": PROGRESS}), on=RUN)
    if len(results.told(_KINDS)) == len(_KINDS):
        found = found.merge(work_lost(trace, scores)[[*RUN, *WORK]], on=RUN)
        found = found.merge(time_shares(trace, scores), on=RUN)
        found = found.merge(costs(trace, scores, told.priced), on=RUN)
    else:
        found = found.merge(thinned_work(trace, work)[[*RUN, *WORK]], on=RUN)
        found = found.assign(**dict.fromkeys((*SHARES, *COSTS), math.nan))
    found = found.merge(reached_target(scores, target), on=RUN, how="left")
    alike: dict[str, dict[str, pd.DataFrame]] = {point: {} for point in points}
    for equal, looks in _at_equal_cost(results, curves):
        for point, rows in looks.groupby("point", observed=True):
            alike[str(point)][equal] = rows
    return _Part(found, alike, stages, told.effort, _newcomers(results, trace, scores, stages))


def _newcomers(
    results: Results, trace: pd.DataFrame, scores: pd.DataFrame, stages: Collection[str]
) -> pd.DataFrame:
    if not results.told(PRESENCE_KINDS):
        trace = told_alike(trace.head(0), scores)  # Nobody is known to have joined.
    stage = TRAINED if _headline(stages) == "mean_trained" else RECEIVED
    is_shown = scores["stage"].isna() | (scores["stage"] == stage)
    rows = scores[is_shown & (scores["metric"] == results.metric)]
    return catching_up(trace, told_alike(rows, scores))


def _priced(results: Results, point: str) -> Settings:
    """The settings that tell what the point's runs cost; a point's own take a while to read."""
    is_varied = any(path.partition(".")[0] in _PRICED for path in results.paths)
    has_costs = results.settings.get("costs") is not None
    return results.settings_at(point) if is_varied and has_costs else results.settings


def _round_lengths(results: Results, point: str) -> tuple[str, dict[str, float]]:
    # A point's own settings take a while to read, and seldom say anything else of this.
    parts = [path.partition(".")[0] for path in (*results.paths, *results.tune)]
    if not {"training", "protocols"} & set(parts):
        return round_lengths(results.settings)
    if any(path.endswith(("local_epochs", "local_steps")) for path in results.tune):
        return "local rounds", dict.fromkeys(results.protocols, 1.0)
    return round_lengths(results.settings_at(point))


def _at_equal_cost(results: Results, curves: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each run's last look at equal time, epochs and bytes.

    Where one protocol does very little, another's last look not after it is the first of all, at
    its initial model: that compares nothing, and is left out.
    """
    learning = [name for name in results.protocols if not results.about[name].is_reference]
    yield TIME, not_after(curves, "time_s")
    if learning:
        yield EPOCHS, _learned(not_after(curves, EPOCHS, learning), EPOCHS)
    sent = curves.groupby(POINT_AND_PROTOCOL, observed=True)["bytes_received"].transform("max")
    senders = curves[curves["protocol"].isin(learning) & (sent > 0)]
    if not senders.empty:
        yield BYTES, _learned(not_after(senders, "bytes_received"), "bytes_received")


def _learned(looks: pd.DataFrame, work: str) -> pd.DataFrame:
    """Those of `looks` by which some work had been done, if there was any to be compared at."""
    return looks[(looks[work] > 0) | (looks["least"] == 0)].reset_index(drop=True)


def _contrasts(results: Results, part: _Part) -> Iterator[tuple[Contrast, Interval]]:
    low, high = results.limits
    for point, equal, rows in _compared(part):
        by_protocol = {
            str(name): own.set_index("seed")[list(_CONTRASTED)]
            for name, own in rows.groupby("protocol", observed=True)
        }
        theirs = by_protocol.pop(results.baseline, None)
        if theirs is None:
            continue
        for protocol, own in by_protocol.items():
            seeds = own.index.intersection(theirs.index)
            pairs = own.loc[seeds] - theirs.loc[seeds]
            for name in _CONTRASTED:
                found = mean_interval(pairs[name], bounds=(low - high, high - low))
                if found.count:
                    yield Contrast(point, protocol, equal, name), found


def _amounts(part: _Part) -> Iterator[tuple[tuple[str, str], float]]:
    for point, equal, rows in _compared(part):
        if equal != TIME:
            yield (point, equal), float(rows.drop_duplicates("seed")["least"].mean())


def _compared(part: _Part) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Each point, what is equal, and the rows of its runs that are compared."""
    for point, by_equal in part.alike.items():
        for equal, rows in by_equal.items():
            yield point, equal, rows


def _intervals(frame: pd.DataFrame) -> dict[Key, Interval]:
    return dict(zip(_keys(frame), intervals_of(frame), strict=True))


def _arrivals(runs: pd.DataFrame) -> dict[Key, Arrival]:
    """Of `value` and `reached`, missing where there is no target."""
    known = runs[runs["reached"].notna()].astype({"reached": "bool"})
    if known.empty:
        return {}
    found = median_time(known)
    rows = found[["median", "count", "reached"]].itertuples(index=False, name=None)
    return {key: Arrival(*row) for key, row in zip(_keys(found), rows, strict=True)}


def _keys(frame: pd.DataFrame) -> list[Key]:
    return list(frame[POINT_AND_PROTOCOL].astype("str").itertuples(index=False, name=None))


def score_text(score: Interval) -> str:
    """A mean with its interval, as Student's t has it before bounds cut it off.

    Of two seeds, whose interval would be ten times too wide to tell anything, the mean alone.
    """
    return _text(f"{score.mean:.3f}", score)


def is_known(found: Comparison, name: str) -> bool:
    """Whether any run has a number in that column of `Comparison.means`."""
    return any(one.count for one in found.means[name].values())


def difference_text(difference: Interval) -> str:
    """The same with its sign."""
    sign = "−" if difference.mean < 0 else "+"
    return _text(f"{sign}{abs(difference.mean):.3f}", difference)


def cost_text(cost: Interval) -> str:
    """An amount of energy or of money in three digits, with its interval in the same places."""
    places = 2 - math.floor(math.log10(cost.mean)) if cost.mean > 0 else 0
    shown = f"{{:,.{max(0, places)}f}}".format
    return _text(shown(cost.mean), cost, shown)


def _text(mean: str, one: Interval, shown: Callable[[float], str] = "{:.3f}".format) -> str:
    if not math.isfinite(one.mean):
        return NONE
    if not math.isfinite(one.low) or one.count == TWO:
        return mean
    return f"{mean} ±{shown(max(one.high - one.mean, one.mean - one.low))}"


def over_text(results: Results) -> str:
    """What numbers of several seeds are: `score_text` and `difference_text` of them."""
    count = len(results.seeds)
    told = {1: "1 seed", TWO: "mean of two seeds"}
    return told.get(count, f"mean ± 95 % interval over {count} seeds") + results.sample_text


def chance_text(differences: Mapping[K, Interval]) -> str:
    """How many differences of a table chance would show, and what marks those that hold."""
    count = sum(one.count >= TWO for one in differences.values())
    if not count:
        return ""
    if count == 1:
        return "*: its 95 % interval leaves no zero"
    expected = f"{LEVEL * count:.1f}".removesuffix(".0")
    return (
        f"of {count} differences {expected} would have a 95 % interval without zero by chance; "
        "*: holds after Holm's correction over all of them"
    )


def median_text(median_s: float) -> str:
    """A median time to a target, NaN where fewer than half of the runs got there."""
    return time_text(median_s) if math.isfinite(median_s) else "not reached"


def count_text(count: float) -> str:
    """A mean number of things."""
    return f"{count:,.0f}" if math.isfinite(count) else NONE


def share_text(share: float) -> str:
    """A share in per cent."""
    return f"{100 * share:.1f} %" if math.isfinite(share) else NONE


def crossing_text(found: tuple[Crossing, ...], unit: str) -> str:
    """Where two protocols are level, in the unit of a varied path; "nowhere" if they never are."""
    return " and ".join(_crossing_text(one, unit) for one in found) or "nowhere"


def _crossing_text(one: Crossing, unit: str) -> str:
    at = amount_text(one.at, unit)
    if math.isnan(one.low):
        return at
    low = "the lowest" if one.low == -math.inf else amount_text(one.low, unit)
    high = "the highest" if one.high == math.inf else amount_text(one.high, unit)
    return f"{at} (not told apart from {low} to {high})"
