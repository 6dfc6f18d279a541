"""Processes that play worlds beside this one, and what they say put into the graph."""

import asyncio
from collections.abc import Callable

from sim.compute import ComputeError, Graph, Lineage
from sim.compute.handover import Adoption
from sim.compute.processes import Process, Processes
from sim.record.code import active, everything
from sim.runs.playing import Played, RunProgress
from sim.runs.worlds.player import Ended, Failed, Part, Told, Word

ATTEMPTS = 3
"""A world whose player died so often fails."""
_PLAYER = "sim.runs.worlds.player"


class WorldFault(Exception):
    """What a user's code is to blame for in a world, in a line."""


class Players:
    """Up to `most` processes, each of which plays one world at a time."""

    def __init__(self, most: int) -> None:
        self._seats = asyncio.Semaphore(most)
        self._processes = Processes([_PLAYER])
        self._idle: list[Process] = []

    async def play(
        self, part: Part, lineage: Lineage, graph: Graph, tell: Callable[[RunProgress], None]
    ) -> Played:
        """Have a world played, whose models are `lineage`'s in `graph`.

        Raises WorldFault, and ComputeError if the processes that should play it die.
        """
        async with self._seats:
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
        process.connection.send(active())
        return process

    def close(self) -> None:
        """End all of them at once."""
        self._processes.close()


def players_for(workers: int) -> Players | None:
    """As many as there may be busy workers; None if worlds have to be played in this process."""
    # Classes that were given directly are nowhere but here.
    return Players(workers) if workers and everything() == active() else None


async def _heard(
    process: Process,
    part: Part,
    adoption: Adoption,
    graph: Graph,
    tell: Callable[[RunProgress], None],
) -> Played:
    """The world, as the process has played it. Raises EOFError if it ends before that."""
    process.connection.send(part)
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
