"""The worlds of a session, each of them played once, whoever asks for it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from sim.compute import Graph
from sim.runs.data import Data
from sim.runs.playing import Played
from sim.runs.worlds.names import Reading
from sim.scenario import Scenario

Play = Callable[[Scenario, str, int], Awaitable[Played]]
"""Plays the world of a protocol and a seed."""


class Worlds:
    """Gives every run its world as it was played; worlds of one name are one.

    One is kept until the last of the runs that `scenarios` have in it has asked for it.
    """

    def __init__(self, scenarios: Sequence[Scenario], graph: Graph, data: Data, play: Play) -> None:
        self._graph = graph
        self._data = data
        self._play = play
        self._playing: dict[str, asyncio.Future[Played]] = {}
        self._asking: Counter[str] = Counter()
        for scenario in scenarios:
            reading = Reading(scenario)
            for protocol in scenario.protocols:
                for seed in scenario.seeds:
                    self._asking[self._name(reading, protocol, seed)] += 1

    async def played(self, scenario: Scenario, protocol: str, seed: int) -> Played:
        """The world of one run; each run asks once. Raises what `Play` does."""
        name = self._name(Reading(scenario), protocol, seed)
        playing, again = self._playing.get(name), name in self._playing
        if playing is None:
            playing = asyncio.ensure_future(self._play(scenario, protocol, seed))
            self._playing[name] = playing
        self._asking[name] -= 1
        if not self._asking[name]:
            del self._asking[name], self._playing[name]
        played = await playing
        if again:
            self._graph.count_again(played.asked, played.steps_asked)
        return played

    def _name(self, reading: Reading, protocol: str, seed: int) -> str:
        learner = self._data.learner_name(reading.scenario, protocol, seed)
        return reading.world(protocol, seed, learner)
