"""One protocol in one random world, played from start to end; what holds of the whole of it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from braintorrent.testing.counters import Counters
from braintorrent.testing.tiny import run
from braintorrent.testing.watched import Witness
from braintorrent.testing.worlds import RandomWorld
from sim.compute import ModelRef
from sim.faults import Fault
from sim.protocols import Protocol, Running, Seen
from sim.record.rows import AGGREGATE, SERVER, STAGES, TraceRow
from sim.runs.build import build
from sim.scenario import Scenario
from sim.world import Behaviour, Node, Tie, World

STRIKES = ("crash", "leave", "recover", "storage_lost", "slowdown", "degrade")
"""What faults do to nodes, those that are down already, too."""
CUTS = ("partition", "heal")
Down = tuple[float, float]


class Idle(Protocol):
    """Nobody does anything: what is left of a world are its faults. `names`: of its servers."""

    kind: str = "idle"
    names: tuple[str, ...] = (SERVER,)

    @property
    def servers(self) -> tuple[str, ...]:
        return self.names

    def run(self, world: World) -> Running:
        return _Idling(world)


class _Idling(Running):
    def behaviour(self, node: Node) -> Behaviour:
        yield node.clock.event()


@dataclass(frozen=True)
class Trial:
    """A protocol in a world, with `faults` by name beside the world's own.

    `newcomers`: whether clients that join later are to start from others' models, as those of all
    shipped protocols do.
    """

    world: RandomWorld
    protocol: Protocol
    faults: Mapping[str, Fault] = field(default_factory=dict)
    newcomers: bool = False

    @property
    def scenario(self) -> Scenario:
        """The whole of it. Raises ScenarioError if it can't be."""
        return self.world.scenario(self.protocol, self.faults)

    def watched(self) -> list[TraceRow]:
        """The trace, with an observer who looks. Raises Broken where a promise is."""
        world, running, duration_s = self._built()
        witness = Witness(world, tuple(self.scenario.faults.values()))
        witness.newcomers = self.newcomers
        world.clock.process(_looks(witness, running, duration_s / 6))
        run(world.clock, duration_s)
        _check_end(witness, duration_s)
        return world.trace.rows

    def unwatched(self) -> list[TraceRow]:
        """The trace of the world alone."""
        world, _, duration_s = self._built()
        run(world.clock, duration_s)
        world.network.end()  # Open pings have a row each.
        return world.trace.rows

    def _built(self) -> tuple[World, Running, float]:
        scenario, facts = self.scenario, self.world.facts
        lineage = Counters(scenario.clients.count)
        return (*build(scenario, "it", self.world.luck, lineage, facts), scenario.duration)


# -- what the observer sees --------------------------------------------------------------------


def _looks(witness: Witness, running: Running, every_s: float) -> Behaviour:
    while True:
        with witness.looking():
            _check_seen(witness, running, list(running.seen()))
            _check_staleness(witness, running.staleness())
        yield witness.world.clock.after(every_s, Tie.OBSERVER)


def _check_seen(witness: Witness, running: Running, seen: Sequence[Seen]) -> None:
    world = witness.world
    times = Counter((one.node, one.stage) for one in seen)
    wanted = {(node.name, stage) for node in world.clients for stage in running.stages}
    for name, stage in sorted(wanted, key=str):
        if times[name, stage] != 1:
            number = times[name, stage]
            raise witness.says(f"seen() yields {name} at stage {stage} {number} times, not once")
    up = {node.name: node.up for node in world.nodes}
    if len(world.servers) > 1:
        del up[SERVER]  # Whoever leads is seen as the server.
    for one in seen:
        if one.node not in (*up, SERVER, AGGREGATE) or one.stage not in (None, *STAGES):
            raise witness.says(f"seen() yields {one.node!r} at stage {one.stage!r}; no such")
        if not isinstance(one.model, ModelRef):
            raise witness.says(f"seen() yields for {one.node} {one.model!r}, which is no model")
        if one.up != up.get(one.node, one.up):
            raise witness.says(f"seen() says that {one.node} is {'up' if one.up else 'down'}")
        if min(one.local_round, one.version) < 0:
            raise witness.says(f"seen() yields a negative round or version of {one.node}")


def _check_staleness(witness: Witness, staleness: Sequence[float]) -> None:
    clients = len(witness.world.clients)
    if len(staleness) != clients or not all(0 <= lag < math.inf for lag in staleness):
        raise witness.says(
            f"staleness() is {staleness}; {clients} finite numbers from 0 on are due"
        )


# -- what the whole of it shows ----------------------------------------------------------------


def _check_end(witness: Witness, duration_s: float) -> None:
    world = witness.world
    if world.clock.now != duration_s:
        raise witness.says("ends the run; only the scenario's duration and its goal do")
    try:
        world.network.end()
    except AssertionError as error:
        raise witness.says(f"messages are not conserved: {error}") from None
    _check_silence(witness, world.trace.rows)
    _check_trainings(witness, world.trace.rows)


def _check_silence(witness: Witness, rows: Sequence[TraceRow]) -> None:
    """Between a crash and the recovery nothing of the node begins, and nothing of it goes on."""
    downs = downtimes(rows)
    for row in rows:
        # A control message that has been sent is on its way, whatever becomes of its sender.
        left_s = row.time_s + (0.0 if row.kind == "message_lost" else row.duration_s)
        for crash_s, back_s in () if row.kind in STRIKES else downs[row.node]:
            if crash_s < row.time_s < back_s or row.time_s < crash_s < left_s - 1e-9:
                what = f"{row.node}'s {row.kind} from {row.time_s:g} s to {left_s:g} s"
                raise witness.says(f"{what} goes on while it is down, from {crash_s:g} s on")


def downtimes(rows: Sequence[TraceRow]) -> defaultdict[str, list[Down]]:
    """By node from when to when it was down; the last may have no end."""
    since: dict[str, float] = {}
    downs: defaultdict[str, list[Down]] = defaultdict(list)
    for row in rows:
        if row.kind in ("crash", "leave"):
            since.setdefault(row.node, row.time_s)
        elif row.kind == "recover" and row.node in since:
            downs[row.node].append((since.pop(row.node), row.time_s))
    for name, since_s in since.items():
        downs[name].append((since_s, math.inf))
    return downs


def _check_trainings(witness: Witness, rows: Sequence[TraceRow]) -> None:
    """A machine's step time is that of the whole machine."""
    free_s: defaultdict[str, float] = defaultdict(float)
    for row in sorted(_trainings(rows), key=lambda row: (row.time_s, row.duration_s)):
        if row.time_s < free_s[row.node] - 1e-9:
            raise witness.says(f"{row.node} trains two models at once, at {row.time_s:g} s")
        free_s[row.node] = row.time_s + row.duration_s


def _trainings(rows: Sequence[TraceRow]) -> Iterator[TraceRow]:
    return (row for row in rows if row.kind in ("train", "train_lost"))
