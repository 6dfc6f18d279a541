"""Who plays worlds beside this process, here or on a cluster; what they say goes into the graph."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from sim.compute import ComputeError, Graph, Lineage
from sim.compute.handover import Adoption
from sim.compute.processes import Process, Processes
from sim.record.code import active, everything
from sim.runs.playing import Played, RunProgress
from sim.runs.worlds.player import Ended, Failed, Told, Word, WorldFault, performed

ATTEMPTS = 3
"""A world whose player died so often fails."""
SECONDS_BETWEEN_LOOKS = 0.05
_PLAYER = "sim.runs.worlds.player"


class Players(ABC):
    """Each of them plays one world at a time.

    Beside what computes they keep `most` cores busy, so there are at most so many, and always one:
    what it names comes to be computed while it plays on.
    """

    def __init__(self, most: Callable[[], int]) -> None:
        self._most = most
        self._playing = 0
        self._turn = asyncio.Lock()

    async def play(
        self, part: bytes, lineage: Lineage, graph: Graph, tell: Callable[[RunProgress], None]
    ) -> Played:
        """Have a world played, a pickled Part, whose models are `lineage`'s in `graph`.

        Raises WorldFault, and ComputeError if those that should play it die.
        """
        async with self._turn:
            while self._playing >= max(1, self._most() - graph.under_way):
                await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
            self._playing += 1
        try:
            return await self._play(part, lineage, graph, tell)
        finally:
            self._playing -= 1

    @abstractmethod
    async def _play(
        self, part: bytes, lineage: Lineage, graph: Graph, tell: Callable[[RunProgress], None]
    ) -> Played:
        """See `play`, whose turn it is."""


class PlayersHere(Players):
    """Processes beside this one."""

    def __init__(self, most: int) -> None:
        super().__init__(lambda: most)
        self._processes = Processes([_PLAYER])
        self._idle: list[Process] = []

    async def _play(
        self, part: bytes, lineage: Lineage, graph: Graph, tell: Callable[[RunProgress], None]
    ) -> Played:
        code: int | None = None
        for _ in range(ATTEMPTS):
            process = self._idle.pop() if self._idle else self._started()
            try:
                played = await _heard(process, part, Adoption(lineage), graph, tell)
            except EOFError:
                code = process.wait(1.0)
                process.close()
                continue
            except WorldFault:
                self._idle.append(process)
                raise
            self._idle.append(process)
            return played
        raise ComputeError(f"a process that plays worlds ended unexpectedly (exit code {code})")

    def _started(self) -> Process:
        process = self._processes.start(f"{_PLAYER}:main")
        with suppress(OSError):  # One that is dead is found to be so when it is to play.
            process.connection.send(active())
        return process

    def close(self) -> None:
        """End all of them at once."""
        self._processes.close()


class Cluster(Protocol):
    """What a cluster's engine can do beside its operations."""

    @property
    def workers(self) -> int:
        """How many there are."""

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What it gives on a worker. Raises ComputeError if the cluster can't have it done."""


class PlayersThere(Players):
    """A cluster's workers, which say all of a world when they have played it."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(lambda: cluster.workers)
        self._cluster = cluster

    async def _play(
        self, part: bytes, lineage: Lineage, graph: Graph, tell: Callable[[RunProgress], None]
    ) -> Played:
        words: list[Word] = await self._cluster.call(performed, active(), part)
        adoption = Adoption(lineage)
        for word in words[:-1]:
            _take(word, adoption, graph, tell)
            await graph.throttle()
        played = _take(words[-1], adoption, graph, tell)
        assert played is not None
        return played


@contextmanager
def players_for(workers: int, cluster: Cluster | None = None) -> Iterator[Players | None]:
    """Those that so many workers make room for, or a cluster's; None if worlds have to be played in
    this process.

    They end with the context.
    """
    # Classes that were given directly are nowhere but here.
    if everything() != active():
        yield None
    elif cluster is not None:
        yield PlayersThere(cluster)
    elif not workers:
        yield None
    else:
        players = PlayersHere(workers)
        try:
            yield players
        finally:
            players.close()


async def _heard(
    process: Process,
    part: bytes,
    adoption: Adoption,
    graph: Graph,
    tell: Callable[[RunProgress], None],
) -> Played:
    """The world, as the process has played it. Raises EOFError if it ends before."""
    with _ends_by_eof():
        process.connection.send_bytes(part)
    while (played := _take(await _word(process), adoption, graph, tell)) is None:
        # What isn't read from the pipe holds the player back.
        await graph.throttle()
    return played


def _take(
    word: Word, adoption: Adoption, graph: Graph, tell: Callable[[RunProgress], None]
) -> Played | None:
    """Put what was said into the graph; the last word is the world. Raises what has failed."""
    match word:
        case Told(progress, piece):
            tell(progress)
            adoption.adopt(piece)
            return None
        case Ended(piece, played, final, rows):
            adoption.adopt(piece)
            # Only now: a world that is played again must not count twice.
            graph.note(adoption.named(), played.steps_asked)
            played.final = list(zip(final, map(adoption.model, rows), strict=True))
            return played
        case Failed(kind, text):
            raise kind(text)


async def _word(process: Process) -> Word:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    descriptor = process.connection.fileno()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
    with _ends_by_eof():
        word: Word = process.connection.recv()
    return word


@contextmanager
def _ends_by_eof() -> Iterator[None]:
    """Let a process that is gone raise EOFError: an OSError may come from the store's disk."""
    try:
        yield
    except OSError as error:
        raise EOFError from error
