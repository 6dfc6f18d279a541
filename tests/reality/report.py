"""The tables of docs/reality.md, as CSV and as Markdown."""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from tests.reality.compare import Comparison, Floats, Merges, together
from tests.reality.worlds import World

Compared = Mapping[World, Mapping[str, Comparison]]
"""By world and transport."""
Line = dict[str, str]
INTERVAL_S = 1.0
"""Between two heartbeats, in all worlds."""


def tables_of(compared: Compared) -> dict[str, list[Line]]:
    """All tables, by name; the goal's are of the worlds in its scope, if there are any."""
    ours = {world: each for world, each in compared.items() if world.is_in_scope}
    goals = {
        "goal": goal(ours),
        "times_by_protocol": _by(ours, _protocol, times),
        "events_by_protocol": _by(ours, _protocol, events),
    }
    return (goals if ours else {}) | {
        "times_by_world": _by(compared, _world, times),
        "events_by_world": _by(compared, _world, events),
        "times": _by(compared, _protocol_and_world, times),
        "events": _by(compared, _protocol_and_world, events),
    }


def write(tables: Mapping[str, list[Line]], folder: Path) -> None:
    """Write each table to the folder, as CSV."""
    for name, lines in tables.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(lines[0]))
            writer.writeheader()
            writer.writerows(lines)


def fill(page: Path, tables: Mapping[str, list[Line]]) -> None:
    """Let a page's tables, which stand between comments with their names, be these.

    Raises ValueError if the second of two comments is missing.
    """
    text = page.read_text(encoding="utf-8")
    for name, lines in tables.items():
        begin, end = f"<!-- table {name} -->", f"<!-- end of {name} -->"
        if begin in text:
            start = text.index(begin)
            rest = text[text.index(end, start) :]
            text = f"{text[:start]}{begin}\n\n{markdown(lines)}\n{rest}"
    page.write_text(text, encoding="utf-8")


def _protocol(world: World) -> str:
    return world.protocol


def _world(world: World) -> str:
    return world.name


def _protocol_and_world(world: World) -> str:
    return f"{world.protocol}:{world.name}"


def goal(compared: Compared) -> list[Line]:
    """What the goal asks for, of all worlds together."""
    whole = _whole(list(compared.values()))
    asked: dict[str, tuple[str, Callable[[Comparison], str]]] = {
        "round times, median error": ("5 %", lambda one: _percent(_median(one.rounds))),
        "detection times within a heartbeat": ("all", lambda one: _within(one.detections_s)),
        "merges in the same order": (
            "95 %",
            lambda one: _share(one.merges.in_order, one.merges.both),
        ),
        "pairs of merges in the same order": (
            "",
            lambda one: _share(one.merges.pairs_in_order, one.merges.pairs),
        ),
    }
    return [
        {"": name, "goal": wanted} | {model: find(one) for model, one in whole.items()}
        for name, (wanted, find) in asked.items()
    ]


def by_protocol(compared: Compared) -> dict[str, Mapping[str, Comparison]]:
    """Of the worlds in the goal's scope, all of a protocol's as one."""
    ours = {world: each for world, each in compared.items() if world.is_in_scope}
    return {name: _whole(runs) for name, runs in _grouped(ours, _protocol).items()}


def _whole(runs: Sequence[Mapping[str, Comparison]]) -> dict[str, Comparison]:
    """Of several worlds, by transport."""
    return {name: together([run[name] for run in runs]) for name in (runs[0] if runs else ())}


def _by(
    compared: Compared,
    key: Callable[[World], str],
    line: Callable[[Mapping[str, Comparison]], Line],
) -> list[Line]:
    """A line for all worlds that have the same key."""
    groups = _grouped(compared, key)
    return [{"": name} | line(_whole(runs)) for name, runs in groups.items()]


def _grouped(
    compared: Compared, key: Callable[[World], str]
) -> dict[str, list[Mapping[str, Comparison]]]:
    groups: dict[str, list[Mapping[str, Comparison]]] = {}
    for world, each in compared.items():
        groups.setdefault(key(world), []).append(each)
    return groups


def times(runs: Mapping[str, Comparison]) -> Line:
    """How far each transport is off, of transfers and of rounds."""
    first = next(iter(runs.values()))
    return (
        {"transfers": str(len(first.transfers))}
        | {f"{name}, transfers": _errors(one.transfers) for name, one in runs.items()}
        | {"rounds": str(len(first.rounds))}
        | {f"{name}, rounds": _errors(one.rounds) for name, one in runs.items()}
    )


def events(runs: Mapping[str, Comparison]) -> Line:
    """Who was suspected when, and what was merged, beside the first transport."""
    one = next(iter(runs.values()))
    return {
        "detections": str(len(one.detections_s)),
        "off by, s": _largest(one.detections_s),
        "on one side alone": str(one.undetected),
        "wrong": f"{one.wrong[0]} / {one.wrong[1]}",
        "merges": f"{one.merges.real} / {one.merges.predicted}",
        **{f"{name}, in order": _order(each.merges) for name, each in runs.items()},
        **{
            f"{name}, alike": _share(each.merges.alike, each.merges.both)
            for name, each in runs.items()
        },
    }


def _errors(errors: Floats) -> str:
    """Median and 95th percentile without sign, and the median with it, in per cent."""
    if not len(errors):
        return "–"
    median, most = 100 * _median(errors), 100 * np.quantile(np.abs(errors), 0.95)
    return f"{median:.1f} / {most:.0f} ({100 * np.median(errors):+.1f})"


def _median(errors: Floats) -> float:
    return float(np.median(np.abs(errors)))


def _within(delays_s: Floats) -> str:
    return f"{int((np.abs(delays_s) <= INTERVAL_S).sum())} of {len(delays_s)}"


def _largest(delays_s: Floats) -> str:
    """Median and largest, without sign."""
    return f"{_median(delays_s):.2f} / {np.abs(delays_s).max():.2f}" if len(delays_s) else "–"


def _order(merges: Merges) -> str:
    """Of merges, and of pairs of them, in per cent."""
    if not merges.pairs:
        return "–"
    shares = merges.in_order / merges.both, merges.pairs_in_order / merges.pairs
    return " / ".join(f"{100 * share:.0f}" for share in shares)


def _share(some: int, of: int) -> str:
    return f"{_percent(some / of)} of {of}" if of else "–"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def markdown(lines: Sequence[Line]) -> str:
    """A table."""
    rows: list[Iterable[str]] = [lines[0], ["---"] * len(lines[0])]
    rows += [line.values() for line in lines]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
