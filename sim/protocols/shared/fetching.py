"""Models that a client asks its peers for: whole, or in chunks from whoever has them.

Chunks come as a file's pieces do in BitTorrent (Cohen, "Incentives Build Robustness in BitTorrent",
2003): peers tell what they have, and each is asked for one chunk at a time, so that who is fast
gives more. Unlike there, nobody offers what isn't whole yet.
"""

from dataclasses import dataclass

import numpy as np
import simpy

from sim.compute import ModelRef
from sim.world import LossCause, Node, Ping, Transfer, World

Arrived = dict[int, tuple[ModelRef, int]]
"""By peer its model, and the version of it."""


class Copies:
    """Models of others in clients' memories: of each peer the last that a client fetched."""

    def __init__(self, clients: int) -> None:
        self._held: list[Arrived] = [{} for _ in range(clients)]
        # From when to when a holder has had an owner's version, by all three: an answer to a ping
        # is worked out after the fact. It grows with what is fetched, as the trace does.
        self._spans: list[dict[tuple[int, int], tuple[float, float]]] = [{} for _ in range(clients)]

    def keep(self, holder: Node, owner: int, model: ModelRef, version: int) -> None:
        """The holder has fetched it, and drops what it had of that owner, or what doesn't fit."""
        self._drop(holder, owner)
        for oldest in self._surplus(holder):
            self._drop(holder, oldest)
        self._held[holder.index][owner] = model, version
        self._spans[holder.index][owner, version] = holder.clock.now, np.inf

    def forget(self, holder: Node) -> None:
        """The holder starts; its memory is empty. Nobody could ask it since its crash."""
        for owner in list(self._held[holder.index]):
            self._drop(holder, owner)

    def _surplus(self, holder: Node) -> list[int]:
        """Whose copies must go, the oldest first, for one more to fit into the memory."""
        room = holder.machine.room
        if room is None:
            return []
        others = [owner for owner in self._held[holder.index] if owner != holder.index]
        return others[: max(0, len(others) + 1 - room)]

    def _drop(self, holder: Node, owner: int) -> None:
        held = self._held[holder.index].pop(owner, None)
        if held and owner != holder.index:
            spans = self._spans[holder.index]
            from_s, _ = spans[owner, held[1]]
            spans[owner, held[1]] = from_s, holder.clock.now

    def of(self, holder: Node, owner: int, version: int) -> tuple[ModelRef, int] | None:
        """The owner's model, if the holder has it in that version."""
        held = self._held[holder.index]
        if holder.index == owner and holder.version == version:
            # Whoever fetches it gets all of its chunks, though it may have trained by then.
            held[owner] = holder.storage.model, version
        found = held.get(owner)
        return found if found and found[1] == version else None

    def offers(self, ping: Ping, versions: dict[int, int]) -> dict[int, list[int]]:
        """What those who answered told that they have of `versions`, by owner: owners by peer."""
        told: dict[int, list[int]] = {}
        asked = zip(ping.peers[ping.answered], ping.reached_s[ping.answered], strict=True)
        for peer, at_s in asked:
            spans = self._spans[peer]
            for owner, version in versions.items():
                from_s, until_s = spans.get((owner, version), (np.inf, np.inf))
                if owner == peer or from_s <= at_s < until_s:
                    told.setdefault(int(peer), []).append(owner)
        return told


