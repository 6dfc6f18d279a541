"""What faults come to together: whether they are possible, bearable, and of any effect."""

import itertools
from collections.abc import Iterator, Mapping, Sequence

from sim.faults import Fault
from sim.record.errors import Path, Refusal
from sim.record.rows import CLIENT, SERVER, client_name
from sim.record.words import time_text

MOST_EVENTS = 100_000_000
"""So many take an hour of real time, and tens of gigabytes for the trace."""


def check_faults(faults: Mapping[str, Fault], nodes: Sequence[str], duration_s: float) -> None:
    """Raise Refusal for a fault of unknown nodes, or of none, and for more than can be played.

    `nodes`: clients by number, then the server if there is one.
    """
    for name, fault in faults.items():
        try:
            _check_named(fault, sum(node != SERVER for node in nodes))
            fault.check(nodes)
        except Refusal as refusal:
            raise refusal.below("faults", name) from None
    events = {name: fault.events(duration_s, nodes) for name, fault in faults.items()}
    if events:
        most = max(events, key=lambda name: events[name])
        what = "failures and repairs"
        check_events(sum(events.values()), what, duration_s, ("faults", most))


def check_events(number: float, what: str, duration_s: float, path: Path) -> None:
    """Raise Refusal if so many of `what` within `duration_s` are more than can be played."""
    if number > MOST_EVENTS:
        what = f"about {number:.1g} {what} in {time_text(duration_s)}"
        raise Refusal(what, f"at most {MOST_EVENTS:,} in a run", path)


def _check_named(fault: Fault, clients: int) -> None:
    for path, node in fault.named():
        if node != SERVER and int(node.removeprefix(CLIENT)) >= clients:
            allowed = f"{client_name(0)} to {client_name(clients - 1)}, or {SERVER}"
            raise Refusal(f"{node} does not exist", allowed, path)


def idle_faults(
    faults: Mapping[str, Fault], nodes: Sequence[Sequence[str]], duration_s: float
) -> Iterator[str]:
    """Say, in a sentence each, which faults change nothing. `nodes`: of each protocol."""
    struck = {
        name: {node for each in nodes for node in fault.strikes(each)}
        for name, fault in faults.items()
    }
    for name, fault in faults.items():
        begins_s, _ = fault.window_s
        if begins_s >= duration_s:
            yield (
                f"faults.{name} begins at {time_text(begins_s)}, when the run of "
                f"{time_text(duration_s)} is over: it changes nothing"
            )
        elif not struck[name]:
            yield f"faults.{name} strikes no node that a protocol runs on: it changes nothing"
    crashes = [(name, fault) for name, fault in faults.items() if fault.crash_s is not None]
    for (name, fault), (other, another) in itertools.combinations(crashes, 2):
        (begins_s, ends_s), (other_begins_s, other_ends_s) = fault.window_s, another.window_s
        begins_s, ends_s = max(begins_s, other_begins_s), min(ends_s, other_ends_s)
        if struck[name] & struck[other] and begins_s < min(ends_s, duration_s):
            yield (
                f"faults.{name} and faults.{other} hold the same node down from "
                f"{time_text(begins_s)} on: while both do, one of them changes nothing"
            )
