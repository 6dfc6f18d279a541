"""What a figure is made of: the chosen finished runs' curves, points and varied setting."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from analysis.frames import listed
from analysis.metrics import over_clients
from analysis.results import Names, Results
from analysis.statistics import POINT, over_seeds, paired_differences
from sim.record.errors import ResultError
from sim.record.metrics import limits
from sim.record.rows import FINISHED, RECEIVED, STAGES

MOST_PANELS = 6


def scores_of(
    results: Results,
    *,
    points: Names | None = None,
    metric: str | None = None,
    stage: str = RECEIVED,
) -> pd.DataFrame:
    """The scores of one metric, the scenario's own if none is named, and of one stage.

    Raises ResultError if there are none, or if only references have some.
    """
    found = results.scores(points=points, metric=metric or results.metric, stage=stage)
    runs = results.runs[results.runs["status"] == FINISHED]
    compared = [name for name, one in results.about.items() if not one.is_reference]
    if runs["protocol"].isin(compared).any() and not found["stage"].eq(stage).any():
        what = f"no scores of models as {stage}"
        raise ResultError(f"{results.folder}: {what}; allowed: those of evaluation.stages")
    return finished(results, found)


def stages_of(results: Results) -> list[str]:
    """The stages that were scored; only the first where all protocols are references."""
    known = results.scores(metric=results.metric, stage=None, columns=["stage"])["stage"]
    return [stage for stage in STAGES if known.eq(stage).any()] or [RECEIVED]


def finished(results: Results, scores: pd.DataFrame) -> pd.DataFrame:
    """The scores. Raises ResultError if there are none."""
    if scores.empty:
        what = f"{results.folder}: none of the chosen runs is finished"
        raise ResultError(f"{what}; allowed: a folder with at least one finished run")
    return scores


def curves(
    results: Results,
    *,
    points: Names | None = None,
    metric: str | None = None,
    stage: str = RECEIVED,
) -> pd.DataFrame:
    """The clients' scores at each look, as `over_clients` gives them."""
    return over_clients(scores_of(results, points=points, metric=metric, stage=stage))


def means(
    results: Results, frame: pd.DataFrame, column: str, metric: str | None, *, by: Sequence[str]
) -> pd.DataFrame:
    """As `over_seeds`, of a column of scores of `metric`, with ends that a figure can show."""
    bounds = limits(metric or results.metric, results.bounds)
    return shown(over_seeds(frame, column, by=by, bounds=bounds))


def paired(
    results: Results,
    frame: pd.DataFrame,
    column: str,
    metric: str | None,
    baseline: str,
    *,
    by: Sequence[str] = POINT,
) -> pd.DataFrame:
    """As `paired_differences` to the baseline, with ends that a figure can show."""
    bounds = limits(metric or results.metric, results.bounds)
    return shown(paired_differences(frame, column, baseline, by=by, bounds=bounds))


def shown(found: pd.DataFrame) -> pd.DataFrame:
    """The frame, with `low` and `high` of two seeds those seeds' own values.

    Student's interval of two seeds reaches nine times as far as they lie apart.
    """
    apart = (found["std"] / np.sqrt(2)).where(found["count"] == 2)
    low = (found["mean"] - apart).fillna(found["low"])
    high = (found["mean"] + apart).fillna(found["high"])
    return found.assign(low=low, high=high)


def few_points(results: Results, points: Names | None) -> list[str]:
    """The chosen points, one a panel. Raises ResultError if they are too many to be read."""
    names = chosen_points(results, points)
    if len(names) > MOST_PANELS:
        raise ResultError(
            f"{results.folder}: {len(names)} points are too many for one figure;"
            f" choose at most {MOST_PANELS} of them; allowed: {listed(names)}"
        )
    return names


def only_point(results: Results, points: Names | None) -> str:
    """The one point that a figure is about. Raises ResultError if it is not clear which."""
    names = chosen_points(results, points)
    if len(names) != 1:
        raise ResultError(
            f"{results.folder}: this figure shows one point; choose it; allowed: {listed(names)}"
        )
    return names[0]


def chosen_points(results: Results, points: Names | None) -> list[str]:
    """The names in the scenario's order; all if none is chosen."""
    known = [str(name) for name in results.points["point"]]
    wanted = known if points is None else results.chosen("point", points, known)
    return [name for name in known if name in wanted]


def numeric_paths(results: Results) -> list[str]:
    """The varied settings whose values are numbers."""
    return [path for path in results.paths if is_numeric_dtype(results.points[path])]


def varying(results: Results, points: Names | None = None) -> list[str]:
    """The settings that differ among the chosen points."""
    frame = results.points[results.points["point"].isin(chosen_points(results, points))]
    return [path for path in results.paths if frame[path].nunique() > 1]


def varied_path(results: Results, path: str | None, points: Names | None = None) -> str:
    """The varied number that an axis shows.

    Raises ResultError if there is none, if it is not clear which, or if another setting is varied
    beside it, so that a line would join what differs in more than this.
    """
    numeric = numeric_paths(results)
    if not numeric or (path is not None and path not in numeric):
        what = f"{path!r} is not a varied number" if path else "no number is varied"
        allowed = listed(numeric) if numeric else "a sweep over numbers, such as a failure rate"
        raise ResultError(f"{results.folder}: {what}; allowed: {allowed}")
    varied = varying(results, points)
    candidates = [name for name in varied if name in numeric] or numeric
    found = path or candidates[0]
    _refuse_others(results, [name for name in varied if name != found], found)
    return found


def varied_pair(results: Results, points: Names | None = None) -> tuple[str, str]:
    """The two varied numbers that a map shows. Raises ResultError unless just these differ."""
    varied = varying(results, points)
    pair = [name for name in varied if name in numeric_paths(results)][:2]
    if len(pair) < 2:
        what = "two numbers must be varied for a map"
        allowed = f"a sweep over two numbers; {listed(varied)} varies here"
        raise ResultError(f"{results.folder}: {what}; allowed: {allowed}")
    _refuse_others(results, [name for name in varied if name not in pair], " and ".join(pair))
    return pair[0], pair[1]


def _refuse_others(results: Results, others: Sequence[str], shown: str) -> None:
    if others:
        values = listed(dict.fromkeys(results.written[others[0]].astype("str")))
        what = f"{listed(others)} varies beside {shown}; choose one value of it"
        allowed = f"--where {others[0]}=VALUE, of {values}"
        raise ResultError(f"{results.folder}: {what}; allowed: {allowed}")


def baseline_of(results: Results, baseline: str | None) -> str:
    """The protocol that others are compared with. Raises ResultError if it is not there."""
    if baseline is not None:
        results.chosen("protocol", baseline, results.protocols)
    return baseline or results.baseline


def default_figure(results: Results) -> str:
    """The one that answers what the results were made for."""
    numeric = [path for path in varying(results) if path in numeric_paths(results)]
    if not numeric:
        return "convergence"
    return "failure_rate" if len(numeric) == 1 else "map"


def only_protocol(results: Results, protocol: str | None) -> str:
    """The named protocol, or the first that is neither a reference nor has a server, or any."""
    if protocol is not None:
        results.chosen("protocol", protocol, results.protocols)
    about = results.about.items()
    peers = [name for name, one in about if not one.needs_server and not one.is_reference]
    return protocol or [*peers, *results.protocols][0]
