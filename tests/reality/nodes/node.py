"""A node: its clock, log, storage and connections, and what every protocol asks of it.

One process, one thread. A crash is the process's end at any instant, and takes all but the storage.
"""

import asyncio
import contextlib
import itertools
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from tests.reality.nodes.config import Config
from tests.reality.nodes.datagrams import Datagrams, Hear
from tests.reality.nodes.detector import Detector
from tests.reality.nodes.log import Log
from tests.reality.nodes.storage import Storage
from tests.reality.nodes.wire import Fields, Reply, Wire

PING_TIMEOUT_S = 1.0
"""How long answers to a ping are waited for, unless the protocol says it."""
T = TypeVar("T")


def never() -> bool:
    """Nothing makes it pointless."""
    return False


class Node:
    """What a protocol works with; see the methods."""

    def __init__(self, config: Config, protocol: "type[Protocol]") -> None:
        self.config, self.name = config, config.name
        self.log, self.storage = Log(Path(config.log)), Storage(Path(config.storage))
        self.detector = Detector(config, self._told)
        self._wire = Wire(
            config, self.now, self.spawn, self._answer, self._model_arrived, self._process_ended
        )
        hear: dict[str, Hear] = {
            "heartbeat": self.detector.heard,
            "ping": self._pinged,
            "pong": self._ponged,
        }
        self._datagrams = Datagrams(config, hear)
        self._news = asyncio.Event()
        self._pings, self._answers = itertools.count(), dict[int, dict[str, Fields]]()
        self._tasks = asyncio.TaskGroup()
        self._protocol = protocol(self)

    async def live(self) -> None:
        """Be there from the beginning of this life until the world's end, or a crash."""
        with contextlib.suppress(TimeoutError), contextlib.closing(self._wire):
            async with asyncio.timeout(self.config.until_s - self.now()), self._tasks:
                await self._begin()
                await self._protocol.run()

    async def _begin(self) -> None:
        await self._wire.listen()
        await self._datagrams.listen()
        for peer in self.others:
            self.spawn(self._wire.meet(peer))
        await self.sleep_until(self.config.begins_s)
        self.detector.start()
        self.spawn(self._send_heartbeats())

    async def _send_heartbeats(self) -> None:
        while True:
            for peer in self.others:
                self._datagrams.send(peer, "heartbeat", began_s=self.config.begins_s)
            await self.sleep_until(self.detector.next_s(self.now()))

    # -- time and tasks ------------------------------------------------------------------------

    def now(self) -> float:
        """Seconds of the world."""
        return time.monotonic() - self.config.start_at

    async def sleep_until(self, time_s: float) -> None:
        """Wait until then; not at all if it is over."""
        await asyncio.sleep(max(0.0, time_s - self.now()))

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Do something beside all else."""
        return self._tasks.create_task(work)

    def nudge(self) -> None:
        """Something is new: let all who wait look again."""
        self._news.set()
        self._news = asyncio.Event()

    async def until(self, is_so: Callable[[], bool], by_s: float = math.inf) -> bool:
        """Wait until something is so, and that time at the latest; whether it is."""
        try:
            async with asyncio.timeout(max(0.0, by_s - self.now())):
                while not is_so():
                    await self._news.wait()
        except TimeoutError:
            return is_so()
        return True

    # -- computing -----------------------------------------------------------------------------

    async def train(self) -> None:
        """One attempt at a local round; what it comes to is to be kept."""
        attempt, began_s = self.storage.get("attempts", 0), self.now()
        self.storage.keep(attempts=attempt + 1)
        times_s = self.config.train_s
        await self.sleep_until(began_s + times_s[min(attempt, len(times_s) - 1)])
        number = self.storage.get("rounds", 0)
        self.note("train", began_s, round=number, attempt=attempt)

    def keep_trained(self, **what: Any) -> None:
        """The local round is finished: its model, and what else belongs to it, is stable."""
        self.storage.keep(rounds=self.storage.get("rounds", 0) + 1, **what)

    async def merge(self, peers: Iterable[str], *, with_own: bool = True) -> None:
        """Average the models of these peers, and the node's own."""
        began_s, peers = self.now(), sorted(peers, key=list(self.config.addresses).index)
        await self.sleep_until(began_s + self.config.merge_s * (len(peers) + with_own))
        self.note("merge", began_s, peers=peers)

    # -- peers ---------------------------------------------------------------------------------

    @property
    def others(self) -> list[str]:
        """All other nodes."""
        return [name for name in self.config.addresses if name != self.name]

    @property
    def clients(self) -> list[str]:
        """All clients, this one included."""
        return [name for name in self.config.addresses if name.startswith("client_")]

    @property
    def neighbours(self) -> list[str]:
        """The clients that it may talk to."""
        known = self.config.neighbours or self.clients
        return [name for name in known if name != self.name]

    def suspects(self, peer: str) -> bool:
        """See Detector."""
        return self.detector.suspects(peer)

    def trusted(self, peers: Iterable[str]) -> list[str]:
        """Those that the node doesn't suspect."""
        return [peer for peer in peers if not self.suspects(peer)]

    def lost(self, peer: str, since_s: float) -> bool:
        """See Detector."""
        return self.detector.lost(peer, since_s)

    async def call(
        self, peer: str, method: str, *, with_model: bool = False, **fields: Any
    ) -> Reply | None:
        """Say something to a peer: its answer, or None if the connection fails.

        At the peer the protocol's `on_METHOD` is called with the node's name and `fields`.
        """
        model_bytes = self.config.model_bytes if with_model else 0
        return await self._wire.call(peer, method, model_bytes, **fields)

    async def reach(
        self,
        peer: str,
        method: str,
        *,
        within_s: float | None = None,
        unless: Callable[[], bool] = never,
        **fields: Any,
    ) -> Reply | None:
        """The same; it is broken off, with None, when that time is over, as soon as `unless` is so,
        and when the peer is suspected, or known to have started anew.
        """
        began_s = self.now()
        call = asyncio.ensure_future(self.call(peer, method, **fields))
        call.add_done_callback(lambda _: self.nudge())

        def is_over() -> bool:
            return call.done() or self.lost(peer, began_s) or unless()

        try:
            await self.until(is_over, math.inf if within_s is None else began_s + within_s)
            return call.result() if call.done() else None
        finally:
            call.cancel()

    async def ping(self, peers: list[str], timeout_s: float | None) -> dict[str, Fields]:
        """Ask many at once by datagrams: what those say that answer in time."""
        number, began_s = next(self._pings), self.now()
        answers = self._answers[number] = dict[str, Fields]()
        for peer in peers:
            self._datagrams.send(peer, "ping", number=number)
        end_s = began_s + (timeout_s or PING_TIMEOUT_S)
        await self.until(lambda: len(answers) == len(peers), end_s)
        del self._answers[number]
        self.note("ping", began_s, asked=len(peers), answered=len(answers))
        return answers

    def note(self, kind: str, began_s: float | None = None, **what: Any) -> None:
        """Log what the node has done since, or what happens to it now."""
        ended_s = self.now()
        self.log.write(kind, self.name, ended_s if began_s is None else began_s, ended_s, **what)

    # -- what comes in -------------------------------------------------------------------------

    def _answer(self, peer: str, method: str, fields: Fields) -> Reply:
        reply: Reply | None = getattr(self._protocol, f"on_{method}")(peer, **fields)
        return reply or Reply({})

    def _pinged(self, peer: str, number: int) -> None:
        self._datagrams.send(peer, "pong", number=number, answer=self._protocol.pinged())

    def _ponged(self, peer: str, number: int, answer: Fields) -> None:
        if number in self._answers:
            self._answers[number][peer] = answer
            self.nudge()

    def _model_arrived(self, source: str, target: str, sent_s: float, model_bytes: int) -> None:
        self.log.write("transfer", source, sent_s, self.now(), peer=target, bytes=model_bytes)

    def _process_ended(self, peer: str) -> None:
        self.detector.ended(peer, self.now())

    def _told(self, peer: str, what: str) -> None:
        if what in ("restart", "end"):
            self._wire.forget(peer)
        else:
            self.note(what, peer=peer)
        self.nudge()


class Protocol(ABC):
    """What a node does. `on_METHOD`: what it answers to a call of that name.

    Raises ValueError if the settings ask for what is not done here.
    """

    only: ClassVar[Fields] = {}
    """Settings that can't be other than this."""

    def __init__(self, node: Node) -> None:
        self.node, self.settings = node, node.config.settings
        for name, value in self.only.items():
            if self.settings.get(name, value) != value:
                raise ValueError(f"{name}: {self.settings[name]} is not done here, only {value}")

    @abstractmethod
    async def run(self) -> None:
        """Do it from the start, or from the recovery, on."""

    def pinged(self) -> Fields:
        """The answer to a ping."""
        return {}
