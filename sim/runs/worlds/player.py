"""What a process does that plays worlds: no tensors, and nothing is computed."""

from __future__ import annotations

import asyncio
import pickle
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection

from sim.compute import Lineage, Naming
from sim.compute.handover import Handover, Piece
from sim.record.code import Code, activate, whose_fault
from sim.record.errors import ScenarioError
from sim.record.rows import FinalModel
from sim.runs.playing import Played, Run, RunProgress, play, unlearned

WORTH_SAYING = 256
"""Operations demanded; fewer are told with the next."""
SECONDS_BETWEEN_WORDS = 0.2


@dataclass(frozen=True)
class Part:
    """A world to play, and what its learner's models and scores are named by, if there is one.

    `stops`: see `play`.
    """

    run: Run
    names: tuple[str, str] | None
    stops: bool = True

    def lineage(self, graph: Naming) -> Lineage:
        """The names of the models that its learner makes."""
        if self.names is None:
            return unlearned(self.run.scenario)
        (name, judged_by), steps = self.names, self.run.facts.steps_by_client
        return Lineage(graph, None, name, None, steps, judged_by)


@dataclass(frozen=True)
class Told:
    """What has been demanded since a player last said something, and how far it is."""

    progress: RunProgress
    piece: Piece


@dataclass(frozen=True)
class Ended:
    """A world that has been played to its end, but for the models to keep, which are rows."""

    piece: Piece
    played: Played
    final: list[FinalModel]
    rows: list[int]


class WorldFault(Exception):
    """What a user's code is to blame for in a world, in a line."""


@dataclass(frozen=True)
class Failed:
    """Why a world could not be played: an error to raise."""

    kind: type[Exception]
    text: str

    @classmethod
    def of(cls, error: Exception) -> Failed:
        """What it is where the run is; an error of ours with all that is known of it."""
        if cause := whose_fault(error):
            return cls(WorldFault, cause)
        if isinstance(error, ScenarioError):
            return cls(ScenarioError, str(error))
        return cls(RuntimeError, "".join(traceback.format_exception(error)))


Word = Told | Ended | Failed


def main(connection: Connection) -> None:
    """Play the worlds that come over a connection, until nobody is there."""
    try:
        # Before anything is read that may be of a user's code.
        activate(connection.recv())
        while True:
            asyncio.run(perform(connection.recv(), connection.send))
    except (EOFError, OSError):
        return


def performed(code: Code, part: bytes) -> list[Word]:
    """All that is said of a world, a pickled Part, in a process that others use, too."""
    activate(code)  # Before anything is read that may be of a user's code.
    words: list[Word] = []
    # From where all else comes that this process is told to do.
    asyncio.run(perform(pickle.loads(part), words.append))  # noqa: S301
    return words


async def perform(part: Part, say: Callable[[Word], None]) -> None:
    """Play one world and say all of it; the last word is Ended or Failed.

    Where `say` waits, because what was said is still being worked at, virtual time waits, too.
    """
    handover, said_s = Handover(), time.monotonic()

    async def between(progress: RunProgress) -> None:
        nonlocal said_s
        if len(handover) >= WORTH_SAYING or time.monotonic() - said_s > SECONDS_BETWEEN_WORDS:
            say(Told(progress, handover.piece()))
            said_s = time.monotonic()

    try:
        played = await play(part.run, part.lineage(handover), between, stops=part.stops)
    except Exception as error:
        say(Failed.of(error))
        return
    final, models = [one for one, _ in played.final], [model for _, model in played.final]
    rows = [handover.row(model) for model in models]
    played.final = []
    say(Ended(handover.piece(), played, final, rows))  # As long as they are held here.
