"""What a figure is made of: the chosen finished runs' curves, points and varied setting."""

import pandas as pd
from pandas.api.types import is_numeric_dtype

from analysis.frames import listed
from analysis.metrics import over_clients
from analysis.results import Names, Results
from sim.record.errors import ResultError

MOST_PANELS = 6


def scores_of(
    results: Results, *, points: Names | None = None, metric: str | None = None
) -> pd.DataFrame:
    """The scores of one metric, the scenario's own if none is named. Raises if there are none."""
    return finished(results, results.scores(points=points, metric=metric or results.metric))


def finished(results: Results, scores: pd.DataFrame) -> pd.DataFrame:
    """The scores. Raises ResultError if there are none."""
    if scores.empty:
        what = f"{results.folder}: none of the chosen runs is finished"
        raise ResultError(f"{what}; allowed: a folder with at least one finished run")
    return scores


def curves(
    results: Results, *, points: Names | None = None, metric: str | None = None
) -> pd.DataFrame:
    """The clients' scores at each look, as `over_clients` gives them."""
    return over_clients(scores_of(results, points=points, metric=metric))


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
    frame = results.points[results.points["point"].isin(chosen_points(results, points))]
    varied = [name for name in results.paths if frame[name].nunique() > 1]
    candidates = [name for name in varied if name in numeric] or numeric
    found = path or candidates[0]
    others = [name for name in varied if name != found]
    if others:
        raise ResultError(
            f"{results.folder}: {listed(others)} varies beside {found};"
            f" choose points with one value of it; allowed: {listed(frame['point'])}"
        )
    return found


def only_protocol(results: Results, protocol: str | None) -> str:
    """The named protocol, or the first that is neither a reference nor has a server, or any."""
    if protocol is not None:
        results.chosen("protocol", protocol, results.protocols)
    about = results.about.items()
    peers = [name for name, one in about if not one.needs_server and not one.is_reference]
    return protocol or [*peers, *results.protocols][0]
