"""One result folder or several, as the panels of one figure."""

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.canvas.choices import MOST_PANELS, few_points
from analysis.canvas.scale import panel_names, value_lines
from analysis.frames import listed
from analysis.results import Names, Results
from sim.record.errors import ResultError

Several = Results | Sequence[Results]
"""Of one folder, or of several that are shown together."""


@dataclass(frozen=True)
class Panel:
    """One point of one folder."""

    results: Results
    point: str
    title: str
    """What tells it from the others; empty where it is alone."""


def each(results: Several) -> tuple[Results, ...]:
    """One or several as several."""
    return (results,) if isinstance(results, Results) else tuple(results)


def labels(results: Several) -> list[str]:
    """What each is called: its scenario, or its folder if scenarios of one name are compared."""
    several = each(results)
    paths = [one.folder for one in several]
    for names in ([one.name for one in several], [path.name for path in paths]):
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]


def panels_of(results: Several, points: Names | None) -> list[Panel]:
    """A panel for each chosen point, folder by folder.

    Raises ResultError if they are too many to be read, and for `points` of several folders, which
    may each have another one of that name.
    """
    several = each(results)
    if len(several) == 1:
        (alone,) = several
        names = few_points(alone, points)
        titles = panel_names(alone, names)
        return [Panel(alone, *both) for both in zip(names, titles, strict=True)]
    if points is not None:
        raise ResultError("--point: is for one folder; allowed with several: --where PATH=VALUE")
    found = [
        panel
        for one, label in zip(several, labels(several), strict=True)
        for panel in _labelled(one, label)
    ]
    if len(found) > MOST_PANELS:
        raise ResultError(
            f"{listed(one.folder for one in several)}: have {len(found)} points, too many for one "
            f"figure; allowed: at most {MOST_PANELS}, chosen by --where"
        )
    return found


def _labelled(results: Results, label: str) -> list[Panel]:
    names = [str(name) for name in results.points["point"]]
    return [Panel(results, name, "\n".join([label, *value_lines(results, name)])) for name in names]


def common_metric(results: Several, metric: str | None) -> str:
    """The named metric, or the one that all are judged by. Raises ResultError if these differ."""
    several = each(results)
    own = dict.fromkeys(one.metric for one in several)
    if metric is None and len(own) > 1:
        judged = ", ".join(f"{one.folder} by {one.metric}" for one in several)
        what = f"the folders are judged by different metrics: {judged}"
        raise ResultError(f"{what}; allowed: --metric, one that all have")
    return metric or several[0].metric
