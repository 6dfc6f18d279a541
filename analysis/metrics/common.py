"""What all metrics share: what a run is, which way a metric points, how frames are checked."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.frames import listed
from sim.record.errors import ResultError
from sim.record.metrics import is_rising
from sim.record.rows import AGGREGATE, CLIENT, POOLED

RUN = ["point", "protocol", "seed"]
"""The columns that name one run."""
POINT_AND_PROTOCOL = ["point", "protocol"]
LOOK = [*RUN, "metric", "time_s"]
"""The columns that name one metric at one look of the observer."""
CURVE = [*RUN, "metric"]
"""The columns that name one metric of one run over time."""

PerPoint = float | Mapping[str, float] | pd.Series
"""One number for all points, or one for each by its name, such as a column of `conditions`."""
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

# A time and a duration are rounded, and so is their sum: an end may miss its own instant by a bit.
_ROUNDING = 1e-9


def check(frame: pd.DataFrame, columns: Iterable[str], what: str) -> None:
    """Raise ResultError, which calls the frame `what`, if it lacks columns or has no rows."""
    _check_columns(frame, columns, what)
    if frame.empty:
        raise ResultError(f"{what}: has no rows; allowed: those of at least one finished run")


def _check_columns(frame: pd.DataFrame, columns: Iterable[str], what: str) -> None:
    for name in columns:
        if name not in frame:
            present = listed(frame.columns)
            raise ResultError(f"{what}: lacks the column {name}; it has {present}")


def check_trace(
    trace: pd.DataFrame, scores: pd.DataFrame, kinds: Sequence[str], columns: Iterable[str] = ()
) -> None:
    """Raise ResultError unless the trace is whole in `kinds`, and of runs that `scores` has."""
    _check_columns(trace, [*RUN, "time_s", "duration_s", "node", "kind", *columns], "trace")
    chosen = trace.attrs.get("kinds")
    lacking = [kind for kind in kinds if chosen is not None and kind not in chosen]
    if lacking:
        raise ResultError(f"trace: was read without {listed(lacking)}; needed: {listed(kinds)}")
    if trace.attrs.get("nodes") is not None:
        raise ResultError("trace: was read for some nodes; needed: all, since peers tell of others")
    if (index_of(trace.drop_duplicates(RUN), runs_of(scores), RUN) < 0).any():
        raise ResultError("trace: has runs that the scores do not have; allowed: the same runs")


def check_one_stage(scores: pd.DataFrame) -> None:
    """Raise ResultError if a model of one node stands there twice, as received and as trained."""
    if "stage" in scores:
        twice = scores["stage"].nunique() > 1
    else:
        keys = [name for name in (*LOOK, "node") if name in scores]
        twice = "node" in keys and bool(scores.duplicated(keys).any())
    if twice:
        allowed = "one, see Results.scores(stage=...)"
        raise ResultError(f"frame: holds two stages; allowed: {allowed}")


def is_client(nodes: pd.Series) -> pd.Series:
    """Which of `nodes` learn: the clients, and the one pooled machine."""
    names = pd.Index(nodes.unique()).dropna()
    return nodes.isin([name for name in names if name.startswith(CLIENT) or name == POOLED])


def sign(frame: pd.DataFrame) -> Floats:
    """+1 where a larger value of the row's metric is better, -1 where a smaller one is.

    The frame's `attrs` tell which, as those of `Results.scores` do. Raises ResultError where they
    tell nothing of a metric, as in a frame that joins two tasks' scores.
    """
    names, directions = frame["metric"].astype("str"), frame.attrs.get("directions", {})
    try:
        rising = {name: is_rising(name, directions) for name in names.unique()}
    except KeyError as unknown:
        raise ResultError(
            f"frame: tells not which way {unknown} points; allowed: attrs['directions'] as scores "
            "have them, e.g. {'loss': 'lower'}"
        ) from None
    return np.where(names.map(rising), 1.0, -1.0)


def told_alike(frame: pd.DataFrame, source: pd.DataFrame) -> pd.DataFrame:
    """The frame with the `attrs` of what it was made from, which joining has lost."""
    frame.attrs = dict(source.attrs)
    return frame


def per_point(points: pd.Series, value: PerPoint, what: str) -> Floats:
    """The number for each row's point. Raises ResultError for a point that has none."""
    if isinstance(value, int | float):
        return np.full(len(points), float(value))
    if not isinstance(value, Mapping | pd.Series):
        raise ResultError(f"{what}: is {value!r}; allowed: a number, or one for each point")
    numbers = {str(name): float(number) for name, number in value.items()}
    lacking = [name for name in points.unique() if name not in numbers]
    if lacking:
        raise ResultError(f"{what}: lacks the points {listed(lacking)}")
    return np.array([numbers[name] for name in points], dtype=np.float64)


def runs_of(scores: pd.DataFrame) -> pd.DataFrame:
    """Each run with `end_s`, its last look, at which it ended. Raises ResultError if none is."""
    check(scores, [*RUN, "time_s"], "scores")
    return scores.groupby(RUN, observed=True)["time_s"].max().rename("end_s").reset_index()


def nodes_of(scores: pd.DataFrame) -> pd.DataFrame:
    """Each run's nodes with `end_s`, the run's end; without the aggregate, which is no node."""
    check(scores, [*RUN, "time_s", "node"], "scores")
    nodes = scores.loc[scores["node"] != AGGREGATE, [*RUN, "node"]].drop_duplicates()
    nodes = nodes.merge(runs_of(scores), on=RUN)
    return nodes.sort_values([*RUN, "node"], ignore_index=True)


def index_of(rows: pd.DataFrame, among: pd.DataFrame, keys: Sequence[str]) -> Ints:
    """For each row the place in `among` of the row with the same `keys`; -1 if there is none."""
    places = among[list(keys)].assign(place=np.arange(len(among)))
    found = rows[list(keys)].merge(places, on=list(keys), how="left")["place"]
    return found.fillna(-1).to_numpy(np.intp)


def ended_s(trace: pd.DataFrame) -> Floats:
    """When each row ended."""
    ends: Floats = (trace["time_s"] + trace["duration_s"]).to_numpy(np.float64)
    return ends


def no_later(time_s: Floats) -> Floats:
    """The times, moved back by what rounding may have added to them."""
    return time_s - _ROUNDING * np.maximum(1.0, time_s)


def first(rows: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """The earliest row of each group."""
    return rows.sort_values("time_s", kind="stable").drop_duplicates(list(keys))
