"""What a reader should know before believing a table, as lines below it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from analysis.results import Results

MOST_LINES = 12


def caution_lines(results: Results) -> Iterator[str]:
    """A line for each caution; one that returns at other points of a sweep is said once."""
    found: dict[tuple[str, str | None, int], list[Mapping[str, Any]]] = {}
    number = Counter[tuple[str, str | None, str]]()  # Of one kind there may be several at a point.
    for each in results.cautions:
        kind, protocol, point = each["kind"], each["protocol"], each["point"]
        found.setdefault((kind, protocol, number[kind, protocol, point]), []).append(each)
        number[kind, protocol, point] += 1
    for alike in list(found.values())[:MOST_LINES]:
        where = "; ".join(_where(results, alike))
        yield f"caution: {alike[0]['text']}" + (f" ({where})" if where else "")
    if (more := len(found) - MOST_LINES) > 0:
        yield f"and {more} more cautions: see run.json"


def _where(results: Results, alike: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Under which seeds the first of them holds, if not all; at which point, and at how many more.

    A number in its text is that of the first point alone, unless all say the same.
    """
    first = alike[0]
    if len(first["seeds"]) < len(results.seeds):
        several = "seeds" if len(first["seeds"]) > 1 else "seed"
        yield f"{several} {', '.join(map(str, first['seeds']))}"
    texts = {each["point"]: each["text"] for each in alike}
    more = len(texts) - 1
    if not results.is_sweep:
        return
    others = f"{more} more point{'s' if more > 1 else ''}" if more else ""
    if others and len(set(texts.values())) == 1:
        yield f"at {first['point']} and {others}"
        return
    yield f"at {first['point']}"
    if others:
        yield f"at {others} with other numbers"
