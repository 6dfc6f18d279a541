"""What a reader should know before believing the page: what is missing, unsure or unequal."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from analysis.comparison import Comparison, count_text, difference_text, is_told
from analysis.figures.scale import point_name
from analysis.results import Results
from analysis.statistics import Interval, seeds_needed
from sim.record.rows import FAILED
from sim.record.words import bytes_text

EQUAL_WORK = 1.1
"""Up to this ratio of rounds, or of bytes, two protocols count as having done equal work."""
MANY_SEEDS = 1000
"""A difference that would need more seeds than this is as good as none."""


@dataclass(frozen=True)
class Caution:
    """One line, and what it is about in full."""

    text: str
    details: tuple[str, ...] = ()


def cautions(results: Results, found: Comparison) -> tuple[Caution, ...]:
    """All of them, the gravest first."""
    return (
        *_missing(results),
        *_diverged(results, found),
        *_few_seeds(results, found),
        *_unequal_work(results, found),
    )


def _missing(results: Results) -> Iterator[Caution]:
    for status, rows in results.missing.groupby("status", observed=True):
        details = [
            f"{_where(results, point)}{protocol} seed {seed}: {cause}"
            for point, protocol, seed, cause in rows[
                ["point", "protocol", "seed", "cause"]
            ].itertuples(index=False)
        ]
        what = "have failed" if status == FAILED else "are missing"
        yield Caution(
            f"{len(rows)} of {len(results.runs)} runs {what}; figures and tables are without them.",
            tuple(details),
        )


def _diverged(results: Results, found: Comparison) -> Iterator[Caution]:
    details = [
        f"{_where(results, point)}{protocol}: {one.left_out} of {one.count + one.left_out} seeds"
        for (point, protocol), one in found.means["mean"].items()
        if one.left_out
    ]
    if details:
        yield Caution("Models have diverged; the means are without their seeds.", tuple(details))


def _few_seeds(results: Results, found: Comparison) -> Iterator[Caution]:
    if max(one.count for one in found.means["mean"].values()) < 2:
        yield Caution("One seed tells no spread: there are no intervals. Add at least one more.")
        return
    details = [
        f"{_where(results, point)}{protocol}: {difference_text(one)}; {_more_seeds(one)}"
        for (point, protocol), one in found.differences.items()
        if not is_told(one)
    ]
    if details:
        yield Caution(
            f"{len(details)} of {len(found.differences)} differences to {found.baseline} "
            "cannot be told from zero with these seeds.",
            tuple(details),
        )


def _more_seeds(difference: Interval) -> str:
    """How many would tell it from zero, if it and its spread stay what they are."""
    if difference.count < 2:
        return "at least two seeds of both are needed"
    if difference.mean == 0:
        return "equal in all seeds" if difference.std == 0 else "no number of seeds would do"
    needed = seeds_needed(difference.std, abs(difference.mean))
    if needed > MANY_SEEDS:
        return f"more than {MANY_SEEDS:,} seeds would be needed"
    more = needed - difference.count
    return f"about {more} more seed{'' if more == 1 else 's'} would be needed"


def _unequal_work(results: Results, found: Comparison) -> Iterator[Caution]:
    rounds, size = found.means["local_rounds"], found.means["bytes_received"]
    details = [
        _where(results, one[0])
        + ", ".join(
            f"{key[1]} {count_text(rounds[key].mean)} local rounds and {bytes_text(size[key].mean)}"
            for key in (one, other)
        )
        for one, other in itertools.combinations(rounds, 2)
        if one[0] == other[0]
        and not results.about[one[1]].is_reference
        and not results.about[other[1]].is_reference
        and any(_apart(work[one].mean, work[other].mean) for work in (rounds, size))
    ]
    if details:
        yield Caution(
            "Equal virtual time is not equal work: protocols differ by more than "
            f"{100 * (EQUAL_WORK - 1):.0f} % in local rounds or in bytes received. "
            "Compare them at equal work, too.",
            tuple(details),
        )


def _apart(one: float, other: float) -> bool:
    return max(one, other) > EQUAL_WORK * min(one, other)


def _where(results: Results, point: object) -> str:
    name = point_name(results, str(point))
    return f"{name}: " if name else ""
