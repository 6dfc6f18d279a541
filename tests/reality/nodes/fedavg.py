"""Federated averaging with one server, which can crash.

McMahan, Moore, Ramage, Hampson, Agüera y Arcas, "Communication-Efficient Learning of Deep Networks
from Decentralized Data", AISTATS 2017, arXiv 1602.05629, algorithm 1. A round that closes before
all have reported is that of Bonawitz et al., "Towards Federated Learning at Scale: System Design",
MLSys 2019, arXiv 1902.01046.
"""

import math
from dataclasses import dataclass, field
from typing import ClassVar

from tests.reality.nodes.node import Node, Protocol

TERM = 1 << 32
"""Orders of later terms, where there are standbys, have higher numbers."""


class Client(Protocol):
    """It trains the model that it was sent last, and reports until that is there.

    Settings: `retry_initial`, `retry_cap`, `transfer_timeout`.
    """

    only: ClassVar = {
        "late_updates": "discard",
        "participation": 1.0,
        "server_optimizer": {"kind": "average"},
    }

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        # The newest order that has come, and the last that was begun.
        self.newest = self.begun = -1

    async def run(self) -> None:
        await self.report()
        while True:
            await self.node.until(lambda: self.newest > self.begun)
            self.begun = self.newest
            await self.node.train()
            self.node.keep_trained(unreported=self.begun)
            await self.report()

    def on_order(self, _: str, attempt: int) -> None:
        self.newest = max(self.newest, attempt)
        self.node.nudge()

    @property
    def server(self) -> str:
        """To whom it reports."""
        return "server"

    # -- reporting -----------------------------------------------------------------------------

    @property
    def unreported(self) -> int | None:
        """The order whose update is finished, and not known to be at the server."""
        number: int | None = self.node.storage.get("unreported", None)
        return number

    def is_pointless(self) -> bool:
        """Whether a newer order has come meanwhile."""
        return self.unreported is not None and self.newest > self.unreported

    async def report(self) -> None:
        """Upload what is finished until the server has it; back off in between."""
        wait_s = self.settings["retry_initial"]
        while self.unreported is not None and not self.is_pointless():
            if await self.uploaded():
                break
            await self.back_off(wait_s)
            wait_s = min(2 * wait_s, self.settings["retry_cap"])
        self.node.storage.keep(unreported=None)

    async def uploaded(self) -> bool:
        """One try: ends when it has arrived, can't, or needn't any longer."""
        server = self.server
        told = await self.node.reach(
            server,
            "update",
            with_model=True,
            attempt=self.unreported,
            within_s=self.settings["transfer_timeout"],
            unless=lambda: self.server != server or self.is_pointless(),
        )
        return told is not None

    async def back_off(self, wait_s: float) -> None:
        """Wait; or until there is news of the server, or a newer order."""

        def belief() -> tuple[str, bool, float]:
            detector, server = self.node.detector, self.server
            return server, detector.suspects(server), detector.began_s(server)

        before, end_s = belief(), self.node.now() + wait_s
        await self.node.until(lambda: belief() != before or self.is_pointless(), end_s)


@dataclass
class Round:
    """One try of a server round: who still owes an update, and the updates that came."""

    attempt: int
    opened_s: float
    asked: int
    pending: list[str]
    updates: list[str] = field(default_factory=list)


class Server(Protocol):
    """It drives the rounds.

    Settings: `deadline`, `close_at`, `minimum_fraction`, `transfer_timeout`. Stable: the number of
    finished rounds, and up to which order each client's updates are in the model.
    """

    only = Client.only

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.term = 0
        self.current: Round | None = None
        self.restore()

    def restore(self) -> None:
        """Go on from the last checkpoint."""
        self.rounds: int = self.node.storage.get("rounds", 0)
        self.come: dict[str, int] = dict(self.node.storage.get("come", {}))

    async def run(self) -> None:
        await self.serve()

    async def serve(self) -> None:
        """Play round after round."""
        while True:
            await self.node.until(lambda: bool(self.node.trusted(self.node.clients)))
            await self.play(self.open_round())

    def open_round(self) -> Round:
        asked = self.node.trusted(self.node.clients)
        self.current = Round(self.next_attempt(), self.node.now(), len(asked), asked)
        return self.current

    def next_attempt(self) -> int:
        """The number of the next order; it goes on through crashes."""
        number: int = self.node.storage.get("orders", 0)
        self.node.storage.keep(orders=number + 1)
        return self.term * TERM + number

    async def play(self, current: Round) -> None:
        """Order, collect, average."""
        number, outcome = self.rounds, "round_failed"
        orders = [self.node.spawn(self.order(current, client)) for client in current.pending]
        end_s = current.opened_s + self.settings["deadline"]
        await self.node.until(lambda: self.is_over(current), end_s)
        for order in orders:
            order.cancel()
        self.current = None  # What comes from now on is late.
        if len(current.updates) >= self.share("minimum_fraction", current):
            await self.average(current)
            outcome = "round"
        told = {"asked": current.asked, "updates": len(current.updates)}
        self.node.note(outcome, current.opened_s, round=number, **told)

    async def order(self, current: Round, client: str) -> None:
        """Send a client the model; if that fails nobody waits for it."""
        told = {"attempt": current.attempt, "within_s": self.settings["transfer_timeout"]}
        if await self.node.reach(client, "order", with_model=True, **told) is None:
            self.let_go(current, client)

    def let_go(self, current: Round, client: str) -> None:
        """Wait for nothing of a client any longer."""
        if client in current.pending:
            current.pending.remove(client)
            self.node.nudge()

    def is_over(self, current: Round) -> bool:
        """Whether enough have reported, or nobody is left to."""
        for client in [c for c in current.pending if self.node.lost(c, current.opened_s)]:
            current.pending.remove(client)
        return len(current.updates) >= self.share("close_at", current) or not current.pending

    def share(self, setting: str, current: Round) -> int:
        # 0.07 x 100 is a little more than 7.
        share: float = self.settings[setting]
        return math.ceil(round(share * current.asked, 9))

    def on_update(self, client: str, attempt: int) -> None:
        if attempt <= self.come.get(client, -1):
            return  # Who crashed before it heard that its update is there sends it again.
        self.come[client] = attempt
        if self.current is None or attempt != self.current.attempt:
            self.node.note("update_late", peer=client)
            return
        self.current.updates.append(client)
        self.let_go(self.current, client)

    async def average(self, current: Round) -> None:
        """The next global model; it is stable at once."""
        work_s = self.node.config.aggregation_s * len(current.updates)
        await self.node.sleep_until(self.node.now() + work_s)
        self.rounds += 1
        self.checkpoint()

    def checkpoint(self) -> None:
        """Keep what `restore` reads."""
        self.node.storage.keep(rounds=self.rounds, come=self.come)