@dataclass
class Torrent:
    """One model on its way.

    `version`: which one; None is what its owner has when it is asked. `missing`: the bytes of each
    chunk that nobody owes; `left_bytes`: what has not arrived.
    """

    version: int | None
    missing: list[int]
    left_bytes: int

    @classmethod
    def cut(cls, version: int | None, model_bytes: int, chunks: int) -> "Torrent":
        """In so many chunks; in fewer if the model is tiny."""
        most = -(-model_bytes // chunks)
        sizes = [min(most, model_bytes - start) for start in range(0, model_bytes, most)]
        return cls(version, sizes, model_bytes)


@dataclass
class Owed:
    """A chunk that a peer was asked for: whose, its bytes, since when, and what is under way."""

    owner: int
    size_bytes: int
    asked_s: float
    message: Transfer


class Fetch:
    """Models under way to one client, by their owners, from peers who each offer some of them.

    `arrived`: what has come; whole, when that model is awaited no longer. `complete`: succeeds when
    no other is awaited.
    """

    def __init__(
        self,
        world: World,
        node: Node,
        copies: Copies,
        torrents: dict[int, Torrent],
        offers: dict[int, list[int]],
    ) -> None:
        self._world = world
        self._node = node
        self._copies = copies
        self._torrents = torrents
        self._offers = offers
        self._owed: dict[int, Owed] = {}
        self.arrived: Arrived = {}
        self.complete: simpy.Event = node.clock.event()
        self._ask(list(offers))

    @property
    def is_open(self) -> bool:
        """Whether any model is awaited."""
        return bool(self._torrents)

    @property
    def peers(self) -> list[int]:
        """Who owes something, or may yet be asked for what is awaited."""
        return [
            peer
            for peer, owners in self._offers.items()
            if peer in self._owed or any(owner in self._torrents for owner in owners)
        ]

    def give_up_lost(self) -> None:
        """Wait no longer for who, as the client believes, has lost what it was asked for."""
        peers = np.fromiter(self._owed, np.int64)
        asked_s = np.array([owed.asked_s for owed in self._owed.values()])
        lost = self._world.detector.lost(self._node.index, peers, asked_s)
        for peer in peers[lost].tolist():
            self._world.network.cancel(self._owed[peer].message, "abandoned")
            self._lose(peer)

    def give_up(self, cause: LossCause) -> None:
        """Break all that has not come by now."""
        messages = [owed.message for owed in self._owed.values()]
        self.close()
        for message in messages:
            self._world.network.cancel(message, cause)

    def close(self) -> None:
        """Nobody is asked any longer, and what is under way is not waited for."""
        for owner in self._torrents:
            self.arrived.pop(owner, None)
        self._torrents, self._offers, self._owed = {}, {}, {}

    # -- messages ------------------------------------------------------------------------------

    def _ask(self, peers: list[int]) -> None:
        """Let each of the peers that owes nothing send a chunk, if it has one that is missing."""
        free = [peer for peer in peers if self._lacking(peer)]
        if not free:
            return
        suspected = self._world.detector.suspects(self._node.index, np.array(free))
        for peer, is_suspected in zip(free, suspected.tolist(), strict=True):
            if is_suspected:
                self._lose(peer)
            elif owners := self._lacking(peer):  # Another may have been asked for the last chunk.
                self._request(peer, owners)

    def _lacking(self, peer: int) -> list[int]:
        """Of whose models the peer may be asked for a chunk now."""
        if peer in self._owed:
            return []
        torrents, offered = self._torrents, self._offers.get(peer, ())
        return [owner for owner in offered if owner in torrents and torrents[owner].missing]

    def _request(self, peer: int, owners: list[int]) -> None:
        """Ask for a chunk of its own model, or of the one that lacks most."""
        missing = {owner: len(self._torrents[owner].missing) for owner in owners}
        owner = peer if peer in missing else max(owners, key=lambda each: missing[each])
        torrent = self._torrents[owner]
        size_bytes = torrent.missing.pop(0)
        ask = self._world.network.send(
            self._node.index,
            peer,
            payload=(owner, torrent.version, size_bytes),
            delivered=self._answer,
            failed=lambda _: self._fail(peer),
            purpose="ask",
        )
        self._owed[peer] = Owed(owner, size_bytes, self._node.clock.now, ask)

    def _answer(self, ask: Transfer) -> None:
        """At who is asked: send what was asked for, or word that it is there no longer."""
        peer = ask.target
        owner, version, size_bytes = ask.payload
        held = self._held_by(self._world.clients[peer], owner, version)
        answer = self._world.network.send(
            peer,
            self._node.index,
            size_bytes if held else 0,
            held,
            delivered=self._come,
            failed=lambda _: self._fail(peer),
            purpose="weights" if held else "no_weights",
        )
        if peer in self._owed:
            self._owed[peer].message = answer

    def _held_by(self, peer: Node, owner: int, version: int | None) -> tuple[ModelRef, int] | None:
        if version is None:
            return peer.storage.model, peer.version
        return self._copies.of(peer, owner, version)

    def _come(self, answer: Transfer) -> None:
        peer = answer.source
        if peer not in self._owed:
            return  # Asked for before a crash of its client.
        owed = self._owed.pop(peer)
        if answer.payload is None:
            self._offers[peer].remove(owed.owner)
            self._torrents[owed.owner].missing.insert(0, owed.size_bytes)
            self._ask_others(owed.owner)
        else:
            self._take(owed, *answer.payload)
        self._ask([peer])
        self._tell()

    def _take(self, owed: Owed, model: ModelRef, version: int) -> None:
        torrent = self._torrents[owed.owner]
        torrent.left_bytes -= owed.size_bytes
        self.arrived[owed.owner] = model, version
        if not torrent.left_bytes:
            del self._torrents[owed.owner]
            if torrent.version is not None:
                self._copies.keep(self._node, owed.owner, model, version)

    def _fail(self, peer: int) -> None:
        """Neither the peer nor its chunk will come."""
        if peer in self._owed:
            self._lose(peer)
            self._tell()

    def _tell(self) -> None:
        if not self._torrents:
            self.complete.succeed()

    def _lose(self, peer: int) -> None:
        """The peer is asked for nothing any longer, and others for what it owed."""
        owners, owed = self._offers.pop(peer, []), self._owed.pop(peer, None)
        if owed is not None:
            self._torrents[owed.owner].missing.insert(0, owed.size_bytes)
        for owner in owners:
            self._ask_others(owner)

    def _ask_others(self, owner: int) -> None:
        """A peer offers the owner's model no longer; if it was the last one, give the model up."""
        others = [peer for peer, owners in self._offers.items() if owner in owners]
        self._ask(others)
        if not others and owner in self._torrents:
            del self._torrents[owner]
            self.arrived.pop(owner, None)
