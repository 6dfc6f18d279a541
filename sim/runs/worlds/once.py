"""The worlds of a session, each of them played once, whoever asks for it."""

import asyncio
import pickle
from collections import Counter
from collections.abc import Callable, Sequence

from sim.compute import Graph
from sim.runs.data import Data
from sim.runs.playing import Played, Run, RunProgress, play
from sim.runs.worlds.names import Reading
from sim.runs.worlds.player import Part
from sim.runs.worlds.players import Players
from sim.scenario import Scenario

# A clock that waits for a number lets others go on meanwhile; each of them holds a world in memory.
CLOCKS_WAITING_AT_MOST = 32
HELD_BYTES = 256 << 20
"""Of worlds that are kept for runs to come."""
LOOK_BYTES = 400
"""About what one takes, and in its place its rows of scores."""
TURNS_ALONE = 50
"""So many turns of clocks, about a second, are played in this process before the others go out."""


class Worlds:
    """Gives every run its world as it was played; worlds of one name are one.

    One is kept until the last of the runs that `scenarios` have in it has asked for it. `tell`
    hears how far a clock is. `players`: who may play those that don't wait for numbers, if there is
    much to play. `stops`: whether `stop_when` may end a run.
    """

    def __init__(
        self,
        scenarios: Sequence[Scenario],
        graph: Graph,
        data: Data,
        tell: Callable[[RunProgress], None],
        players: Players | None = None,
        *,
        stops: bool = True,
    ) -> None:
        self._graph = graph
        self._data = data
        self._tell = tell
        self._stops = stops
        waits = stops and any(scenario.stop_when is not None for scenario in scenarios)
        self._players = None if waits else players
        self._clocks = asyncio.Semaphore(CLOCKS_WAITING_AT_MOST if waits else 1)
        self._turns = 0
        self._goes_out = False
        self._playing: dict[str, asyncio.Future[Played]] = {}
        self._sizes: dict[str, int] = {}
        self._held_bytes = 0
        self._names = {id(scenario): self._named(scenario) for scenario in scenarios}
        self._asking = Counter(name for names in self._names.values() for name in names.values())

    async def played(self, scenario: Scenario, protocol: str, seed: int) -> Played:
        """The world of one run; each run asks once.

        Raises ComputeError, and what a user's protocol or fault raises.
        """
        name = self._names[id(scenario)][protocol, seed]
        playing, again = self._playing.get(name), name in self._playing
        if playing is None:
            playing = asyncio.ensure_future(self._play(scenario, protocol, seed))
            self._playing[name] = playing
        self._asking[name] -= 1
        played = await playing
        if again:
            self._graph.count_again(played.asked, played.steps_asked)
        else:
            size = played.traces.nbytes + LOOK_BYTES * len(played.looks)
            self._sizes[name] = size
            self._held_bytes += size
        self._let_go(name)
        return played

    def _let_go(self, name: str) -> None:
        """Forget the world if nobody is left to ask for it, and the oldest if there are many.

        Whoever asks for one of those again has it played again.
        """
        names = [] if self._asking[name] else [name]
        if self._held_bytes > HELD_BYTES:
            names += [each for each in self._playing if each in self._sizes][:1]
        for each in names:
            self._playing.pop(each, None)
            self._held_bytes -= self._sizes.pop(each, 0)

    def _named(self, scenario: Scenario) -> dict[tuple[str, int], str]:
        reading, name = Reading(scenario), self._data.learner_name
        runs = ((protocol, seed) for protocol in scenario.protocols for seed in scenario.seeds)
        return {run: reading.world(*run, name(scenario, *run)) for run in runs}

    async def _play(self, scenario: Scenario, protocol: str, seed: int) -> Played:
        run = Run(scenario, protocol, seed, self._data.facts(scenario, protocol, seed))
        lineage = self._data.lineage(self._graph, scenario, protocol, seed)
        async with self._clocks:
            if not self._goes_out:
                return await play(run, lineage, self._between, stops=self._stops)
        assert self._players is not None
        names = self._data.names(scenario, protocol, seed)
        part = pickle.dumps(Part(run, names, stops=self._stops))
        return await self._players.play(part, lineage, self._graph, self._tell)

    async def _between(self, progress: RunProgress) -> None:
        self._tell(progress)
        self._turns += 1
        if self._players and not self._goes_out and self._turns > TURNS_ALONE:
            self._goes_out = True
            self._clocks.release()  # Those that wait for this process's only clock wait no more.
        await self._graph.throttle()
