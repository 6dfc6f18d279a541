"""What protocols without a server have in common: peers, merges, and who is behind whom."""

from collections.abc import Collection, Generator, Mapping
from functools import partial
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
import simpy
from pydantic import Field

from sim.compute import ModelRef
from sim.protocols.protocol import Protocol, Running
from sim.record.settings import AllOrCount, OneOf
from sim.world import (
    INCARNATION,
    TOPOLOGIES,
    Behaviour,
    Complete,
    Node,
    TopologySettings,
    Transfer,
    World,
)

Ints = npt.NDArray[np.int64]


class OverTopology(Protocol):
    """The settings of a protocol whose clients talk to their neighbours alone."""

    uses_topology: ClassVar[bool] = True

    topology: Annotated[TopologySettings, OneOf(TOPOLOGIES)] | None = Field(
        default=None, description="whom each client may talk to, in place of the scenario's"
    )

    @property
    def own_topology(self) -> TopologySettings | None:
        return self.topology


class Peers(Running):
    """Clients that talk to each other alone: to their neighbours in `topology`.

    Everybody is everybody's neighbour where a protocol has no settings for that (None).
    """

    def __init__(self, settings: OverTopology | None, world: World) -> None:
        super().__init__(world)
        own = Complete() if settings is None else settings.topology
        # Drawn from the same stream as the world's: equal settings are the same graph.
        self.topology = own.build(len(world.clients), world.streams) if own else world.topology

    def peers(self, node: Node) -> Ints:
        """Whom the node may talk to [n], ascending."""
        return self.topology.neighbours(node.index)

    def live_peers(self, node: Node) -> Ints:
        """Those whom the node doesn't suspect [n], ascending."""
        peers = self.peers(node)
        return peers[~self.world.detector.suspects(node.index, peers)]

    def drawn(
        self, node: Node, purpose: str, among: Ints, number: AllOrCount, counter: int
    ) -> Ints:
        """At random so many of `among`, which ascend; ascending. The node's `counter`-th draw."""
        if isinstance(number, str) or len(among) <= number:
            return among
        # One draw per client of the world: who is a candidate changes nobody else's luck.
        luck = node.streams.stream(purpose, node.name, counter).random(len(self.world.clients))
        return lowest(among, luck, number)

    def delivered(
        self, node: Node, peer: int, payload: Any, timeout_s: float | None, skip_suspected: bool
    ) -> Behaviour:
        """Push a model until it is there, time is over, or if that counts the peer is suspected."""
        send = partial(
            self.world.network.send,
            node.index,
            peer,
            self.world.model_bytes,
            payload,
            delivered=self.push_arrives,
            acknowledge=True,
            purpose="push",
        )
        over, push = self.timeout(timeout_s), send()
        while not (push.settled.triggered and push.settled.value):
            if over.processed or (skip_suspected and self.suspects(node, peer)):
                self.world.network.cancel(push, "timeout" if over.processed else "abandoned")
                return
            if push.settled.triggered:
                push = send()
            yield from self.until_news(node, [peer], push.settled, over)

    def push_arrives(self, push: Transfer) -> None:
        """A peer's model has come; the node keeps it if its memory has room for it."""
        node = self.world.clients[push.target]
        if self.is_full(node):
            sender = self.world.clients[push.source].name
            node.trace.record(node.clock.now, node.name, "not_kept", peer=sender)
        else:
            node.receive(push)

    def is_full(self, node: Node) -> bool:
        """Whether the models that have come take all of the node's memory."""
        return node.machine.room is not None and len(node.inbox) >= node.machine.room

    def fitting(self, node: Node, number: AllOrCount) -> AllOrCount:
        """`number` of peers' models, or as many as the node's memory has room for."""
        room = node.machine.room
        if room is None:
            return number
        return room if isinstance(number, str) else min(number, room)

    def merge(
        self,
        node: Node,
        models: Mapping[int, ModelRef],
        weights: Mapping[int, float] | None = None,
    ) -> Generator[simpy.Event, Any, ModelRef]:
        """Average the node's newest model with `models`, by peer; it becomes what is received.

        By sample size, or by `weights`, which needn't sum to 1 and have one for the node, too.
        """
        yield from self.merging(node, models)
        everyones = {**models, node.index: node.storage.newest}
        node.storage.received = self.world.averaged(everyones, weights)
        return node.storage.received

    def merging(self, node: Node, peers: Collection[int], *, with_own: bool = True) -> Behaviour:
        """Spend the time that it takes to average models of these peers, and its own."""
        started_s = node.clock.now
        yield from node.compute(self.world.merge_s * (len(peers) + with_own))
        node.trace.record(
            started_s,
            node.name,
            "merge",
            duration_s=node.clock.now - started_s,
            peers=tuple(self.world.clients[peer].name for peer in sorted(peers)),
        )

    def count(self, node: Node, versions: Mapping[int, int]) -> None:
        """The node's model has merged these versions of its peers."""
        node.storage.merged = {**(node.storage.merged or {}), **versions}

    def staleness(self) -> list[float]:
        """How many local rounds each peer is ahead of what a client merged; mean over peers.

        What a client merged is a small part of all that there is, so its peers' rounds are summed
        at once, and those that it has merged are taken off. Without peers it is 0.
        """
        clients = self.world.clients
        now = np.array([node.version for node in clients])
        theirs = self.topology.sums(now % INCARNATION).tolist()
        degrees = self.topology.degrees.tolist()
        return [
            (rounds - _merged_rounds(node, now)) / max(degree, 1)
            for node, rounds, degree in zip(clients, theirs, degrees, strict=True)
        ]


def lowest(among: Ints, draws: npt.NDArray[np.float64], number: int) -> Ints:
    """Those `number` of `among`, which ascend, whose `draws` [n] are lowest; ascending."""
    # Few are sorted: to sort ten thousand would take longer than to ping them.
    theirs = draws[among]
    few = np.flatnonzero(theirs <= np.partition(theirs, number - 1)[number - 1])
    return np.sort(among[few[np.argsort(theirs[few], kind="stable")[:number]]])


def _merged_rounds(node: Node, now: Ints) -> int:
    """How many rounds of its peers, whose versions are `now` [n], the node has merged."""
    seen = node.storage.merged or {}
    peers = np.fromiter(seen, np.int64, len(seen))
    merged = np.fromiter(seen.values(), np.int64, len(seen))
    # What a peer does after a loss of storage is new, whatever was merged before.
    counts = merged // INCARNATION == now[peers] // INCARNATION
    return int((merged[counts] % INCARNATION).sum())
