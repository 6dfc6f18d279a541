"""What came out, in one sentence, built from the comparison."""

from collections.abc import Collection, Sequence

from analysis.canvas.choices import stages_of
from analysis.canvas.scale import point_name
from analysis.comparison import (
    BYTES,
    EPOCHS,
    EQUALS,
    TIME,
    TWO,
    Comparison,
    Contrast,
    difference_text,
    holding,
    is_told,
    shown_contrasts,
)
from analysis.results import Results
from analysis.statistics import Interval
from sim.record.metrics import is_rising

MOST_NAMED = 4
"""Of more points than these their number is told."""

Kept = Collection[Contrast]
"""Those that hold beside all others."""


def answer(results: Results, found: Comparison) -> str:
    """Which protocol is ahead of the baseline, by how much, and whether that holds.

    About the clients' models as received, unless only the other stage was scored: at equal time,
    and the same at equal epochs and bytes. What holds does so after the correction over all
    differences that the tables show. References are told of only where there is nothing else.
    """
    if found.baseline is None:
        return "Only one protocol has finished runs, so there is nothing to compare."
    all_names = list(dict.fromkeys(protocol for _, protocol in found.differences))
    names = [name for name in all_names if not results.about[name].is_reference] or all_names
    shown = shown_contrasts(results, found)
    kept, tested = holding(shown), sum(one.count >= TWO for one in shown.values())
    say = _of_sweep if results.is_sweep else _of_run
    said = "; ".join(say(results, found, kept, name) for name in names)
    seeds = len(results.seeds)
    told = f"models as {stages_of(results)[0]}, {seeds} seed{'' if seeds == 1 else 's'}"
    if tested > 1:
        told += f"; what holds does so beside the {tested - 1} other differences of the tables"
    return f"At the end, {said} ({told})."


def _of_run(results: Results, found: Comparison, kept: Kept, name: str) -> str:
    own = _by_equal(found, name)
    (first,) = own[TIME]
    whose = f"{found.baseline}'s"
    side = (
        f"{_side(results, found.contrasts[first])} than" if first in kept else "not told apart from"
    )
    told = "; ".join(
        f"at equal {text} {_difference_text(found.contrasts[one], one in kept)}"
        for equal, text in _equals(found).items()
        for one in own[equal]
    )
    return f"the {results.metric} of {name}'s mean client is {side} {whose}: {told}"


def _of_sweep(results: Results, found: Comparison, kept: Kept, name: str) -> str:
    own = _by_equal(found, name)
    told = "; ".join(
        f"at equal {text} {_sides(results, found, kept, own[equal])}"
        for equal, text in _equals(found).items()
        if own[equal]
    )
    return f"by the {results.metric} of its mean client, {name} is {told}"


def _sides(results: Results, found: Comparison, kept: Kept, contrasts: Sequence[Contrast]) -> str:
    """At which points it is ahead, behind, or neither."""
    words = {"better": "ahead of", "worse": "behind", "": "not told apart from"}
    groups: dict[str, list[str]] = {side: [] for side in words}
    for one in contrasts:
        side = _side(results, found.contrasts[one]) if one in kept else ""
        groups[side].append(one.point)
    return ", ".join(
        f"{words[side]} {found.baseline} at {_points(results, points)}"
        for side, points in groups.items()
        if points
    )


def _by_equal(found: Comparison, name: str) -> dict[str, list[Contrast]]:
    """The protocol's differences of the headline's score, by what is equal."""
    own = [one for one in found.contrasts if (one.protocol, one.score) == (name, found.headline)]
    return {equal: [one for one in own if one.equal == equal] for equal in EQUALS}


def _equals(found: Comparison) -> dict[str, str]:
    """What is made equal, as a sentence has it."""
    return {TIME: "time", EPOCHS: found.effort.split()[-1], BYTES: "bytes"}


def _side(results: Results, difference: Interval) -> str:
    rising = is_rising(results.metric, results.directions)
    return "better" if (difference.mean > 0) == rising else "worse"


def _difference_text(difference: Interval, holds: bool) -> str:
    """With a word on a difference that seems sure, whether it holds beside the others."""
    more = ", which holds" if holds else ", which doesn't hold" if is_told(difference) else ""
    return difference_text(difference) + more


def _points(results: Results, points: list[str]) -> str:
    if len(points) == len(results.points):
        return "all points" if len(points) > 1 else "the only point"
    if len(points) > MOST_NAMED or len(results.paths) > 1:
        return f"{len(points)} of {len(results.points)} points"
    return " and ".join(point_name(results, point) for point in points)
