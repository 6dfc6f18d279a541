"""Protocols and faults that break one promise each; a module that another process can import."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from sim.compute import ModelRef
from sim.faults import Fault
from sim.protocols import Protocol, Running, Seen
from sim.record.settings import Seconds
from sim.world import Behaviour, Node, Tie, World

DRAWS = random.Random()
NUMBERS = itertools.count()


class Wrong(Protocol):
    """Every client trains and sends its model to all; `step` is what a kind does wrong."""

    kind: Literal["wrong"] = Field(default="wrong", description="the protocol's kind")

    def run(self, world: World) -> Running:
        return Going(world, self)

    def step(self, node: Node, world: World) -> None:
        """Do wrong, between two local rounds."""

    def base(self, node: Node, world: World) -> ModelRef:
        """What is trained next."""
        return node.storage.model


class Going(Running):
    def __init__(self, world: World, settings: Wrong) -> None:
        super().__init__(world)
        self.settings = settings

    def behaviour(self, node: Node) -> Behaviour:
        while True:
            self.settings.step(node, self.world)
            model = yield from node.train(self.settings.base(node, self.world))
            if model is not None:
                node.keep(model)


def others(node: Node, world: World) -> list[Node]:
    return [other for other in world.clients if other is not node]


class Nosy(Wrong):
    def step(self, node: Node, world: World) -> None:
        [other.up for other in others(node, world)]


class NosyOfTheNetwork(Wrong):
    def step(self, node: Node, world: World) -> None:
        world.network.up.current.sum()


class NosyOfStarts(Wrong):
    def step(self, node: Node, world: World) -> None:
        world.network.started_s.max()


class NosyOfMembers(Wrong):
    def step(self, node: Node, world: World) -> None:
        [other.is_member for other in others(node, world)]


class Thief(Wrong):
    def base(self, node: Node, world: World) -> ModelRef:
        return (
            others(node, world)[0].storage.model if len(world.clients) > 1 else node.storage.model
        )


class Weightless(Wrong):
    """Sends models in messages that weigh nothing."""

    def step(self, node: Node, world: World) -> None:
        for other in others(node, world):
            world.network.send(
                node.index, other.index, 0, node.storage.model, delivered=other.receive
            )

    def base(self, node: Node, world: World) -> ModelRef:
        return node.inbox[-1].payload if node.inbox else node.storage.model


class Heavy(Wrong):
    def base(self, node: Node, world: World) -> ModelRef:
        return world.lineage.combined((node.storage.model, world.lineage.initial()), (0.5, 0.75))


class Mistaken(Wrong):
    """Takes a difference of models for one."""

    def base(self, node: Node, world: World) -> ModelRef:
        return world.lineage.direction((node.storage.model, world.lineage.initial()), (1.0, -1.0))


class Steered(Wrong):
    """Nothing is wrong with it: clients send how far they came, and train along what has come."""

    share: ClassVar[int] = 1
    """Of a model's bytes, which a direction has, too."""

    def run(self, world: World) -> Running:
        return Steering(world, self)


class Steering(Going):
    def __init__(self, world: World, settings: Steered) -> None:
        super().__init__(world, settings)
        self._size_bytes = settings.share * world.model_bytes

    def behaviour(self, node: Node) -> Behaviour:
        world, lineage = self.world, self.world.lineage
        while True:
            base, correction = node.storage.model, node.inbox[-1].payload if node.inbox else None
            model = yield from node.train(base, correction)
            if model is not None:
                node.keep(model)
                came = lineage.direction((model, base), (1.0, -1.0))
                for other in others(node, world):
                    if self.suspects(node, other.index):
                        continue
                    world.network.send(
                        node.index, other.index, self._size_bytes, came, delivered=other.receive
                    )


class Misled(Steered):
    """Sends directions that weigh nothing."""

    share: ClassVar[int] = 0


class Hasty(Wrong):
    """Trains without spending time."""

    def base(self, node: Node, world: World) -> ModelRef:
        return world.lineage.trained(node.storage.model, node.index, node.rounds)


class Restless(Wrong):
    def run(self, world: World) -> Running:
        return Spinning(world, self)


class Spinning(Going):
    def behaviour(self, node: Node) -> Behaviour:
        while True:
            yield node.clock.after(0.0)


class Gambler(Wrong):
    def run(self, world: World) -> Running:
        return Waiting(world, self)

    def wait_s(self, world: World) -> float:
        """How long every client waits before it trains."""
        return DRAWS.random()


class Waiting(Going):
    def behaviour(self, node: Node) -> Behaviour:
        settings = self.settings
        assert isinstance(settings, Gambler)
        yield node.clock.after(settings.wait_s(self.world), Tie.TIMEOUT)
        yield from super().behaviour(node)


class BySet(Gambler):
    """The order of a set of text differs from one process to the next."""

    def wait_s(self, world: World) -> float:
        names = {node.name for node in world.clients}
        return float(list(names).index("client_0"))


class ByCount(Gambler):
    """Goes on counting from one run to the next, and trains however far it has counted."""

    def wait_s(self, world: World) -> float:
        return 1 / (1 + next(NUMBERS))


class Undead(Wrong):
    """Its processes are nobody's, so that no crash ends them."""

    def run(self, world: World) -> Running:
        return Haunting(world, self)


