"""What protocols without a server have in common: peers, merges, and who is behind whom."""

import itertools
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, NamedTuple

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


class Gift(NamedTuple):
    """What a newcomer starts from: a peer's newest model, and the peer's version.

    `notes`: what belongs to that model of what the peer's stable storage has by name.
    """

    model: ModelRef
    version: int
    notes: dict[str, Any]


class Exchange:
    """A question to a peer and the answer, as who asks waits for it.

    `answered` succeeds with the answer's payload, or with None if none will come. `under_way`: the
    message that is, question or answer.
    """

    under_way: Transfer

    def __init__(self, node: Node) -> None:
        self.network = node.network
        self.answered: simpy.Event = node.clock.event()

    def send(
        self,
        source: int,
        target: int,
        size_bytes: int,
        payload: Any,
        delivered: Callable[[Transfer], object],
        purpose: str,
    ) -> None:
        """Send either of the two."""
        self.under_way = self.network.send(
            source,
            target,
            size_bytes,
            payload,
            delivered=delivered,
            failed=lambda _: self.answered.succeed(None),
            purpose=purpose,
        )

    def answer(self, asked: Transfer, size_bytes: int, payload: Any, purpose: str) -> None:
        """At who was asked: send the answer."""

        def arrives(sent: Transfer) -> None:
            self.answered.succeed(sent.payload)

        self.send(asked.target, asked.source, size_bytes, payload, arrives, purpose)


