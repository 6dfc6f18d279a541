"""BrainTorrent's two coordinated schedules: clients act when they are told to.

The coordinator stands for an agreement that the paper does not spell out; it costs no virtual
time and no messages, and its barriers wait for live clients only.
"""

from __future__ import annotations

from collections.abc import Callable

import simpy

from sim.protocols.braintorrent import BrainTorrent
from sim.protocols.settings import BrainTorrentSettings
from sim.world.node import Behaviour, Node
from sim.world.world import World

Act = Callable[[Node], Behaviour]


class Coordinated(BrainTorrent):
    """Clients wait for their turn; `coordinate` hands the turns out."""

    def __init__(self, settings: BrainTorrentSettings, world: World) -> None:
        super().__init__(settings, world)
        self._ready: dict[int, simpy.Event] = {}
        self._busy: dict[int, None] = {}
        self._changed = world.clock.event()
        self._turns = 0
        for node in world.clients:
            node.behave = lambda node=node: self._wait_for_turns(node)
        world.clock.process(self.coordinate())

    def coordinate(self) -> Behaviour:
        """Hand out turns until the end of the run."""
        raise AssertionError("a schedule says how it coordinates")

    def _wait_for_turns(self, node: Node) -> Behaviour:
        self.publish(node)
        try:
            while True:
                turn = self._ready[node.index] = node.clock.event()
                self._notify()
                act: Act = yield turn
                yield from act(node)
                self._busy.pop(node.index, None)
        finally:  # A crash ends the turn, too.
            self._ready.pop(node.index, None)
            self._busy.pop(node.index, None)
            self._notify()

    def _notify(self) -> None:
        changed, self._changed = self._changed, self.world.clock.event()
        changed.succeed()

    def everyone(self, act: Act) -> Behaviour:
        """All clients that are up act; returns when those that stay up have finished."""
        while not self._ready:
            yield self._changed
        yield from self._turn(sorted(self._ready), act)

    def someone(self, act: Act) -> Behaviour:
        """One client that is up, drawn at random, acts."""
        while not self._ready:
            yield self._changed
        ready = sorted(self._ready)
        draw = self.world.streams.stream("initiator", self._turns)
        luck = draw.random(len(self.world.clients))
        self._turns += 1
        yield from self._turn([min(ready, key=lambda index: luck[index])], act)

    def _turn(self, indices: list[int], act: Act) -> Behaviour:
        for index in indices:
            self._busy[index] = None
            self._ready.pop(index).succeed(act)
        while self._busy:
            yield self._changed


class RandomInitiator(Coordinated):
    """`schedule: random_initiator`: one client at a time, the others idle (figure 1b)."""

    def coordinate(self) -> Behaviour:
        """All train once, then one random client after the other merges and fine-tunes."""
        yield from self.everyone(self.local_round)
        while True:
            yield from self.someone(self.local_round)


class Lockstep(Coordinated):
    """`schedule: lockstep`: all train, then one random client merges (the step list, literally)."""

    def coordinate(self) -> Behaviour:
        """All train, one merges, again and again."""
        while True:
            yield from self.everyone(self._train)
            yield from self.someone(self._merge)

    def _train(self, node: Node) -> Behaviour:
        yield from self.fine_tune(node, node.storage.model, {})

    def _merge(self, node: Node) -> Behaviour:
        arrived = yield from self.newer_models(node)
        merged = yield from self.merged(node, arrived)
        self.keep(node, merged, arrived)