class Haunting(Going):
    def behaviour(self, node: Node) -> Behaviour:
        if node.attempts == 0:
            self.world.clock.process(super().behaviour(node))
        yield node.clock.event()


class Sender(Undead):
    """One that sends when it is down."""

    def run(self, world: World) -> Running:
        return Calling(world, self)


class Calling(Going):
    def behaviour(self, node: Node) -> Behaviour:
        self.world.clock.process(self.calls(node))
        yield from super().behaviour(node)

    def calls(self, node: Node) -> Behaviour:
        while True:
            self.world.network.send(node.index, 0)
            yield node.clock.after(1.0)


class Pinger(Wrong):
    """Pings all, whomever it suspects."""

    def step(self, node: Node, world: World) -> None:
        import numpy as np

        world.network.ping(node.index, np.array([each.index for each in others(node, world)]))


class Twofold(Wrong):
    """Trains two models at once."""

    def step(self, node: Node, world: World) -> None:
        node.spawn(self.beside(node))

    def beside(self, node: Node) -> Behaviour:
        yield from node.train(node.storage.model)


class Backwards(Wrong):
    def step(self, node: Node, world: World) -> None:
        if node.storage.rounds > 1:
            node.storage.rounds = 0


class Amnesiac(Wrong):
    def step(self, node: Node, world: World) -> None:
        if node.storage.rounds > 1:
            node.storage.incarnation += 1


class Forger(Wrong):
    """Records a training that never was."""

    def step(self, node: Node, world: World) -> None:
        world.trace.record(node.clock.now, node.name, "train", duration_s=5.0)


class Quitter(Wrong):
    def step(self, node: Node, world: World) -> None:
        if node.rounds > 1:
            node.clock.stop()


class Blind(Wrong):
    def run(self, world: World) -> Running:
        return Unseen(world, self)


class Unseen(Going):
    def seen(self) -> Iterator[Seen]:
        yield from list(super().seen())[1:]


class Liar(Wrong):
    def run(self, world: World) -> Running:
        return AlwaysUp(world, self)


class AlwaysUp(Going):
    def seen(self) -> Iterator[Seen]:
        return (one._replace(up=True) for one in super().seen())


class Behind(Wrong):
    def run(self, world: World) -> Running:
        return Negative(world, self)


class Negative(Going):
    def staleness(self) -> list[float]:
        return [-1.0 for _ in self.world.clients]


class Meddler(Wrong):
    """What its observer sees is not as it was."""

    def run(self, world: World) -> Running:
        return Touching(world, self)


class Touching(Going):
    def seen(self) -> Iterator[Seen]:
        for node in self.world.clients:
            node.attempts += 1  # It keys the next attempt's luck.
        return super().seen()


class Saboteur(Wrong):
    """Does what only faults do."""

    def step(self, node: Node, world: World) -> None:
        if node.rounds == 2:
            others(node, world)[0].slow_down("me", 2.0) if len(world.clients) > 1 else None


class Discreet(Wrong):
    """Catches what it is told."""

    def step(self, node: Node, world: World) -> None:
        try:
            [other.up for other in others(node, world)]
        except Exception:
            self.quiet()

    def quiet(self) -> None:
        """Nobody shall know."""


class Sleeper(Wrong):
    """Never trains."""

    def run(self, world: World) -> Running:
        return Sleeping(world, self)


class Sleeping(Going):
    def behaviour(self, node: Node) -> Behaviour:
        yield node.clock.event()


class Clumsy(Wrong):
    numbers: ClassVar[dict[str, int]] = {}

    def step(self, node: Node, world: World) -> None:
        if node.rounds == 1:
            self.numbers["no such key"]


class AtHome(Wrong):
    """Works in the process that it was begun in."""

    def step(self, node: Node, world: World) -> None:
        if os.environ["PYTHONHASHSEED"] != "0":
            raise RuntimeError("not at home")


class Faulty(Fault):
    """A crash of client 0 that is not what it says."""

    kind: Literal["faulty"] = Field(default="faulty", description="the fault's kind")
    at: Seconds = Field(default=2.0, description="when it crashes")

    def start(self, name: str, world: World) -> None:
        def strike() -> Behaviour:
            yield world.clock.at(self.at, Tie.FAULT)
            self.struck(name, world)

        world.clock.process(strike())

    def struck(self, name: str, world: World) -> None:
        """What it does."""
        world.clients[0].crash(name)


class Elsewhere(Faulty):
    def strikes(self, nodes: object) -> list[str]:
        return []


class Early(Faulty):
    @property
    def window_s(self) -> tuple[float, float]:
        return 3.0, 4.0


class Late(Faulty):
    @property
    def crash_s(self) -> float:
        return 3.0


class Partial(Faulty):
    """Spares who has nothing to do."""

    def struck(self, name: str, world: World) -> None:
        busy = [node for node in world.clients if node.attempts > 1]
        for node in busy:
            node.crash(name)


class Chancy(Faulty):
    """Strikes when nobody could know it."""

    def start(self, name: str, world: World) -> None:
        def strike() -> Behaviour:
            yield world.clock.at(DRAWS.random(), Tie.FAULT)
            self.struck(name, world)

        world.clock.process(strike())


class Curious(Faulty):
    """Looks whether a node is up, as a fault may: it is the world itself."""

    def struck(self, name: str, world: World) -> None:
        for node in [node for node in world.select("clients") if node.up][:1]:
            node.crash(name)
