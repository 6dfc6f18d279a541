"""What came out, in one sentence, built from the comparison."""

from collections.abc import Iterator, Mapping

from analysis.comparison import Comparison, difference_text, is_told
from analysis.figures.choices import stages_of
from analysis.figures.scale import point_name
from analysis.results import Results
from analysis.statistics import Interval
from sim.record.metrics import is_rising

MOST_NAMED = 4
"""Of more points than these their number is told."""


def answer(results: Results, found: Comparison) -> str:
    """Which protocol is ahead of the baseline, by how much, and whether that can be told from zero.

    About the clients' models as received, unless only the other stage was scored. References are
    told of only where there is nothing else.
    """
    if found.baseline is None:
        return "Only one protocol has finished runs, so there is nothing to compare."
    all_names = list(dict.fromkeys(protocol for _, protocol in found.differences))
    names = [name for name in all_names if not results.about[name].is_reference] or all_names
    said = [
        " ".join(_of_protocol(results, found.baseline, name, _of(found, name))) for name in names
    ]
    seeds = len(results.seeds)
    counted = f"{seeds} seed{'' if seeds == 1 else 's'}"
    told = f"models as {stages_of(results)[0]}, equal virtual time, {counted}"
    return f"{'; '.join(said)} ({told})."


def _of(found: Comparison, protocol: str) -> dict[str, Interval]:
    """The protocol's differences by point."""
    return {point: one for (point, name), one in found.differences.items() if name == protocol}


def _of_protocol(
    results: Results, baseline: str, name: str, differences: Mapping[str, Interval]
) -> Iterator[str]:
    rising = is_rising(results.metric, results.directions)
    if not results.is_sweep:
        (one,) = differences.values()
        yield f"At the end, the {results.metric} of {name}'s mean client is"
        if is_told(one):
            side = "better" if (one.mean > 0) == rising else "worse"
            yield f"{side} than {baseline}'s, by {difference_text(one)}"
        else:
            yield f"not told apart from {baseline}'s: the difference is {difference_text(one)}"
        return
    groups: dict[str, list[str]] = {"ahead of": [], "behind": [], "": []}
    for point, one in differences.items():
        side = "ahead of" if (one.mean > 0) == rising else "behind"
        groups[side if is_told(one) else ""].append(point)
    yield f"At the end, by the {results.metric} of its mean client, {name} is"
    yield ", ".join(
        f"{side} {baseline} at {_points(results, points)}"
        if side
        else f"not told apart from {baseline} at {_points(results, points)}"
        for side, points in groups.items()
        if points
    )


def _points(results: Results, points: list[str]) -> str:
    if len(points) == len(results.points):
        return "all points" if len(points) > 1 else "the only point"
    if len(points) > MOST_NAMED or len(results.paths) > 1:
        return f"{len(points)} of {len(results.points)} points"
    return " and ".join(point_name(results, point) for point in points)
