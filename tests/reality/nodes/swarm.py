"""Swarm learning: no server; in every round another client averages what all have trained.

Warnat-Herresthal et al., "Swarm Learning for decentralized and confidential clinical machine
learning", Nature 594, 2021, doi 10.1038/s41586-021-03583-3.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, ClassVar, NamedTuple

from tests.reality.nodes.node import Node, Protocol
from tests.reality.nodes.wire import Reply


class Turn(NamedTuple):
    """Whose turn it is to aggregate; the greater of two is the newer.

    `term`: how many aggregators have been given up so far. `aggregator`, `members`: clients by
    their number; the members may follow this one.
    """

    round: int
    term: int
    aggregator: int
    members: tuple[int, ...]


def turn_of(told: Any) -> Turn:
    """A turn that has come as JSON."""
    number, term, aggregator, members = told
    return Turn(number, term, aggregator, tuple(members))


class Swarm(Protocol):
    """A client that trains, hands in, and aggregates while it is its turn.

    Settings: `ack_timeout`, `timeout`. Luck: `aggregators`, by round; `ask_of`, by attempts.
    The newest turn, the model of its round, which has the turn's name with which it came, and
    which model it has trained are stable.
    """

    only: ClassVar = {"minimum_peers": "all", "on_dead_aggregator": "elect", "returns": True}

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.everyone = tuple(range(len(node.clients)))
        self.me = node.clients.index(node.name)
        first = self.first_able(0, self.everyone, self.everyone)
        self.turn = turn_of(node.storage.get("turn", [0, 0, first, self.everyone]))
        self.aggregates: Turn | None = None
        self.updates: dict[int, list[str]] = {}
        self.handed_in: Turn | None = None
        self.sending: list[tuple[str, Turn]] = []

    async def run(self) -> None:
        if self.node.config.begins_s > 0:
            self.ask_someone()
        self.adopt(self.turn)
        while True:
            await self.go_on(self.turn)

    def ask_someone(self) -> None:
        """Who is back asks one client for the newest turn."""
        preference = self.node.config.luck["ask_of"][self.node.storage.get("attempts", 0)]
        for peer in self.node.trusted(preference)[:1]:
            self.tell(peer)

    # -- a client ------------------------------------------------------------------------------

    async def go_on(self, turn: Turn) -> None:
        """The next step of a round: train, hand in, wait for the average."""
        model = self.node.storage.get("model", [])
        if self.node.storage.get("trained", None) != model:
            await self.node.train()
            self.node.keep_trained(trained=model)
        elif self.handed_in == turn:
            await self.await_average(turn)
        elif turn.aggregator == self.me:
            self.handed_in = turn
            self.take(self.node.name, turn)
        else:
            await self.hand_in(turn)

    async def hand_in(self, turn: Turn) -> None:
        is_over = self.is_over(turn)
        if await self.handed(self.name(turn.aggregator), "update", turn, is_over):
            self.handed_in = turn
        elif not is_over():
            self.give_up(turn)

    async def await_average(self, turn: Turn) -> None:
        """Wait until the turn is over, or its aggregator is found to be gone."""
        began_s, aggregator = self.node.now(), self.name(turn.aggregator)
        is_over = self.is_over(turn)

        def is_done() -> bool:
            return is_over() or self.handed_in != turn or self.node.lost(aggregator, began_s)

        if turn.aggregator == self.me:
            await self.node.until(is_over)
        elif not await self.node.until(is_done, began_s + self.settings["timeout"]):
            await self.ask(turn)
        elif not is_over() and self.handed_in == turn:
            self.give_up(turn)

    async def ask(self, turn: Turn) -> None:
        """Ask whether the aggregator is there; it answers if it has gone on, or started anew."""
        aggregator, is_over = self.name(turn.aggregator), self.is_over(turn)
        within = {"within_s": self.settings["ack_timeout"], "unless": is_over}
        if await self.node.reach(aggregator, "turn", turn=turn, **within) is None and not is_over():
            self.give_up(turn)

    def give_up(self, turn: Turn) -> None:
        """The aggregator is gone, as far as the client knows: it elects another, and tells all."""
        self.handed_in = None
        members = tuple(each for each in turn.members if each != turn.aggregator)
        self.adopt(self.next_turn(turn.round, turn.term + 1, members))
        for peer in self.node.trusted(self.node.neighbours):
            self.tell(peer)

    async def handed(self, peer: str, method: str, turn: Turn, is_over: Callable[[], bool]) -> bool:
        """Offer a model to a peer, and send it: whether it is there.

        The offer has to be acknowledged in time; the model may take as long as it comes.
        """
        reach, within_s = self.node.reach, self.settings["ack_timeout"]
        while not (is_over() or self.node.suspects(peer)):
            if await reach(peer, "offer", within_s=within_s, unless=is_over) is None:
                return False
            model = reach(peer, method, with_model=True, turn=turn, unless=is_over)
            if await self.sent(peer, turn, model):
                return True
        return False

    async def sent(self, peer: str, turn: Turn, model: Awaitable[Reply | None]) -> bool:
        """Whether a model arrives; until that is known it isn't sent once more."""
        self.sending.append((peer, turn))
        try:
            return await model is not None
        finally:
            self.sending.remove((peer, turn))

    # -- the aggregator ------------------------------------------------------------------------

    async def aggregate(self, turn: Turn) -> None:
        """Collect, average and send out, unless another turn comes first."""
        is_over = self.is_over(turn)
        self.node.spawn(self.remind(turn))
        await self.node.until(lambda: is_over() or self.is_complete(turn))
        if is_over():
            return
        came = self.came(turn)
        if came != [self.node.name]:
            others = [peer for peer in came if peer != self.node.name]
            await self.node.merge(others, with_own=self.node.name in came)
        # Who was given up too early may still be the first to have an average.
        if self.turn.round == turn.round:
            following = self.next_turn(turn.round + 1, self.turn.term, self.everyone)
            self.adopt(following, with_model=True)
            for peer in self.node.neighbours:
                self.node.spawn(self.pass_on(following, peer))

    def is_complete(self, turn: Turn) -> bool:
        """Whether the updates of all are there whom the client doesn't suspect."""
        came = self.came(turn)
        return bool(came) and not self.node.trusted(self.missing(turn, turn.members))

    def missing(self, turn: Turn, of: Iterable[int]) -> list[str]:
        """Those of whom no update of the turn's round has come."""
        came = self.came(turn)
        return [name for name in map(self.name, of) if name not in came]

    async def remind(self, turn: Turn) -> None:
        """Tell of the turn whoever is back, and, now and then, of whom nothing has come."""
        node, is_over = self.node, self.is_over(turn)
        known, again_s = node.trusted(node.neighbours), node.now() + self.settings["timeout"]

        def is_news() -> bool:
            return is_over() or node.trusted(node.neighbours) != known

        while not is_over():
            before = known
            if not await node.until(is_news, again_s):
                before, again_s = [], node.now() + self.settings["timeout"]
            known = node.trusted(node.neighbours)
            for peer in self.missing(turn, self.everyone):
                if peer in known and peer not in before and not is_over():
                    self.tell(peer)

    async def pass_on(self, turn: Turn, peer: str) -> None:
        """Send a peer the new model; if the next aggregator can't be reached, elect another."""

        def is_over() -> bool:
            return self.turn.round != turn.round

        there = await self.handed(peer, "average", turn, is_over)
        if not there and self.turn == turn and self.name(turn.aggregator) == peer:
            self.give_up(turn)

    # -- turns ---------------------------------------------------------------------------------

    def name(self, number: int) -> str:
        return self.node.clients[number]

    def is_over(self, turn: Turn) -> Callable[[], bool]:
        """Whether the client goes by another turn by now."""
        return lambda: self.turn != turn

    def next_turn(self, number: int, term: int, members: tuple[int, ...]) -> Turn:
        """That of the first member whom the client doesn't suspect; its own if there is none."""
        live = [n for n in self.everyone if n == self.me or not self.node.suspects(self.name(n))]
        able = self.first_able(number, members, live)
        return Turn(number, term, self.me if able is None else able, members or (self.me,))

    def first_able(self, number: int, members: Iterable[int], live: Iterable[int]) -> int | None:
        order = map(self.node.clients.index, self.node.config.luck["aggregators"][number])
        return next((each for each in order if each in members and each in live), None)

    def adopt(self, turn: Turn, *, with_model: bool = False) -> None:
        """Go by a turn whose model the client has; if it is its own, aggregate."""
        self.turn = turn
        self.node.storage.keep(turn=turn, **({"model": list(turn)} if with_model else {}))
        self.updates = {number: c for number, c in self.updates.items() if number >= turn.round}
        self.node.nudge()
        if turn.aggregator == self.me and turn != self.aggregates:
            self.aggregates = turn
            self.node.spawn(self.aggregate(turn))

    def came(self, turn: Turn) -> list[str]:
        """Whose updates of the turn's round are in the client's memory."""
        return self.updates.setdefault(turn.round, [])

    def take(self, peer: str, turn: Turn) -> None:
        if peer not in self.came(turn):
            self.came(turn).append(peer)
        self.node.nudge()

    # -- messages ------------------------------------------------------------------------------

    def tell(self, peer: str) -> None:
        """Say by which turn the client goes; to say an older one asks for that round's model."""
        self.node.spawn(self.node.call(peer, "turn", turn=self.turn))

    def on_offer(self, _: str) -> None:
        """It is ready."""

    def on_turn(self, peer: str, turn: Any) -> None:
        self.hear(peer, turn_of(turn))

    def on_update(self, peer: str, turn: Any) -> None:
        if turn_of(turn).round >= self.turn.round:  # Else the average is on its way there.
            self.take(peer, turn_of(turn))
            self.hear(peer, turn_of(turn))

    def on_average(self, peer: str, turn: Any) -> None:
        if turn_of(turn) > self.turn:
            self.adopt(turn_of(turn), with_model=True)
        else:
            self.hear(peer, turn_of(turn))

    def hear(self, peer: str, turn: Turn) -> None:
        """A peer goes by `turn`: whoever of the two is behind is helped on."""
        if turn == self.turn:
            self.hear_again(peer, turn)
        elif turn > self.turn and turn.round == self.turn.round:
            self.adopt(turn)
        elif turn.round >= self.turn.round:
            self.tell(peer)
        elif (peer, self.turn) not in self.sending:
            model = self.node.call(peer, "average", with_model=True, turn=self.turn)
            self.node.spawn(self.sent(peer, self.turn, model))

    def hear_again(self, peer: str, turn: Turn) -> None:
        """A peer goes by the same turn: it or the aggregator asks for what a crash took."""
        if self.name(turn.aggregator) == peer:
            self.handed_in = None
            self.node.nudge()
        elif turn.aggregator == self.me and peer not in self.came(turn):
            self.tell(peer)
