"""Processes that play worlds beside this one, and what they say put into the graph."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from sim.compute import ComputeError, Graph, Lineage
from sim.compute.handover import Adoption
from sim.compute.processes import Process, Processes
from sim.record.code import active, everything
from sim.runs.playing import Played, RunProgress
from sim.runs.worlds.player import Ended, Failed, Told, Word

ATTEMPTS = 3
"""A world whose player died so often fails."""
SECONDS_BETWEEN_LOOKS = 0.05
_PLAYER = "sim.runs.worlds.player"


class WorldFault(Exception):
    """What a user's code is to blame for in a world, in a line."""


class Players:
    """Processes, each of which plays one world at a time.

    Beside what computes they keep `most` cores busy, so there are at most so many, and always one:
    what it names comes to be computed while it plays on.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._processes = Processes([_PLAYER])
        self._idle: list[Process] = []
        self._playing = 0
        self._turn = asyncio.Lock()

    async def play(
        self, part: bytes, lineage: Lineage, graph: Graph, tell: Callable[[RunProgress], None]
    ) -> Played:
        """Have a world played, a pickled Part, whose models are `lineage`'s in `graph`.

        Raises WorldFault, and ComputeError if the processes that should play it die.
        """
        async with self._turn:
            while self._playing >= max(1, self._most - graph.under_way):
                await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
            self._playing += 1
        try:
            return await self._play(part, lineage, graph, tell)
        finally:
            self._playing -= 1

    async def _play(
        self, part: bytes, lineage: Lineage, graph: Graph, tell: Callable[[RunProgress], None]
    ) -> Played:
        code: int | None = None
        for _ in range(ATTEMPTS):
            process = self._idle.pop() if self._idle else self._started()
            try:
                played = await _heard(process, part, Adoption(lineage), graph, tell)
            except (EOFError, OSError):
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


@contextmanager
def players_for(workers: int) -> Iterator[Players | None]:
    """Those that so many workers make room for; None if worlds have to be played in this process.

    They end with the context.
    """
    # Classes that were given directly are nowhere but here.
    if not workers or everything() != active():
        yield None
        return
    players = Players(workers)
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
    """The world, as the process has played it. Raises EOFError or OSError if it ends before."""
    process.connection.send_bytes(part)
    while True:
        match await _word(process):
            case Told(progress, piece):
                tell(progress)
                adoption.adopt(piece)
                # What isn't read from the pipe holds the player back.
                await graph.throttle()
            case Ended(piece, played, final, rows):
                adoption.adopt(piece)
                # Only now: a world that is played again must not count twice.
                graph.note(adoption.named(), played.steps_asked)
                played.final = list(zip(final, map(adoption.model, rows), strict=True))
                return played
            case Failed(text, blamed):
                raise WorldFault(text) if blamed else RuntimeError(text)


async def _word(process: Process) -> Word:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    descriptor = process.connection.fileno()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
    word: Word = process.connection.recv()
    return word
