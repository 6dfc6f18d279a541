"""The names of what learners make: all that a protocol sees of real work.

It names models as it goes, and asks for scores; whoever it names them to does the rest.
"""

import asyncio
from collections.abc import Hashable, Mapping
from typing import Any, Protocol

from sim.compute.refs import (
    ModelKind,
    ModelRef,
    Models,
    ScoreRef,
    Scores,
    ServerRule,
    content_name,
)
from sim.record.metrics import TEST


class Naming(Protocol):
    """What operations are named to: a Graph, or what notes them down for one."""

    models: Models

    def count(self, name: str, steps: int = 0) -> None:
        """Note that an operation was named, once more or for the first time."""

    def demand(self, score: ScoreRef, *, urgent: bool = False) -> asyncio.Future[Scores] | None:
        """Have scores computed, and all that they depend on."""

    async def scores(self, name: str) -> Scores:
        """Those that were demanded under this name."""


class Lineage:
    """Names what one learner makes: its initial model, and what becomes of it.

    `name` must hold everything that decides the bits of models and isn't an operation's own
    argument; `judged_by` what decides scores beside them, such as metrics.
    `steps`: optimiser steps of a client's local round, which is what its training costs.
    """

    def __init__(
        self,
        graph: Naming,
        spec: Hashable,
        name: str,
        together: Hashable = None,
        steps: Mapping[int, int] | None = None,
        judged_by: str = "",
    ) -> None:
        self._graph = graph
        self._spec = spec
        self._name = name
        self._together = together
        self._steps = steps or {}
        self._judged_by = judged_by
        self.named = 0
        """Operations that it has named, each as often as that was asked for."""
        self.steps_named = 0

    def initial(self) -> ModelRef:
        """The common initial model."""
        return self._model("initial", (), ())

    def trained(
        self, base: ModelRef, client: int, local_round: int, correction: ModelRef | None = None
    ) -> ModelRef:
        """`base` after the client's local round of that number.

        `correction`: a direction that each step adds to its gradient; plain sgd in exact
        arithmetic alone can do that, see `Protocol.check_training`.
        """
        _check_models(base)
        assert correction is None or correction.is_direction
        inputs = (base,) if correction is None else (base, correction)
        return self._model("trained", inputs, (client, local_round))

    def combined(self, models: tuple[ModelRef, ...], weights: tuple[float, ...]) -> ModelRef:
        """The weighted sum of models; `weights`, some of which may be negative, sum to 1.

        Both in the order of node index. Only parameters are extrapolated: buffers, such as the
        statistics of batch normalisation, are averaged by the positive weights.
        """
        _check_models(*models)
        assert len(models) == len(weights) and abs(sum(weights) - 1) <= 1e-6, weights
        return self._model("combined", models, weights)

    def direction(self, models: tuple[ModelRef, ...], weights: tuple[float, ...]) -> ModelRef:
        """The weighted sum of models and directions by any weights, in parameters; buffers are 0.

        A difference, a momentum, a control variate: what no node can train, keep or be judged by.
        """
        assert len(models) == len(weights) > 0
        return self._model("direction", models, weights)

    def stepped(
        self, rule: ServerRule, inputs: tuple[ModelRef, ...], arguments: tuple[float, ...]
    ) -> ModelRef:
        """What a rule of a server's optimiser makes of its inputs, entry by entry.

        `inputs`: the model, the mean of its updates, and what the rule remembers; see
        `models.operations.SERVER_RULES` for each rule's, and for its `arguments`.
        """
        _check_models(*inputs[:2])
        return self._model(rule, inputs, arguments)

    def scored(
        self, model: ModelRef, dataset: str = TEST, *, urgent: bool = False
    ) -> asyncio.Future[Scores]:
        """The metrics of `model` on a data set, demanded: see Graph.demand."""
        future = self.demand(self._score(model, dataset), model, dataset, urgent=urgent)
        assert future is not None
        return future

    def demanded(self, model: ModelRef, dataset: str = TEST, *, urgent: bool = False) -> str:
        """Demand the same; the name by which `scores` gives them."""
        name = self._score(model, dataset)
        self.demand(name, model, dataset, urgent=urgent)
        return name

    def demand(
        self, name: str, model: ModelRef, dataset: str, *, urgent: bool = False
    ) -> asyncio.Future[Scores] | None:
        """Have metrics computed whose name is known; None where nothing is computed."""
        return self._graph.demand(ScoreRef(name, model, dataset, self._spec), urgent=urgent)

    async def scores(self, name: str) -> Scores:
        """See Graph.scores."""
        return await self._graph.scores(name)

    def _score(self, model: ModelRef, dataset: str) -> str:
        _check_models(model)
        name = content_name(self._name, "scores", (model,), (dataset, self._judged_by))
        self._count(name)
        return name

    def _model(
        self, kind: ModelKind, inputs: tuple[ModelRef, ...], arguments: tuple[Any, ...]
    ) -> ModelRef:
        name = content_name(self._name, kind, inputs, arguments)
        self._count(name, self._cost(arguments) if kind == "trained" else 0)
        return self.interned(name, kind, inputs, arguments)

    def interned(
        self,
        name: str,
        kind: ModelKind,
        inputs: tuple[ModelRef, ...],
        arguments: tuple[Any, ...],
    ) -> ModelRef:
        """The one handle for what this operation makes, whose name is known."""
        model = self._graph.models.get(name)
        if model is None:
            together, cost = None, 1
            if kind == "trained":
                # With a correction its gradients aren't those of the others.
                together = self._together if len(inputs) == 1 else None
                cost = self._cost(arguments)
            model = ModelRef(name, kind, inputs, arguments, self._spec, together, cost)
            self._graph.models[name] = model
        return model

    def _cost(self, trained: tuple[Any, ...]) -> int:
        """Steps of a training with these arguments."""
        return self._steps.get(trained[0], 1)

    def _count(self, name: str, steps: int = 0) -> None:
        self.named += 1
        self.steps_named += steps
        self._graph.count(name, steps)


def _check_models(*models: ModelRef) -> None:
    """Raise TypeError for a direction in the place of a model: it would be computed, and wrong."""
    for model in models:
        if model.is_direction:
            raise TypeError(f"{model!r} is a direction, where a model is needed")
