"""What a reader should know before believing a table, as lines below it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from analysis.results import Results

MOST_LINES = 12


def caution_lines(results: Results) -> Iterator[str]:
    """A line for each caution; one that returns at other points of a sweep is said once."""
    found: dict[tuple[str, str | None], list[Mapping[str, Any]]] = {}
    for each in results.cautions:
        found.setdefault((each["kind"], each["protocol"]), []).append(each)
    for alike in list(found.values())[:MOST_LINES]:
        where = "; ".join(_where(results, alike))
        yield f"caution: {alike[0]['text']}" + (f" ({where})" if where else "")
    if (more := len(found) - MOST_LINES) > 0:
        yield f"and {more} more cautions: see run.json"


def _where(results: Results, alike: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Under which seeds the first of them holds, if not all; at which point, and at how many more.

    A number in its text is that of the first point.
    """
    first = alike[0]
    if len(first["seeds"]) < len(results.seeds):
        several = "seeds" if len(first["seeds"]) > 1 else "seed"
        yield f"{several} {', '.join(map(str, first['seeds']))}"
    points = len({each["point"] for each in alike})
    if results.is_sweep:
        yield f"at {first['point']}"
        if points > 1:
            yield f"likewise at {points - 1} more point" + ("s" if points > 2 else "")
