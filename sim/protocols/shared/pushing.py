"""What protocols have in common whose clients push their models, and nobody waits for anybody."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sim.protocols.shared.peers import Ints, Peers
from sim.record.settings import AllOrCount
from sim.world import Node, Transfer


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

    def free(self) -> tuple[Ints, int]:
        """To whom the client may push now [n], ascending, and to how many of them at most.

        What is under way to whom it suspects it gives up.
        """
        live = self._running.live_peers(self._node)
        for peer, push in list(self._under_way.items()):
            if push.settled.triggered or peer not in live:
                self._running.world.network.cancel(self._under_way.pop(peer))
        free = live[~np.isin(live, list(self._under_way))]
        if self._most == "all":
            return free, len(free)
        return free, max(0, self._most - sum(push.flows for push in self._under_way.values()))

    def push(
        self,
        peers: Ints,
        payload: Any,
        delivered: Callable[[Transfer], object] | None = None,
    ) -> None:
        """Send a model, with what `payload` says of it, to each of `peers` [n].

        `delivered` runs at who gets it; left out, it is put into the inbox there.
        """
        world = self._running.world
        self.pushed += len(peers)
        for peer in peers.tolist():
            self._under_way[peer] = world.network.send(
                self._node.index,
                peer,
                world.model_bytes,
                payload,
                delivered=delivered or world.clients[peer].receive,
                acknowledge=True,
                purpose="push",
            )
