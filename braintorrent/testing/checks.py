"""Protocols and faults in random worlds: what every one of them promises, and whether it does."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from braintorrent.testing.again import Again, Rows, as_json
from braintorrent.testing.broken import Broken, explained
from braintorrent.testing.kinds import FAULT, PROTOCOL, chosen
from braintorrent.testing.trials import CUTS, STRIKES, Idle, Trial
from braintorrent.testing.worlds import random_world
from sim.faults import Fault
from sim.protocols import Protocol
from sim.record.rows import SERVER, TraceRow

MINE = "mine"
"""What the fault under test is called in its worlds."""


def check_protocol(
    protocol: str | type[Protocol] | Protocol,
    settings: Mapping[str, Any] | None = None,
    *,
    worlds: int = 50,
    seed: int = 0,
    only: int | None = None,
    lasts_s: float = 60.0,
) -> Counter[str]:
    """Play a protocol, with `settings` as in YAML, in random worlds; raise Broken if it fails.

    The worlds have up to 11 clients and a server, any latencies, speeds, bandwidths, losses,
    topologies and failure detectors, and up to four faults of all shipped kinds. In each of them

    - nothing is done by a node that is down, nor through its crash;
    - a node uses, combines and keeps only models that it made, has stored, or was sent, in a
      message that weighs something, since it last started;
    - the weights of what it combines sum to 1; a client trains one model at a time, in the time it
      takes;
    - nobody reads another node's life, pings whom it suspects, or sends to whom it knows to have
      left, or not to have joined;
    - versions never go back, and storage is lost by faults alone;
    - messages are conserved, time goes on, and the run lasts as long as the scenario says;
    - `seen()` yields every client once at each stage, and `staleness()` numbers;
    - faults strike as they do without any protocol;
    - the same world gives the same trace again, in another process and with nobody looking.

    `worlds`, `seed`: how many, and of which family; `only`: the number of the one to play;
    `lasts_s`: virtual seconds of the longest. Returns how often each kind of event happened, by its
    name in the trace: look whether what you care about did. An exception of the protocol's own is
    told as Broken too, its file and line first. Raises ScenarioError for a mistake in the settings.
    A loop that never yields hangs here, as it does in a run.

    >>> counts = check_protocol("braintorrent", {"peers": 2}, worlds=3)
    >>> counts["merge"] > 0
    True
    """
    kind = chosen(PROTOCOL, protocol, settings)
    numbers = range(worlds) if only is None else (only,)
    worlds_of = partial(random_world, seed, lasts_s=lasts_s, servers=kind.servers)
    trials = [Trial(worlds_of(number), kind) for number in numbers]
    call = f"check_protocol(..., seed={seed}, lasts_s={lasts_s:g}, only={{}})"
    counts = _checked(trials, type(kind), call, seed, lasts_s)
    if not counts["train"]:
        what = f"no local round was finished in any of {len(trials)} worlds of {lasts_s:g} s"
        raise Broken(f"{what}; give them longer by lasts_s, or time-outs that fit")
    return counts


def check_fault(
    fault: str | type[Fault] | Fault,
    settings: Mapping[str, Any] | None = None,
    *,
    worlds: int = 20,
    seed: int = 0,
    only: int | None = None,
    lasts_s: float = 60.0,
) -> Counter[str]:
    """Let a fault, with `settings` as in YAML, strike in random worlds; raise Broken if it fails.

    In each world it stands beside others, and BrainTorrent and FedAvg run. Of both holds what
    `check_protocol` says. The fault strikes only nodes that it says it does (`strikes`), within its
    `window_s` and at its `crash_s`, and, unless it says that it isn't `is_scheduled`, at the same
    times whatever protocol runs. Arguments, answer and errors are `check_protocol`'s; the counts
    are of what the fault itself did.

    >>> check_fault("crash", {"node": "client_0", "at": "2 s"}, worlds=3)["crash"] > 0
    True
    """
    mine = chosen(FAULT, fault, settings)
    numbers = range(worlds) if only is None else (only,)
    call = f"check_fault(..., seed={seed}, lasts_s={lasts_s:g}, only={{}})"
    protocols = (
        chosen(PROTOCOL, "braintorrent", {}),
        chosen(PROTOCOL, "fedavg", {"deadline": "5 s"}),
    )
    drawn = (random_world(seed, number, lasts_s) for number in numbers)
    trials = [Trial(world, each, {MINE: mine}) for world in drawn for each in protocols]
    return _checked(trials, type(mine), call, seed, lasts_s)


def _checked(
    trials: Sequence[Trial], subject: type, call: str, seed: int, lasts_s: float
) -> Counter[str]:
    """Check all trials; how often each kind of event happened, of a fault under test its own."""
    counts: Counter[str] = Counter()
    traces: list[Rows] = []
    with Again(trials, seed, lasts_s) as other:
        for trial in trials:
            with explained(subject, partial(_again, trial, call)):
                rows = trial.watched()
                check_faults(trial, rows)
            other.begin()  # What fails in the first world needs no other process.
            counts.update(row.kind for row in rows if not trial.faults or row.cause == MINE)
            traces.append(as_json(rows))
        with explained(subject, partial(_again, trials[0], call)):
            others = other.traces()
        for trial, first, second in zip(trials, traces, others, strict=True):
            with explained(subject, partial(_again, trial, call)):
                compare(trial, first, second)
    return counts


def _again(trial: Trial, call: str) -> str:
    number = trial.world.number
    return (
        f"world {number}: {call.format(number)} plays it again\n{trial.world.text(trial.scenario)}"
    )


# -- faults ------------------------------------------------------------------------------------


def check_faults(trial: Trial, rows: Sequence[TraceRow]) -> None:
    """Faults strike as if nobody did anything, and where and when they say."""
    nodes = trial.protocol.runs_on(trial.scenario.client_names)
    idle = Idle(names=trial.protocol.servers or (SERVER,))
    alone = Trial(trial.world, idle, trial.faults).unwatched()
    fixed = [node for node in nodes if node not in _unscheduled(trial, nodes)]
    for one, other in zip(_struck(rows, fixed), _struck(alone, fixed), strict=False):
        if one != other:
            raise Broken(f"faults strike otherwise than without a protocol: {one}, not {other}")
    for name, fault in trial.faults.items():
        for row in rows:
            if row.cause == name and row.kind in (*STRIKES, *CUTS):
                _check_strike(fault, row, nodes)


def _unscheduled(trial: Trial, nodes: Sequence[str]) -> set[str]:
    """Whose life depends on the protocol: on those that are gone no other fault can act."""
    faults = trial.scenario.faults.values()
    return {node for one in faults if not one.is_scheduled for node in one.strikes(nodes)}


def _struck(rows: Sequence[TraceRow], nodes: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        if row.kind in CUTS or (row.kind in STRIKES and row.node in nodes):
            yield row.time_s, row.node, row.kind, row.cause, row.factor
    yield math.inf, "", "", None, None


def _check_strike(fault: Fault, row: TraceRow, nodes: Sequence[str]) -> None:
    what = f"{row.kind} of {row.node or 'the network'} at {row.time_s:g} s"
    if row.node and row.node not in fault.strikes(nodes):
        raise Broken(f"{what}, but strikes() doesn't name it")
    from_s, to_s = fault.window_s
    if not from_s <= row.time_s <= to_s:
        raise Broken(f"{what}, but window_s is from {from_s:g} to {to_s:g}")
    if row.kind == "crash" and fault.crash_s not in (None, row.time_s):
        raise Broken(f"{what}, but crash_s is {fault.crash_s:g}")


# -- the same again ----------------------------------------------------------------------------


def compare(trial: Trial, first: Rows, second: Rows) -> None:
    """`first` was watched, `second` was not, and in another process if that could be."""
    if first == second:
        return
    if as_json(trial.watched()) == first and as_json(trial.unwatched()) != first:
        raise Broken(f"seen() or staleness() changes the world: {_difference(first, second)}")
    raise Broken(
        f"the same world gives another trace: {_difference(first, second)}; draw from "
        "world.streams, and let nothing depend on a set's order, on id, hash or the time of day"
    )


def _difference(first: Rows, second: Rows) -> str:
    """Where two traces part, in a line."""
    ends = ["the end"]
    for one, other in zip([*first, ends], [*second, ends], strict=False):
        if one != other:
            return f"{_short(one)} and then {_short(other)}"
    return "nothing"


def _short(row: Sequence[Any]) -> str:
    if len(row) == 1:
        return str(row[0])
    time_s, duration_s, node, kind = row[2:6]
    return f"({time_s + duration_s:g}, {node!r}, {kind!r})"
