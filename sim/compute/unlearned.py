"""Models of a world without learning: nothing is named and nothing computed."""

import asyncio
from collections.abc import Iterable
from typing import Any

from sim.compute.lineage import Lineage
from sim.compute.refs import ModelKind, ModelRef, Scores, ServerRule
from sim.record.metrics import TEST


class Unlearned(Lineage):
    """Makes models that know only how many local rounds are in them, which is their score.

    A model is `arguments` of one number: 0 of the initial one, one more than its base's of what a
    local round made, and the weighted sum of its inputs' of an average. It holds nothing of what it
    was made from, so that a world's past takes no memory.
    """

    def __init__(self, metric: str) -> None:
        self._metric = metric
        self._initial = _model("initial", 0.0)
        self.named = self.steps_named = 0

    def initial(self) -> ModelRef:
        """See Lineage."""
        return self._initial

    def trained(
        self, base: ModelRef, client: int, local_round: int, correction: ModelRef | None = None
    ) -> ModelRef:
        """See Lineage."""
        return _model("trained", base.arguments[0] + 1.0)

    def combined(self, models: tuple[ModelRef, ...], weights: tuple[float, ...]) -> ModelRef:
        """See Lineage."""
        return _model("combined", _sum(models, weights))

    def direction(self, models: tuple[ModelRef, ...], weights: tuple[float, ...]) -> ModelRef:
        """See Lineage."""
        return _model("direction", _sum(models, weights))

    def stepped(
        self, rule: ServerRule, inputs: tuple[ModelRef, ...], arguments: tuple[float, ...]
    ) -> ModelRef:
        """See Lineage; a server's optimiser counts as if it took the mean of the updates."""
        return _model(rule, inputs[1].arguments[0])

    def scored(
        self, model: ModelRef, dataset: str = TEST, *, urgent: bool = False
    ) -> asyncio.Future[Scores]:
        """See Lineage; known at once."""
        found: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        found.set_result({self._metric: model.arguments[0]})
        return found

    def demanded(self, model: ModelRef, dataset: str = TEST, *, urgent: bool = False) -> str:
        """See Lineage; the name is the number itself."""
        return repr(model.arguments[0])

    async def scores(self, name: str) -> Scores:
        """See Lineage."""
        return {self._metric: float(name)}


def _model(kind: ModelKind, rounds: float) -> ModelRef:
    return ModelRef("", kind, (), (rounds,))


def _sum(models: Iterable[ModelRef], weights: Iterable[float]) -> float:
    pairs = zip(models, weights, strict=True)
    return sum(weight * float(model.arguments[0]) for model, weight in pairs)
