"""BrainTorrent from its paper (Roy et al. 2019, section 2) and the page on it, in a naive world.

A client asks its peers, by ping, for the versions that they have; fetches the models of those that
are newer than what it has merged; averages over itself and those that sent; and trains.
"""

from functools import partial
from typing import Any

from tests.independent.naive import ARRIVAL, TIMEOUT, Described, Naive, Process, Row


class BrainTorrent:
    """Clients at their own pace; in stable storage are finished rounds and what was merged."""

    def __init__(self, described: Described) -> None:
        self.clients = range(len(described.round_s))
        self.rounds = [[0.0] for _ in self.clients]  # By number when each client finished it.
        self.merged: list[dict[int, int]] = [{} for _ in self.clients]
        self.world = Naive(described, self.behaviour)

    def version(self, client: int, time_s: float) -> int:
        return sum(ended_s <= time_s for ended_s in self.rounds[client][1:])

    def behaviour(self, client: int) -> Process:
        while True:
            came: dict[int, int] = {}
            if len(self.rounds[client]) > 1:
                newer: list[int] = []
                yield from self._ping(client, newer)
                yield from self._fetch(client, newer, came)
                if came:
                    yield from self._merge(client, came)
            yield from self._train(client)
            self.rounds[client].append(self.world.now)
            self.merged[client] |= came

    def _ping(self, client: int, newer: list[int]) -> Process:
        """Whose version is newer, of those that are up and answer in time."""
        world, start_s = self.world, self.world.now
        peers = [p for p in self.clients if p != client and not world.suspects(client, p)]
        answers: dict[int, int] = {}

        def reach(peer: int) -> None:
            if world.lives[peer].is_up and not world.is_cut(peer, client, world.now):
                version = self.version(peer, world.now)
                back_s = world.now + world.of.latency_s[peer][client]
                if back_s <= ends_s[peer]:
                    world.at(back_s, ARRIVAL, lambda: answers.update({peer: version}))

        ends_s: dict[int, float] = {}
        for peer in peers:
            there_s, back_s = world.of.latency_s[client][peer], world.of.latency_s[peer][client]
            ends_s[peer] = start_s + max(1.0, 3 * (there_s + back_s))
            world.at(ends_s[peer], TIMEOUT, lambda: None)
            if not world.is_cut(client, peer, start_s):
                world.at(start_s + there_s, ARRIVAL, partial(reach, peer))
        try:
            yield lambda: all(p in answers or world.now >= ends_s[p] for p in peers)
        finally:
            world.row("ping", client, start_s, (len(peers), len(answers)))
        known = self.merged[client]
        newer += [peer for peer in sorted(answers) if answers[peer] > known.get(peer, 0)]

    def _fetch(self, client: int, newer: list[int], came: dict[int, int]) -> Process:
        """Ask each for its model, and wait for those that aren't lost on the way."""
        world, asked_s = self.world, self.world.now
        owed: dict[int, Any] = {}

        def answer(ask: Any) -> None:
            peer, version = ask.target, self.version(ask.target, world.now)
            fail = partial(owed.pop, peer, None)
            model = world.send(peer, client, world.of.size, version, arrive, fail)
            if peer in owed:
                owed[peer] = model

        def arrive(model: Any) -> None:
            if owed.pop(model.source, None) is not None:
                came[model.source] = model.payload

        def forget() -> None:
            for peer in [peer for peer in owed if world.lost(client, peer, asked_s)]:
                world.cancel(owed.pop(peer))

        for peer in newer:
            if not world.suspects(client, peer):
                owed[peer] = world.send(
                    client, peer, 0, None, answer, partial(owed.pop, peer, None)
                )
        try:
            while owed:
                yield lambda: not owed or any(world.lost(client, p, asked_s) for p in owed)
                forget()
        finally:
            owed.clear()

    def _merge(self, client: int, came: dict[int, int]) -> Process:
        start_s = self.world.now
        yield self.world.after(self.world.of.merge_s * (len(came) + 1))
        names = tuple(self.world.of.names[peer] for peer in sorted(came))
        self.world.row("merge", client, start_s, names)

    def _train(self, client: int) -> Process:
        start_s = self.world.now
        try:
            yield self.world.after(self.world.of.round_s[client])
        except GeneratorExit:
            self.world.row("train_lost", client, start_s)
            raise
        self.world.row("train", client, start_s)


def played(described: Described, until_s: float) -> list[Row]:
    """All that happens up to and at `until_s`."""
    return BrainTorrent(described).world.run(until_s)
