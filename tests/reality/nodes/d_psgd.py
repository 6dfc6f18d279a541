"""D-PSGD: after each local round, neighbours average their models.

Lian et al., "Can Decentralized Algorithms Outperform Centralized Algorithms? A Case Study for
Decentralized Parallel Stochastic Gradient Descent", NIPS 2017, arXiv 1705.09056, algorithm 1.
"""

import asyncio
import math
from typing import ClassVar

from tests.reality.nodes.node import Node, Protocol

RETRY_S = 1.0
"""How long a push that failed waits before it is sent again."""


class DPSGD(Protocol):
    """A client that waits for its neighbours' models of each round.

    Settings: `push_timeout`, `receive_timeout`.
    """

    only: ClassVar = {"exchange": "blocking", "counts": "senders", "skip_suspected": True}

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.inbox: list[tuple[str, int]] = []
        # A crash takes the mail for the next round, which isn't sent again.
        self.number: int = node.storage.get("number", 0) + 1

    async def run(self) -> None:
        self.node.storage.keep(number=self.number)
        while True:
            await self.node.train()
            self.number += 1
            self.node.keep_trained(number=self.number)
            await self.exchange()
            if came := self.taken():
                await self.node.merge(came)

    async def exchange(self) -> None:
        """Deliver to all at once; then wait for theirs, which may have come meanwhile."""
        began_s, peers = self.node.now(), self.node.trusted(self.node.neighbours)
        end_s = began_s + (self.settings["push_timeout"] or math.inf)
        await asyncio.gather(*(self.deliver(peer, end_s) for peer in peers))
        end_s = self.node.now() + (self.settings["receive_timeout"] or math.inf)
        await self.node.until(lambda: not self.missing(peers, began_s), end_s)

    async def deliver(self, peer: str, end_s: float) -> None:
        """Send it until it is there, unless the peer is suspected."""
        node, number = self.node, self.number
        while not node.suspects(peer) and (left_s := end_s - node.now()) > 0:
            push = node.reach(peer, "push", with_model=True, number=number, within_s=left_s)
            if await push:
                return
            await node.until(lambda: node.suspects(peer), min(end_s, node.now() + RETRY_S))

    def on_push(self, peer: str, number: int) -> None:
        self.inbox.append((peer, number))
        self.node.nudge()

    def missing(self, peers: list[str], began_s: float) -> list[str]:
        """For whom the client waits; for nobody when it sees that it is two rounds behind."""
        came, newest = self.of_round()
        if newest > self.number + 1:
            return []
        return [p for p in peers if p not in came and not self.node.lost(p, began_s)]

    def taken(self) -> list[str]:
        """Whose model the client has waited for; what is for later rounds stays.

        Who has missed rounds trains the one next that its neighbours are in.
        """
        came, newest = self.of_round()
        self.number = max(self.number, newest - 1)
        self.node.storage.keep(number=self.number)
        self.inbox = [(peer, number) for peer, number in self.inbox if number > self.number]
        return came

    def of_round(self) -> tuple[list[str], int]:
        """Of whom a model of this round or a later one has come; the number of the newest."""
        mail = [(peer, number) for peer, number in self.inbox if number >= self.number]
        return list(dict(mail)), max([self.number, *(number for _, number in mail)])
