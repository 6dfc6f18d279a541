"""A world that looks over the shoulder of its protocol: it tells what no protocol may do.

Of other nodes' lives a behaviour knows what messages and the failure detector tell it. The network,
the detector and the faults are the world itself; the observer alone sees all.
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

import numpy as np
import numpy.typing as npt
import simpy

from braintorrent.testing.broken import Broken
from braintorrent.testing.counters import Counters
from sim.compute import ModelRef, ServerRule
from sim.faults import Fault
from sim.record.rows import TraceRow
from sim.world import Clock, Network, Node, Transfer, World

MOST_AT_ONCE = 20_000
"""Events at one instant: far above what any of these worlds needs."""
SECRETS = ("up", "starts", "started_s", "ended_s", "_silent", "_open", "_cuts", "_degraded")
"""What the network knows of the nodes' lives, and of what stands between them."""
_WORLD = ("sim.world.", "sim.faults.", "sim.runs.", "sim.compute.", "braintorrent.testing.")
Ints = npt.NDArray[np.int64]


class Witness:
    """Sees every message, operation and event of one world, and raises Broken.

    `merged` is told of each weighted sum of models: who made it, of which, with which weights.
    `newcomers`: whether clients that join later are to start from others' models.
    """

    def __init__(self, world: World, faults: tuple[Fault, ...] = ()) -> None:
        self.world = world
        self.merged: Callable[[str, tuple[ModelRef, ...], tuple[float, ...]], object] | None = None
        self.broken: Broken | None = None
        self.newcomers = False
        self._faults = {code for fault in faults for code in _codes(type(fault))}
        self._looking = False
        self._reached: list[Node] = []
        self._held: defaultdict[str, set[str]] = defaultdict(set)
        self._met: set[tuple[str, str]] = set()
        self._initial = world.lineage.initial().name
        self._anyones = {self._initial}
        self._seen_rows = 0
        self._instant, self._at_once = 0.0, 0
        self._versions = [(node.storage.incarnation, node.storage.rounds) for node in world.nodes]
        for watched, kind in (
            (world.clock, _Clock),
            (world.network, _Network),
            (world.lineage, _Lineage),
            *((node, _Node) for node in world.nodes),
        ):
            watched.__class__ = kind
            watched.__dict__["witness"] = self

    def says(self, what: str) -> Broken:
        """The promise that is broken; the first one counts, whatever becomes of the exception."""
        error = Broken(f"{what} (at {self.world.clock.now:g} s)")
        self.broken = self.broken or error
        return error

    # -- who acts ------------------------------------------------------------------------------

    @property
    def acting(self) -> Node | None:
        """Whose behaviour runs now, or who is reached by a message; None if nobody is."""
        if self._reached:
            return self._reached[-1]
        process = self.world.clock.active_process
        return next((node for node in self.world.nodes if process in node._processes), None)

    @contextmanager
    def reached(self, node: Node) -> Iterator[None]:
        """What is done in it is done by the node, because a message has come."""
        self._reached.append(node)
        try:
            yield
        finally:
            self._reached.pop()

    @contextmanager
    def looking(self) -> Iterator[None]:
        """What is read in it is read on the observer's behalf."""
        self._looking = True
        try:
            yield
        finally:
            self._looking = False

    def check_reader(self, frame: FrameType, what: str, owner: Node | None = None) -> None:
        """Raise Broken if a protocol reads in `frame` what only the world may know."""
        if str(frame.f_globals.get("__name__", "")).startswith(_WORLD) or self._looking:
            return
        if owner is not None and owner is self.acting:
            return  # A node may well know its own life.
        if not self._is_fault(frame):
            known = "messages and world.detector"
            raise self.says(f"reads {what}; what a node knows of others' lives comes from {known}")

    def _is_fault(self, frame: FrameType | None) -> bool:
        while frame is not None:
            if frame.f_code in self._faults:
                return True
            frame = frame.f_back
        return False

    # -- models --------------------------------------------------------------------------------

    def arrives(self, node: Node, transfer: Transfer) -> None:
        """A message is there; a model that weighs nothing hasn't been sent."""
        if not node.up:
            raise self.says(f"{node.name}, which is down, receives a message")
        self._met.add((node.name, self.world.nodes[transfer.source].name))
        if transfer.size_bytes:
            self._held[node.name].update(model.name for model in models_in(transfer.payload))

    def check_newcomer(self, node: Node, models: Iterable[ModelRef], use: str) -> None:
        """Raise Broken if a newcomer gives its own initial model any weight.

        What it was given to train or pass on may be that of all, whom each attempt has failed.
        """
        storage = node.storage
        has_own = storage.is_newcomer and not (storage.is_merge_newer or storage.unreported)
        if self.newcomers and has_own and any(model.name == self._initial for model in models):
            raise self.says(f"{node.name}, a newcomer, {use} the initial model")

    def check_member(self, source: Node, target: Node) -> None:
        """Raise Broken if one sends to another of whom it knows that it is no member."""
        network = self.world.network
        # On links that were slow for a while, a message comes before the word of who has joined.
        overtaken = (source.name, target.name) in self._met and network.left_s[
            target.index
        ] == math.inf
        if not overtaken and not network.members(source.index, np.array([target.index]))[0]:
            raise self.says(f"{source.name} sends to {target.name}, which isn't there")

    def check_held(self, node: Node, model: ModelRef, use: str) -> None:
        """Raise Broken unless the node has the model: its own, or one that was sent to it."""
        if model.name in self._held[node.name] or model.name in self._anyones:
            return
        stored = {each.name for each in models_in(vars(node.storage))}
        if model.name not in stored:
            raise self.says(
                f"{node.name} {use} {self._told(model)}, which never arrived there since it last "
                "started; models travel in messages of world.model_bytes"
            )
        # What was read from storage is in memory, whatever takes its place in storage.
        self._held[node.name].update(stored)

    def made(self, model: ModelRef) -> None:
        """A model has come of what the acting node does; of whom in a callback is not known."""
        node = self.acting
        (self._anyones if node is None else self._held[node.name]).add(model.name)

    def combines(self, models: tuple[ModelRef, ...], weights: tuple[float, ...]) -> None:
        """Check a weighted sum of models."""
        if self._looking:
            return
        if not math.isclose(sum(weights), 1.0, rel_tol=1e-9):
            shown = ", ".join(f"{weight:g}" for weight in weights)
            total = f"{sum(weights):g}"
            raise self.says(f"combines with the weights {shown}; they sum to {total}, not to 1")
        self.uses(models, "combines")
        if self.merged is not None:
            node = self.acting
            self.merged("" if node is None else node.name, models, weights)

    def uses(self, models: tuple[ModelRef, ...], use: str) -> None:
        """Check whether these may be made into another, by who does it."""
        if self._looking:
            return
        node = self.acting
        if node is not None:
            if not node.up:
                raise self.says(f"{node.name}, which is down, {use} models")
            self.check_newcomer(node, models, use)
            for model in models:
                self.check_held(node, model, use)
        elif self.world.clock.active_process is not None:
            raise self.says(f"{use} in a process that is no node's; node.spawn starts one")

    def _told(self, model: ModelRef) -> str:
        lineage = self.world.lineage
        return lineage.told(model) if isinstance(lineage, Counters) else repr(model)

    # -- time ----------------------------------------------------------------------------------

    def stepped(self) -> None:
        """One event more."""
        if self.broken is not None:
            raise self.broken  # Caught by who broke it.
        clock, trace = self.world.clock, self.world.trace
        self._at_once = self._at_once + 1 if clock.now == self._instant else 0
        self._instant = clock.now
        if self._at_once > MOST_AT_ONCE:
            raise self.says(f"time stands still: {MOST_AT_ONCE} events at one instant")
        if len(trace) > self._seen_rows:  # Storage changes with a row of the trace only.
            new, self._seen_rows = trace.since(self._seen_rows), len(trace)
            for row in new:
                self._recorded(row)
            self._compare_versions({row.node for row in new if row.kind == "storage_lost"})

    def _recorded(self, row: TraceRow) -> None:
        if row.kind in ("crash", "leave"):
            self._held[row.node].clear()
        if not 0 <= row.time_s <= row.time_s + row.duration_s <= self.world.clock.now + 1e-9:
            raise self.says(f"records a {row.kind} from {row.time_s:g} s for {row.duration_s:g} s")

    def _compare_versions(self, lost: set[str]) -> None:
        # Of several servers one that has less may take over.
        several = len(self.world.servers) > 1
        for position, node in enumerate(self.world.clients if several else self.world.nodes):
            before = self._versions[position]
            now = self._versions[position] = node.storage.incarnation, node.storage.rounds
            if now < before:
                raise self.says(f"{node.name}'s version goes back from {before} to {now}")
            if now[0] > before[0] and node.name not in lost:
                raise self.says(f"{node.name} loses its storage without a fault")


