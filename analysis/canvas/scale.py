"""Units for axes: what a number in base units is shown in, and what a varied setting is called."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.results import Results

_MINUTE_S, _HOUR_S = 60.0, 3600.0
_LONG_S, _VERY_LONG_S = 120.0, 4 * _HOUR_S
_NAMED_PARTS = 2
_LONGEST_LINE = 34


@dataclass(frozen=True)
class Scale:
    """Shown is the value in base units times `factor`, in `unit` (none: a plain number)."""

    factor: float
    unit: str

    def label(self, name: str) -> str:
        """An axis's name with its unit."""
        return f"{name} ({self.unit})" if self.unit else name


_SCALES = {
    "1/s": Scale(_HOUR_S, "per hour"),
    "B/s": Scale(8e-6, "Mbit/s"),
    "W": Scale(1.0, "W"),
    "1/B": Scale(1e9, "per GB"),
    "1/J": Scale(3.6e6, "per kWh"),
}


def time_scale(longest_s: float) -> Scale:
    """Seconds, minutes or hours, by how long it lasts."""
    if longest_s >= _VERY_LONG_S:
        return Scale(1 / _HOUR_S, "h")
    return Scale(1 / _MINUTE_S, "min") if longest_s >= _LONG_S else Scale(1.0, "s")


def size_scale(largest_bytes: float) -> Scale:
    """Bytes, kB, MB or GB."""
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if largest_bytes >= size:
            return Scale(1 / size, unit)
    return Scale(1.0, "B")


def scale_of(results: Results, path: str) -> Scale:
    """How a varied setting's numbers are shown; events per second as events per hour."""
    largest = float(results.points[path].abs().max())
    kind = results.units[path]
    if kind == "s":
        return time_scale(largest)
    if kind == "B":
        return size_scale(largest)
    return _SCALES.get(kind, Scale(1.0, ""))


def path_name(path: str) -> str:
    """A varied setting's name for a reader: "churn failure rate"."""
    return " ".join(path.split(".")[-_NAMED_PARTS:]).replace("_", " ")


def point_name(results: Results, point: str) -> str:
    """The values of a point as the user wrote them; "" in a run."""
    return ", ".join(_values(results, point, results.paths))


def held(results: Results, points: Sequence[str]) -> list[str]:
    """The values that all these points have in common."""
    apart = _apart(results, points)
    return _values(results, points[0], [path for path in results.paths if path not in apart])


def panel_names(results: Results, points: Sequence[str]) -> list[str]:
    """A title for each point's panel: what tells it from the others, a line for each value."""
    apart = _apart(results, points)
    return ["\n".join(value_lines(results, point, apart)) for point in points]


def value_lines(results: Results, point: str, paths: Sequence[str] | None = None) -> list[str]:
    """The values of a point, of all that is varied or of some paths, in lines fit for a panel."""
    chosen = results.paths if paths is None else paths
    return [textwrap.fill(one, _LONGEST_LINE) for one in _values(results, point, chosen)]


def _apart(results: Results, points: Sequence[str]) -> list[str]:
    """The paths in which the points differ."""
    rows = results.written[results.written["point"].isin(list(points))]
    return [path for path in results.paths if rows[path].nunique() > 1]


def _values(results: Results, point: str, paths: Sequence[str]) -> list[str]:
    row = results.written[results.written["point"] == point].iloc[0]
    return [f"{path_name(path)} {row[path]}" for path in paths]
