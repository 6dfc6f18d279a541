"""A node: what it is doing, what a crash takes from it and what its stable storage keeps."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import simpy

from sim.compute import Lineage, ModelRef
from sim.world.clock import Tie
from sim.world.network import Network, Transfer

Behaviour = Generator[simpy.Event, Any, None]
"""What a node does, or a fault: it yields the events that it waits for."""


@dataclass(frozen=True)
class Machine:
    """What one node is made of.

    `step_s`: virtual seconds per optimiser step. `client`: whose data it trains on, as `models`
    numbers them. `steps`: optimiser steps in a local round. `jitter`: sigma of the lognormal
    factor on each attempt's time. `uplink`, `downlink`: bytes per second. `local_time_s`: time of
    day where it stands when the run begins, as seconds since midnight. `room`: how many models of
    others its memory holds beside its own; None: any number.
    """

    step_s: float
    client: int
    samples: int
    steps: int
    jitter: float = 0.0
    uplink: float = 1.0
    downlink: float = 1.0
    local_time_s: float = 0.0
    room: int | None = None

    @property
    def site(self) -> int | None:
        """The number of the client whose data it has; None if it has none, or all."""
        return self.client if self.client >= 0 else None


@dataclass
class Storage:
    """Stable storage: survives a crash unless the fault says that it is lost.

    `model`: the last finished model (a server's: the global model at its last checkpoint).
    `received`: the newest model that came from others, whole, and not trained since.
    `rounds`: finished local rounds (a server's: server rounds) since the storage was new.
    `incarnation`: how often storage was lost; versions are ordered by (incarnation, rounds).
    `merged`: the version of each peer that `model` has merged, as `Node.version` packs them.
    `notes`: what the protocol keeps there beside, by names of its own.
    `is_merge_newer`: whether `received` is to be trained next, not `model`. `is_newcomer`: whether
    its node came later than others, is to start from a model of theirs, and has trained none yet:
    the initial one in `model` counts for nothing. `unreported`: what is to be sent of a finished
    update that its server hasn't acknowledged.
    """

    model: ModelRef
    received: ModelRef
    rounds: int = 0
    incarnation: int = 0
    merged: dict[int, int] | None = None
    is_merge_newer: bool = False
    is_newcomer: bool = False
    unreported: Any = None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def newest(self) -> ModelRef:
        """What is to be trained or merged next."""
        return self.received if self.is_merge_newer else self.model


INCARNATION = 1 << 32


class Node:
    """A client or the server: it computes, it talks, it crashes and recovers.

    `behave` makes the behaviour anew at every start, because a crash ends the one that runs.
    """

    def __init__(self, index: int, network: Network, lineage: Lineage, machine: Machine) -> None:
        self.index = index
        self.name = network.wiring.names[index]
        self.network = network
        self.clock = network.clock
        self.trace = network.trace
        self.streams = network.streams
        self.lineage = lineage
        self.machine = machine
        self.storage = Storage(lineage.initial(), lineage.initial())
        self.rounds = 0
        """Finished local rounds, for good: a crash that takes the storage doesn't undo them."""
        self.attempts = 0  # Counts on through crashes and lost storage: it keys the dropouts.
        self.dropouts: dict[str, tuple[float, str]] = {}
        """By fault, the chance that an attempt at a local round fails, and what names its luck."""
        self.behave: Callable[[], Behaviour] | None = None
        self.inbox: list[Transfer] = []
        self._mail: simpy.Event = self.clock.event()
        self._processes: list[simpy.Process] = []
        self._held_by: dict[str, None] = {}
        self._absent_by, self._has_left = "", False
        self._awaited_rounds: dict[int, simpy.Event] = {}
        self._slowed_by: dict[str, float] = {}
        self._speed_changed: simpy.Event = self.clock.event()

    # -- life ----------------------------------------------------------------------------------

    @property
    def up(self) -> bool:
        """A node is up when no fault holds it down."""
        return not self._held_by

    @property
    def is_member(self) -> bool:
        """Whether it has joined, and not left; a member may be down."""
        return not (self._absent_by or self._has_left)

    @property
    def version(self) -> int:
        """(incarnation, finished rounds) as one integer that orders in the same way."""
        return self.storage.incarnation * INCARNATION + self.storage.rounds

    def start(self) -> None:
        """Begin the behaviour afresh from storage; a node that is down begins when it recovers."""
        if self.behave is not None and self.up:
            self.spawn(self.behave())

    def spawn(self, behaviour: Behaviour) -> simpy.Process:
        """Run `behaviour` beside the others of this node; a crash ends them all."""
        self._processes = [process for process in self._processes if process.is_alive]
        process = self.clock.process(_until_killed(behaviour))
        self._processes.append(process)
        return process

    def crash(self, fault: str, *, loses_storage: bool = False, resets: bool = False) -> None:
        """Go down, held by `fault`: processes, inbox and memory are gone at once.

        `resets`: its host stays up, and resets its connections.
        """
        if self.up:
            self.trace.record(self.clock.now, self.name, "crash", cause=fault)
        elif not resets:
            self.network.host_down(self.index)
        self._go_down(fault, resets=resets)
        if loses_storage and self.is_member:
            initial, lost = self.lineage.initial(), self.storage
            number, is_newcomer = lost.incarnation + 1, lost.is_newcomer
            self.storage = Storage(initial, initial, 0, number, is_newcomer=is_newcomer)
            self.trace.record(self.clock.now, self.name, "storage_lost", cause=fault)

    def be_absent(self, fault: str, *, newcomer: bool = True) -> None:
        """Not be there until `fault` lets go; said before the start.

        Nobody has heard of it. `newcomer`: what it learns from then on begins with others' models.
        """
        self._absent_by = fault
        self._held_by[fault] = None
        self.storage.is_newcomer = newcomer
        self.network.node_absent(self.index)

    def leave(self, fault: str, *, announced: bool = True) -> None:
        """Go for good; who is down never comes back.

        `announced`: and say so, which who is down can't. Who leaves before it has come never comes.
        """
        if self.is_member:
            self.trace.record(self.clock.now, self.name, "leave", cause=fault)
            self._has_left = True
            if self.up and announced:
                self.network.node_leaves(self.index)
        self._go_down(fault)

    def _go_down(self, fault: str, *, resets: bool = False) -> None:
        was_up = self.up
        self._held_by[fault] = None
        if was_up:
            for process in self._processes:
                if process.is_alive:
                    process.interrupt(fault)
            self._processes = []
            self.inbox = []
            self._mail = self.clock.event()
            self.network.node_down(self.index, resets=resets)

    def recover(self, fault: str) -> None:
        """`fault` lets go; when no other fault holds the node, it starts again from storage.

        The first start of one that was absent is when it joins.
        """
        self._held_by.pop(fault, None)
        if self.up:
            kind, cause = ("join", self._absent_by) if self._absent_by else ("recover", fault)
            self._absent_by = ""
            self.trace.record(self.clock.now, self.name, kind, cause=cause)
            self.network.node_up(self.index)
            self.start()

    # -- computing -----------------------------------------------------------------------------

    def slow_down(self, fault: str, factor: float) -> None:
        """From now on computing takes `factor` times as long (1: `fault` is over)."""
        self._slowed_by[fault] = factor
        self.trace.record(self.clock.now, self.name, "slowdown", cause=fault, factor=factor)
        changed, self._speed_changed = self._speed_changed, self.clock.event()
        changed.succeed()

    @property
    def slowness(self) -> float:
        """The product of the slowdowns that hold now."""
        product = 1.0
        for factor in self._slowed_by.values():
            product *= factor
        return product

    def compute(self, work_s: float) -> Behaviour:
        """Spend `work_s` seconds of this machine at full speed; slowdowns stretch them."""
        while True:
            started_s, slowness, changed = self.clock.now, self.slowness, self._speed_changed
            done = self.clock.after(work_s * slowness, Tie.COMPUTED)
            yield self.clock.first_of(done, changed)
            if done.processed:
                return
            # A change at the very end may leave a rounding error less than nothing.
            work_s = max(0.0, work_s - (self.clock.now - started_s) / slowness)

    def train(
        self, base: ModelRef, correction: ModelRef | None = None
    ) -> Generator[simpy.Event, Any, ModelRef | None]:
        """One attempt at a local round: the model that comes out, or None after a dropout.

        `correction`: a direction that each step adds to its gradient. A crash ends the attempt
        where it stands; its work is lost.
        """
        attempt, self.attempts = self.attempts, self.attempts + 1
        machine, started_s = self.machine, self.clock.now
        work_s = machine.steps * machine.step_s * self._jitter(attempt)
        fault, fraction = self._dropout(attempt)
        number = self.rounds
        try:
            yield from self.compute(work_s * fraction)
        except simpy.Interrupt as crash:
            self._trained("train_lost", started_s, number, attempt, str(crash.cause))
            raise
        if fault:
            self._trained("train_lost", started_s, number, attempt, fault)
            return None
        self._trained("train", started_s, number, attempt)
        return self.lineage.trained(base, machine.client, number, correction)

    def keep(self, model: ModelRef) -> None:
        """Put what a finished local round came to into stable storage."""
        given: object = model
        if not isinstance(given, ModelRef):
            # Told here, at the line that is wrong, and not when the observer next looks.
            what = "None, as of a dropout," if given is None else f"a {type(given).__name__}"
            raise TypeError(f"{what} is no model to keep; `yield from node.train(...)` gives one")
        if model.is_direction:
            raise TypeError(f"{model!r} is a direction, and no model to keep")
        self.storage.model = model
        self.storage.is_merge_newer = self.storage.is_newcomer = False
        self.storage.rounds += 1
        self.rounds += 1
        if awaited := self._awaited_rounds.pop(self.rounds, None):
            awaited.succeed()

    def finished(self, rounds: int) -> simpy.Event:
        """Succeeds when the model of the round that makes so many is stored; to be asked before."""
        return self._awaited_rounds.setdefault(rounds, self.clock.event())

    def _trained(
        self, kind: str, started_s: float, number: int, attempt: int, cause: str | None = None
    ) -> None:
        self.trace.record(
            started_s,
            self.name,
            kind,
            duration_s=self.clock.now - started_s,
            round=number,
            attempt=attempt,
            cause=cause,
        )

    def _jitter(self, attempt: int) -> float:
        if not self.machine.jitter:
            return 1.0
        draw = self.streams.stream("jitter", self.name, attempt)
        return float(draw.lognormal(0.0, self.machine.jitter))

    def _dropout(self, attempt: int) -> tuple[str, float]:
        """Which fault ends the attempt, and after which fraction of it ("" and 1: none does)."""
        first = ("", 1.0)
        for fault, (probability, key) in self.dropouts.items():
            luck, fraction = self.streams.stream("dropout", key, self.name, attempt).random(2)
            if luck < probability and fraction < first[1]:
                first = (fault, float(fraction))
        return first

    # -- talking -------------------------------------------------------------------------------

    def receive(self, transfer: Transfer) -> None:
        """Put an arrived message into the inbox and wake who waits for it."""
        self.inbox.append(transfer)
        self.nudge()

    def nudge(self) -> None:
        """Wake who waits for mail: something else has come to light."""
        mail, self._mail = self._mail, self.clock.event()
        mail.succeed()

    def mail(self) -> simpy.Event:
        """Succeeds at the next message."""
        return self._mail

    def offer(
        self, target: Node, size_bytes: int, payload: Any, purpose: str = "message"
    ) -> Transfer:
        """Send one acknowledged message; its `settled` says whether it arrived."""
        return self.network.send(
            self.index,
            target.index,
            size_bytes,
            payload,
            delivered=target.receive,
            acknowledge=True,
            purpose=purpose,
        )

    def deliver(
        self, target: Node, size_bytes: int, payload: Any, at_most_s: float | None = None
    ) -> Generator[simpy.Event, Any, bool]:
        """Send one acknowledged message; False if it failed, or took longer than `at_most_s`."""
        transfer = self.offer(target, size_bytes, payload)
        waits: list[simpy.Event] = [transfer.settled]
        if at_most_s is not None:
            waits.append(self.clock.after(at_most_s, Tie.TIMEOUT))
        yield self.clock.first_of(*waits)
        if transfer.settled.triggered:
            return bool(transfer.settled.value)
        self.network.cancel(transfer, "timeout")
        return False


def _until_killed(behaviour: Behaviour) -> Behaviour:
    """Run `behaviour`; the interrupt of a crash ends it in silence."""
    try:
        yield from behaviour
    except simpy.Interrupt:
        return