def models_in(value: Any, depth: int = 4) -> Iterator[ModelRef]:
    """The models of a message, however it is built; a node isn't part of one."""
    if isinstance(value, ModelRef):
        yield value
    elif depth:
        for part in _parts(value):
            yield from models_in(part, depth - 1)


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    if isinstance(value, (tuple, list, set, frozenset, deque)):
        return value
    kind = type(value)
    if kind.__module__.startswith("sim.world"):
        return ()
    slots = getattr(kind, "__slots__", ())
    return [getattr(value, name, None) for name in (*slots, *getattr(value, "__dict__", ()))]


def _codes(kind: type) -> Iterator[CodeType]:
    """All code of a fault's classes, and of the functions in them."""
    stack = [
        function.__code__
        for each in kind.__mro__
        for function in vars(each).values()
        if hasattr(function, "__code__")
    ]
    while stack:
        yield (code := stack.pop())
        stack += [each for each in code.co_consts if isinstance(each, CodeType)]


# -- the world's parts, watched ----------------------------------------------------------------


class _Clock(Clock):
    witness: Witness

    def step(self) -> None:
        super().step()
        self.witness.stepped()


class _Lineage(Counters):
    witness: Witness

    def trained(
        self, base: ModelRef, client: int, local_round: int, correction: ModelRef | None = None
    ) -> ModelRef:
        if sys._getframe(1).f_globals["__name__"] != "sim.world.node":
            raise self.witness.says("trains in no time; node.train spends what it takes")
        return self._made(super().trained(base, client, local_round, correction))

    def combined(self, models: tuple[ModelRef, ...], weights: tuple[float, ...]) -> ModelRef:
        self.witness.combines(models, weights)
        return self._made(super().combined(models, weights))

    def direction(self, models: tuple[ModelRef, ...], weights: tuple[float, ...]) -> ModelRef:
        self.witness.uses(models, "sums")
        return self._made(super().direction(models, weights))

    def stepped(
        self, rule: ServerRule, inputs: tuple[ModelRef, ...], arguments: tuple[float, ...]
    ) -> ModelRef:
        self.witness.uses(inputs, "steps by")
        return self._made(super().stepped(rule, inputs, arguments))

    def _made(self, model: ModelRef) -> ModelRef:
        self.witness.made(model)
        return model