class Peers(Running):
    """Clients that talk to each other alone: to their neighbours in `topology`.

    Everybody is everybody's neighbour where a protocol has no settings for that (None).
    """

    carried: ClassVar[tuple[str, ...]] = ()
    """Notes in stable storage that belong to the newest model there, wherever it goes."""

    def __init__(self, settings: OverTopology | None, world: World) -> None:
        super().__init__(world)
        own = Complete() if settings is None else settings.topology
        # Drawn from the same stream as the world's: equal settings are the same graph.
        self.topology = own.build(len(world.clients), world.streams) if own else world.topology

    def peers(self, node: Node) -> Ints:
        """Whom the node may talk to [n], ascending: its neighbours that it knows as members.

        Who joins or leaves changes nobody else's neighbours: nothing is drawn anew.
        """
        neighbours = self.topology.neighbours(node.index)
        return neighbours[self.world.network.members(node.index, neighbours)]

    def live_peers(self, node: Node) -> Ints:
        """Those whom the node doesn't suspect [n], ascending."""
        neighbours = self.topology.neighbours(node.index)
        return neighbours[~self.world.detector.suspects(node.index, neighbours)]

    def has_gone(self, node: Node, peer: int) -> bool:
        """Whether one peer is no member, as far as the node knows."""
        return not self.world.network.members(node.index, np.array([peer]))[0]

    def drawn(
        self, node: Node, purpose: str, among: Ints, number: AllOrCount, counter: int
    ) -> Ints:
        """At random so many of `among`, which ascend; ascending. The node's `counter`-th draw."""
        if isinstance(number, str) or len(among) <= number:
            return among
        # Each has a draw of its own: who is a candidate changes nobody else's luck.
        luck = node.streams.uniforms(purpose, node.index, counter, among)
        return lowest(among, luck, number)

    def picked(
        self,
        node: Node,
        purpose: str,
        number: AllOrCount,
        counter: int,
        besides: Collection[int] = (),
    ) -> Ints:
        """At random so many of whom the node may talk to and doesn't suspect; ascending.

        Nobody of `besides` is. It is the node's `counter`-th draw, and where all are neighbours it
        takes as long as there are peers to find, not as there are clients.
        """
        if isinstance(number, str) or not self.topology.is_complete:
            live = self.live_peers(node)
            among = live[~np.isin(live, list(besides))] if besides else live
            return self.drawn(node, purpose, among, number, counter)
        found: list[int] = []
        without = {node.index, *besides}
        for some in node.streams.shuffled(len(self.world.clients), purpose, node.index, counter):
            others = np.array([one for one in some.tolist() if one not in without], np.int64)
            found += others[~self.world.detector.suspects(node.index, others)].tolist()
            if len(found) >= number:
                break
        return np.array(sorted(found[:number]), np.int64)

    def delivered(
        self, node: Node, peer: int, payload: Any, timeout_s: float | None, skip_suspected: bool
    ) -> Behaviour:
        """Push a model until it is there, time is over, or the peer is gone.

        That is: has left, or is suspected, if that counts.
        """
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
        is_gone = self.suspects if skip_suspected else self.has_gone
        while not (push.settled.triggered and push.settled.value):
            if over.processed or is_gone(node, peer):
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

    def answer_of(
        self, node: Node, peer: int, exchange: Exchange, began_s: float
    ) -> Generator[simpy.Event, Any, Any]:
        """What a peer answers; None if nothing comes, or it has lost the question, as far as known.

        `began_s`: when it was asked.
        """
        while not exchange.answered.triggered:
            if self.lost(node, peer, began_s):
                self.world.network.cancel(exchange.under_way)
                return None
            yield from self.until_news(node, [peer], exchange.answered)
        return exchange.answered.value

    # -- newcomers -----------------------------------------------------------------------------

    def gift(self, node: Node) -> Gift | None:
        """What the node has that a newcomer can start from; None if nobody has trained it yet."""
        storage = node.storage
        if not (storage.rounds or storage.is_merge_newer):
            return None
        notes = {name: storage.notes[name] for name in self.carried if name in storage.notes}
        return Gift(storage.newest, node.version, notes)

    def is_blank(self, node: Node) -> bool:
        """Whether the node is a newcomer with the initial model alone, which counts for nothing."""
        return node.storage.is_newcomer and self.gift(node) is None

    def catch_up(self, node: Node) -> Behaviour:
        """Let a newcomer start from what a peer holds; to be waited for before it trains.

        It asks one after the other, in an order of its own, until one has something. Where nobody
        has, it starts from the initial model, as all did.
        """
        asked: list[int] = []
        while self.is_blank(node):
            left = self.picked(node, "newcomer", 1, 0, asked)
            if not len(left):
                return
            peer = int(left[0])
            asked.append(peer)
            gift = yield from self._given(node, peer)
            if gift is not None and self.is_blank(node):
                self._start_from(node, peer, gift)

    def _given(self, node: Node, peer: int) -> Generator[simpy.Event, Any, Gift | None]:
        exchange, began_s = Exchange(node), node.clock.now
        exchange.send(node.index, peer, 0, None, partial(self._give, exchange), "ask")
        gift: Gift | None = yield from self.answer_of(node, peer, exchange, began_s)
        return gift

    def _give(self, exchange: Exchange, asked: Transfer) -> None:
        """At who is asked: give what there is, or say that there is nothing."""
        gift = self.gift(self.world.clients[asked.target])
        if gift is None:
            exchange.answer(asked, 0, None, "no_weights")
        else:
            exchange.answer(asked, self.world.model_bytes, gift, "weights")

    def _start_from(self, node: Node, peer: int, gift: Gift) -> None:
        node.storage.received, node.storage.is_merge_newer = gift.model, True
        node.storage.notes |= gift.notes
        self.count(node, {peer: gift.version})

    # -- merges --------------------------------------------------------------------------------

    def merge(
        self,
        node: Node,
        models: Mapping[int, ModelRef],
        weights: Mapping[int, float] | None = None,
    ) -> Generator[simpy.Event, Any, ModelRef]:
        """Average the node's newest model with `models`, by peer; it becomes what is received.

        By sample size, or by `weights`, which needn't sum to 1 and have one for the node, too. The
        initial model of a newcomer is left out.
        """
        own = {} if self.is_blank(node) else {node.index: node.storage.newest}
        yield from self.merging(node, models, with_own=bool(own))
        everyones = {**models, **own}
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
        """The node's model has merged these versions of its peers; who has left is forgotten."""
        network, merged = self.world.network, {**(node.storage.merged or {}), **versions}
        if network.is_restless:
            here = network.members(node.index, np.fromiter(merged, np.int64, len(merged)))
            merged = {peer: merged[peer] for peer in itertools.compress(merged, here.tolist())}
        node.storage.merged = merged

    def staleness(self) -> list[float]:
        """How many local rounds each peer is ahead of what a client merged; mean over peers.

        What a client merged is a small part of all that there is, so its peers' rounds are summed
        at once, and those that it has merged are taken off. Only peers that are members count;
        without any it is 0.
        """
        clients = self.world.clients
        here = np.array([node.is_member for node in clients])
        # What isn't there has no version that anybody could be behind.
        now = np.where(here, [node.version for node in clients], -1)
        theirs = self.topology.sums(np.where(here, now % INCARNATION, 0)).tolist()
        degrees = self.topology.sums(here.astype(np.int64)).tolist()
        counted = _merged_rounds(clients, now)
        return [
            (rounds - merged) / max(degree, 1)
            for rounds, merged, degree in zip(theirs, counted, degrees, strict=True)
        ]


def lowest(among: Ints, draws: npt.NDArray[np.float64], number: int) -> Ints:
    """Those `number` of `among` [n], which ascend, whose `draws` [n] are lowest; ascending."""
    # Few are sorted: to sort ten thousand would take longer than to ping them.
    few = np.flatnonzero(draws <= np.partition(draws, number - 1)[number - 1])
    return np.sort(among[few[np.argsort(draws[few], kind="stable")[:number]]])


def _merged_rounds(clients: Sequence[Node], now: Ints) -> list[int]:
    """How many rounds of its peers, whose versions are `now` [clients], each client has merged.

    -1 is the version of who is no member.
    """
    seen = [node.storage.merged or {} for node in clients]
    sizes = np.array([len(each) for each in seen])
    peers = np.fromiter(itertools.chain.from_iterable(seen), np.int64, sizes.sum())
    versions = itertools.chain.from_iterable(each.values() for each in seen)
    merged = np.fromiter(versions, np.int64, sizes.sum())
    # What a peer does after a loss of storage is new, whatever was merged before.
    counts = merged // INCARNATION == now[peers] // INCARNATION
    so_far = np.concatenate([[0], np.cumsum(np.where(counts, merged % INCARNATION, 0))])
    ends = np.cumsum(sizes)
    sums: list[int] = (so_far[ends] - so_far[ends - sizes]).tolist()
    return sums
