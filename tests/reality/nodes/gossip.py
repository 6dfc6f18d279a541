"""Gossip learning: each client pushes its model to random peers; who gets one merges and trains.

Ormándi, Hegedűs, Jelasity, "Gossip learning with linear models on fully distributed data",
Concurrency and Computation 25(4), 2013, arXiv 1109.1396, algorithms 1 and 2.
"""

import itertools
import math
from typing import ClassVar

from tests.reality.nodes.node import Node, Protocol


class Gossip(Protocol):
    """A client that trains the initial model, and then only merges of what has come.

    Settings: `period`. Luck: `push_phase_s`; `push_to`, by number of the tick.
    """

    only: ClassVar = {"order": "merge_then_train", "exchange": "push"}

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.inbox: list[str] = []
        self.under_way = ""

    async def run(self) -> None:
        self.node.spawn(self.tick())
        while True:
            await self.node.until(lambda: bool(self.inbox) or not self.has_trained)
            taken = len(self.inbox) if self.has_trained else 0
            if taken:
                await self.node.merge(dict.fromkeys(self.inbox[:taken]))
            await self.node.train()
            del self.inbox[:taken]
            self.node.keep_trained()

    @property
    def has_trained(self) -> bool:
        """Who has never trained has nothing to give, and nothing to merge with."""
        return bool(self.node.storage.get("rounds", 0))

    async def tick(self) -> None:
        """Push once a period, at a phase of the client's own, which its crashes don't shift."""
        phase_s, period_s = self.node.config.luck["push_phase_s"], self.settings["period"]
        for number in itertools.count(math.ceil((self.node.now() - phase_s) / period_s)):
            await self.node.sleep_until(phase_s + number * period_s)
            if self.has_trained and not self.under_way:
                self.push(number)

    def push(self, number: int) -> None:
        """Send the newest model to the first of this tick's preference who isn't suspected."""
        preference = self.node.config.luck["push_to"][number]
        if trusted := self.node.trusted(preference):
            self.under_way = trusted[0]
            self.node.spawn(self.deliver(trusted[0]))

    async def deliver(self, peer: str) -> None:
        """Once; nobody sends it again."""
        await self.node.reach(peer, "push", with_model=True)
        self.under_way = ""

    def on_push(self, peer: str) -> None:
        self.inbox.append(peer)
        self.node.nudge()