class _Node(Node):
    witness: Witness

    @property
    def up(self) -> bool:
        self.witness.check_reader(sys._getframe(1), f"{self.name}.up", self)
        return not self._held_by

    @property
    def is_member(self) -> bool:
        # A crash ends what a node does, which may still ask whether it is its own leaving.
        if self.witness.acting is not None:
            self.witness.check_reader(sys._getframe(1), f"{self.name}.is_member", self)
        return not (self._absent_by or self._has_left)

    def train(
        self, base: ModelRef, correction: ModelRef | None = None
    ) -> Generator[simpy.Event, Any, ModelRef | None]:
        if self._held_by:
            raise self.witness.says(f"{self.name}, which is down, trains")
        self.witness.check_held(self, base, "trains")
        if correction is not None:
            self.witness.check_held(self, correction, "corrects its training by")
        return super().train(base, correction)

    def keep(self, model: ModelRef) -> None:
        self.witness.check_held(self, model, "keeps")
        super().keep(model)


class _Network(Network):
    """Tells its secrets to the world alone."""

    witness: Witness

    def send(
        self,
        source: int,
        target: int,
        size_bytes: int = 0,
        payload: Any = None,
        *,
        delivered: Callable[[Transfer], object] | None = None,
        **how: Any,
    ) -> Transfer:
        witness = self.witness
        nodes = witness.world.nodes
        if nodes[source]._held_by:
            raise witness.says(f"{nodes[source].name}, which is down, sends")
        if how.get("purpose") != "acknowledgement":
            witness.check_member(nodes[source], nodes[target])
        if size_bytes:
            witness.check_newcomer(nodes[source], models_in(payload), "sends")

        def arrived(transfer: Transfer) -> None:
            with witness.reached(nodes[target]):
                witness.arrives(nodes[target], transfer)
                if delivered is not None:
                    delivered(transfer)

        return super().send(source, target, size_bytes, payload, delivered=arrived, **how)

    def ping(self, source: int, peers: Ints, timeout_s: float | None = None) -> Any:
        witness = self.witness
        name = self.wiring.names[source]
        if witness.world.nodes[source]._held_by:
            raise witness.says(f"{name}, which is down, pings")
        if self.detector.suspects(source, peers).any():
            raise witness.says(f"{name} pings whom world.detector suspects")
        return super().ping(source, peers, timeout_s)


def _secret(name: str) -> property:
    def read(network: Any) -> Any:
        network.witness.check_reader(sys._getframe(1), f"network.{name}")
        return network.__dict__[name]

    def write(network: Any, value: Any) -> None:
        network.__dict__[name] = value

    return property(read, write)


for _name in SECRETS:
    setattr(_Network, _name, _secret(_name))
