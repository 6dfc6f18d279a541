"""What each point and protocol came to, one row each, as numbers."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from analysis.canvas.several import Several, each
from analysis.comparison import EQUALS, PROGRESS, WORK, Comparison, Contrast, Key, compared
from analysis.metrics import COSTS, SCORES, SHARES
from analysis.metrics.common import POINT_AND_PROTOCOL
from analysis.results import Results
from analysis.statistics import Interval
from analysis.tuning import chosen_texts, tuned
from sim.record.rows import FINISHED

_COUNT = "_n"
_Cells = dict[str, Any]


def closing_table(results: Several) -> pd.DataFrame:
    """A row per folder, point and protocol, finished or not, in the scenario's order.

    Columns: scenario, folder; each varied path as it was written and, if it is a quantity, as a
    number of its base unit ("faults.churn.failure_rate (1/s)"); protocol, metric, baseline;
    `seeds`, how many runs there should be, and `finished`, how many there are. Of each of `SCORES`
    at the end, of `progress` after a crash and of each of `COSTS`, the mean over seeds, `_low` and
    `_high` (95 %; missing for one seed) and `_n`, how many have one. The same of each difference to
    the baseline: `mean_difference_time` is the mean client's at equal time; at equal local_epochs
    and bytes, too.
    `time_to_target_s`, missing where fewer than half got there, and `reached`, how many did; of
    clients that joined, of all seeds, `time_to_catch_up_s` and `caught_up`, see `catching_up`; the
    means of the work (see `work_lost`, `time_shares`); of each tuned path the value that most seeds
    chose. What no row has is no column.
    """
    several = [tuned(one) for one in each(results)]
    varied = {name: None for one in several for name in _value_columns(one)}
    frame = pd.DataFrame([row for one in several for row in _rows(one, varied)])
    counts = [name for name in map(str, frame) if name.endswith((_COUNT, "reached", "caught_up"))]
    return frame.astype(dict.fromkeys(counts, "Int64")).dropna(axis="columns", how="all")


def _rows(results: Results, varied: _Cells) -> Iterator[_Cells]:
    """`varied`: the columns of all folders' paths, empty where this one doesn't vary them."""
    found = compared(results)
    runs = results.runs.assign(is_done=results.runs["status"] == FINISHED)
    done = runs.groupby(POINT_AND_PROTOCOL, observed=True)["is_done"].agg(["size", "sum"])
    for point, protocol, seeds, finished in done.reset_index().itertuples(index=False, name=None):
        key = (str(point), str(protocol))
        yield (
            {"scenario": results.name, "folder": str(results.folder)}
            | varied
            | _values(results, key[0])
            | {"protocol": key[1], "metric": results.metric, "baseline": found.baseline}
            | {"seeds": seeds, "finished": finished}
            | _scores(found, key)
            | _differences(found, key)
            | _work(results, found, key)
        )


def _value_columns(results: Results) -> Iterator[str]:
    """What is varied, as it was written; and in base units, where it has a unit."""
    for path in results.paths:
        yield path
        if unit := results.units[path]:
            yield f"{path} ({unit})"


def _values(results: Results, point: str) -> _Cells:
    at = results.points["point"] == point
    cells: list[Any] = []
    for path in results.paths:
        cells.append(str(results.written.loc[at, path].iloc[0]))
        if results.units[path]:
            cells.append(results.points.loc[at, path].iloc[0])
    return dict(zip(_value_columns(results), cells, strict=True))


def _scores(found: Comparison, key: Key) -> _Cells:
    cells: _Cells = {}
    for name in (*SCORES, PROGRESS, *COSTS):
        cells |= _interval(name, found.means[name].get(key))
    return cells


def _differences(found: Comparison, key: Key) -> _Cells:
    cells: _Cells = {}
    for equal in EQUALS:
        for score in SCORES:
            one = found.contrasts.get(Contrast(*key, equal, score))
            cells |= _interval(f"{score}_difference_{equal}", one)
    return cells


def _interval(name: str, one: Interval | None) -> _Cells:
    if one is None or not one.count:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high", f"{name}{_COUNT}"))
    return {
        name: one.mean,
        f"{name}_low": one.low,
        f"{name}_high": one.high,
        f"{name}{_COUNT}": one.count,
    }


def _work(results: Results, found: Comparison, key: Key) -> _Cells:
    arrival, newcomers = found.arrivals.get(key), found.newcomers.get(key)
    tuned_to: Mapping[str, str | None] = {
        f"{path} (chosen)": chosen_texts(results, path).get(key)
        for path in (results.tune if results.chosen_values is not None else ())
    }
    return {
        "time_to_target_s": arrival.median_s if arrival else math.nan,
        "reached": arrival.reached if arrival else None,
        "time_to_catch_up_s": newcomers.median_s if newcomers else math.nan,
        "caught_up": newcomers.reached if newcomers else None,
        **{name: _mean(found, name, key) for name in (*WORK, *SHARES)},
        **tuned_to,
    }


def _mean(found: Comparison, name: str, key: Key) -> float:
    one = found.means[name].get(key)
    return math.nan if one is None else one.mean
