"""What a reader should know before believing the page: what is missing, unsure or unequal."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from analysis.canvas.look import seeds_text
from analysis.canvas.scale import point_name
from analysis.comparison import Comparison, difference_text, is_told
from analysis.results import Results
from analysis.statistics import Interval, seeds_needed
from sim.record.rows import FAILED

MANY_SEEDS = 1000
"""A difference that would need more seeds than this is as good as none."""


@dataclass(frozen=True)
class Caution:
    """One line, and what it is about in full."""

    text: str
    details: tuple[str, ...] = ()


def cautions(results: Results, found: Comparison) -> tuple[Caution, ...]:
    """All of them: what is missing, what the runs' records tell, and what is undecided."""
    return (*_missing(results), *_recorded(results), *_undecided(results, found))


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


def _recorded(results: Results) -> Iterator[Caution]:
    """What happened in the runs, as their folders tell it; once, if it did at several points."""
    alike: dict[tuple[str, str | None], list[Mapping[str, Any]]] = {}
    for one in results.cautions:
        alike.setdefault((one["kind"], one["protocol"]), []).append(one)
    for first, *others in alike.values():
        if not results.is_sweep:
            texts = [first, *others]
            yield from (Caution(_of_seeds(results, one)) for one in texts)
            continue
        details = [
            f"{_where(results, one['point'])}{_of_seeds(results, one)}" for one in (first, *others)
        ]
        points = len({one["point"] for one in (first, *others)})
        kind, whose = first["kind"], first["protocol"]
        head = f"{whose}: {kind}" if whose else kind.capitalize()
        yield Caution(
            f"{head}, at {points} of {len(results.points)} points.",
            tuple(details),
        )


def _of_seeds(results: Results, caution: Mapping[str, Any]) -> str:
    """Its sentence, with the seeds that it holds for, if not for all."""
    seeds = caution["seeds"]
    return str(caution["text"]) + (
        f" ({seeds_text(seeds)})" if 0 < len(seeds) < len(results.seeds) else ""
    )


def _undecided(results: Results, found: Comparison) -> Iterator[Caution]:
    """Of one seed there is nothing to say here: its record has it."""
    details = [
        f"{_where(results, point)}{protocol}: {difference_text(one)}; {_more_seeds(one)}"
        for (point, protocol), one in found.differences.items()
        if len(results.seeds) > 1 and not is_told(one)
    ]
    if details:
        command = f"braintorrent {'sweep' if results.is_sweep else 'run'} {results.source}"
        yield Caution(
            f"{len(details)} of {len(found.differences)} differences to {found.baseline} "
            "cannot be told from zero with these seeds: their 95 % intervals hold it.",
            (
                *details,
                f"More seeds train only what is new: {command} --seeds N --out {results.folder}",
            ),
        )


def _more_seeds(difference: Interval) -> str:
    """How many would tell it from zero, if it and its spread stay what they are."""
    if difference.count < 2:
        return "at least two seeds of both are needed"
    if difference.mean == 0:
        return "equal in all seeds" if difference.std == 0 else "no number of seeds would do"
    needed = seeds_needed(difference.std, abs(difference.mean))
    if needed > MANY_SEEDS:
        return f"more than {MANY_SEEDS:,} seeds would be needed for this difference alone"
    more = needed - difference.count
    seeds = f"{more} more seed{'' if more == 1 else 's'}"
    return f"about {seeds} would be needed for this difference alone"


def _where(results: Results, point: object) -> str:
    name = point_name(results, str(point))
    return f"{name}: " if name else ""
