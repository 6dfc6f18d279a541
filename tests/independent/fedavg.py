"""FedAvg from its paper (McMahan et al. 2017, algorithm 1) and the page on it, in a naive world.

The server, the last node, sends its model to all whom it doesn't suspect; who gets it trains and
reports until that is there. A round ends with all reports, when nobody is left to wait for, or at
its deadline, and fails with fewer than half of the updates.
"""

import math
from collections.abc import Callable
from functools import partial

from tests.independent.naive import TIMEOUT, Described, Message, Naive, Process, Row


class FedAvg:
    """In stable storage: the server's rounds and whose updates it has; clients' last update."""

    def __init__(self, described: Described, deadline_s: float, aggregation_s: float) -> None:
        self.deadline_s, self.aggregation_s = deadline_s, aggregation_s
        self.server = len(described.round_s)
        self.inbox: list[list[int]] = [[] for _ in described.round_s]
        self.unreported: list[int | None] = [None for _ in described.round_s]
        self.attempts = 0
        self.stored: dict[int, int] = {}
        self.world = Naive(described, self.behaviour)

    def behaviour(self, node: int) -> Process:
        if node == self.server:
            return self._serve()
        self.inbox[node] = []
        return self._participate(node)

    def _serve(self) -> Process:
        world, clients = self.world, range(self.server)
        self.updates: list[int] = []
        self.come = dict(self.stored)  # By client the newest update that counts in the model.
        while True:
            attempt, start_s = self.attempts, world.now
            self.attempts += 1
            asked = [one for one in clients if not world.suspects(self.server, one)]
            if not asked:
                yield world.news(self.server, clients)
                continue
            self.attempt, self.pending, self.updates = attempt, dict.fromkeys(asked), []
            orders = {client: self._order(client, attempt) for client in asked}
            yield from self._collect(orders, start_s)
            for order in orders.values():
                world.cancel(order)
            number, kind = len(self.updates), "round_failed"
            self.attempt = -1
            if number >= math.ceil(len(asked) / 2):
                yield world.after(self.aggregation_s * number)
                self.stored, kind = dict(self.come), "round"
            world.row(kind, self.server, start_s, (len(asked), number))

    def _order(self, client: int, attempt: int) -> Message:
        pending, world = self.pending, self.world

        def arrive(_: Message) -> None:
            self.inbox[client].append(attempt)

        def fail() -> None:
            pending.pop(client, None)

        return world.send(self.server, client, world.of.size, attempt, arrive, fail)

    def _collect(self, orders: dict[int, Message], start_s: float) -> Process:
        over = self.world.after(self.deadline_s, TIMEOUT)

        def lost() -> list[int]:
            return [one for one in self.pending if self.world.lost(self.server, one, start_s)]

        while self.pending and not over():
            yield lambda: not self.pending or over() or bool(lost())
            for client in lost():
                del self.pending[client]
                self.world.cancel(orders[client])

    def _update_arrives(self, update: Message) -> None:
        client, attempt = update.source, update.payload
        is_new = attempt > self.come.get(client, -1)
        self.come[client] = max(attempt, self.come.get(client, -1))
        if is_new and attempt == self.attempt:
            self.pending.pop(client, None)
            self.updates.append(client)

    def _participate(self, client: int) -> Process:
        world, last = self.world, -1
        yield from self._report(client)
        while True:
            yield partial(self._is_ordered, client, last)
            last, self.inbox[client], start_s = max(self.inbox[client]), [], world.now
            try:
                yield world.after(world.of.round_s[client])
            except GeneratorExit:
                world.row("train_lost", client, start_s)
                raise
            world.row("train", client, start_s)
            self.unreported[client] = last
            yield from self._report(client)

    def _is_ordered(self, client: int, after: int) -> bool:
        return any(order > after for order in self.inbox[client])

    def _is_pointless(self, client: int) -> bool:
        update = self.unreported[client]
        return update is None or self._is_ordered(client, update)

    def _report(self, client: int) -> Process:
        wait_s = 1.0
        while not self._is_pointless(client):
            sent: list[bool] = []
            yield from self._upload(client, sent)
            if sent:
                break
            if not self._is_pointless(client):
                yield self._try_again(client, wait_s)
                wait_s = min(2 * wait_s, 30.0)
        self.unreported[client] = None

    def _try_again(self, client: int, wait_s: float) -> Callable[[], bool]:
        """Whether so much time has passed, an order has come, or there is news of the server."""
        over, news = self.world.after(wait_s, TIMEOUT), self.world.news(client, [self.server])
        before = len(self.inbox[client])
        return lambda: over() or news() or len(self.inbox[client]) > before

    def _upload(self, client: int, sent: list[bool]) -> Process:
        world, start_s, server = self.world, self.world.now, self.server
        if world.suspects(client, server):
            return
        update, size = self.unreported[client], world.of.size
        upload = world.send(client, server, size, update, self._update_arrives, acknowledged=True)

        def hopeless() -> bool:
            return world.lost(client, server, start_s) or self._is_pointless(client)

        yield lambda: upload.told is not None or hopeless()
        if upload.told:
            sent.append(True)
        elif upload.told is None:
            world.cancel(upload)


def played(
    described: Described, until_s: float, deadline_s: float, aggregation_s: float
) -> list[Row]:
    """All that happens up to and at `until_s`."""
    return FedAvg(described, deadline_s, aggregation_s).world.run(until_s)
