"""What protocols have in common whose clients push their models, and nobody waits for anybody."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from pydantic import Field

from sim.protocols.protocol import Fastest
from sim.protocols.shared.peers import Ints, OverTopology, Peers
from sim.record.errors import check_least
from sim.record.settings import AllOrCount, PositiveSeconds
from sim.world import Behaviour, Node, Tie, Transfer, World


class Outbox:
    """One client's pushes under way: of its memory, so a crash takes it.

    A client starts none while `most` of them flow, nor to whom one is under way. So slow links
    carry fewer pushes, not ever more at once; nobody waits, and who is down holds nobody up.
    """

    def __init__(self, running: Peers, node: Node, most: AllOrCount) -> None:
        self._running = running
        self._node = node
        self._most = most
        self._under_way: dict[int, Transfer] = {}
        self.pushed = 0
        """How many have been started."""

    def drawn(self, purpose: str, counter: int) -> Ints:
        """To whom the client may push now, as many as it may, at random; ascending.

        It is the client's `counter`-th draw for that.
        """
        number = self._room()
        return self._running.picked(self._node, purpose, number, counter, self._under_way)

    def first(self, peers: Ints) -> Ints:
        """Those of `peers`, who are neighbours, to whom it may push now: the first, if not all."""
        number, suspects = self._room(), self._running.world.detector.suspects
        free = peers[~np.isin(peers, list(self._under_way))]
        free = free[~suspects(self._node.index, free)]
        return free if isinstance(number, str) else free[:number]

    def _room(self) -> AllOrCount:
        """How many pushes may be started; what is under way to whom it suspects it gives up."""
        peers = np.fromiter(self._under_way, np.int64, len(self._under_way))
        suspected = self._running.world.detector.suspects(self._node.index, peers).tolist()
        for peer, is_suspected in zip(peers.tolist(), suspected, strict=True):
            if is_suspected or self._under_way[peer].settled.triggered:
                self._running.world.network.cancel(self._under_way.pop(peer))
        if isinstance(self._most, str):
            return self._most
        return max(0, self._most - sum(push.flows for push in self._under_way.values()))

    def push(
        self,
        peers: Ints,
        payload: Any,
        delivered: Callable[[Transfer], object] | None = None,
    ) -> None:
        """Send a model, with what `payload` says of it, to each of `peers` [n].

        `delivered` runs at who gets it; left out, it is put into the inbox there if it fits.
        """
        world = self._running.world
        self.pushed += len(peers)
        for peer in peers.tolist():
            self._under_way[peer] = world.network.send(
                self._node.index,
                peer,
                world.model_bytes,
                payload,
                delivered=delivered or self._running.push_arrives,
                acknowledge=True,
                purpose="push",
            )


class PushingProtocol(OverTopology):
    """The settings of a protocol whose clients train, push and merge in rounds."""

    round_time: PositiveSeconds | None = Field(
        default=None,
        description="clients merge what has come at multiples of it alone; if left out, each after "
        "its own local round",
    )

    def check_times(self, fastest: Fastest) -> None:
        if self.round_time is not None:
            what = "is shorter than any local round and transfer: nothing would come in its round"
            least_s = float(fastest.round_s.min()) + fastest.transfer_s
            check_least(self.round_time, least_s, what, "round_time")


class Pushing(Peers):
    """Each client trains, pushes, waits for the end of the round if there is one, and merges."""

    def __init__(self, settings: PushingProtocol, most: AllOrCount, world: World) -> None:
        super().__init__(settings, world)
        self.round_s = settings.round_time
        self.most = most

    def behaviour(self, node: Node) -> Behaviour:
        outbox = Outbox(self, node, self.most)
        yield from self.catch_up(node)
        while True:
            yield from self.train(node, outbox)
            if self.round_s is not None:
                ends_s = (node.clock.now // self.round_s + 1) * self.round_s
                yield node.clock.at(ends_s, Tie.TIMEOUT)
            if node.inbox and node.storage.rounds:
                yield from self.merge_inbox(node)
                node.storage.is_merge_newer = True

    @abstractmethod
    def train(self, node: Node, outbox: Outbox) -> Behaviour:
        """One attempt at a local round, and the pushes if it comes to something."""

    @abstractmethod
    def merge_inbox(self, node: Node) -> Behaviour:
        """Merge all that has come with the newest model; that becomes what is received."""
