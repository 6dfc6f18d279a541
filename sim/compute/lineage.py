"""What one learner's operations are called: references by content, interned in the graph.

Protocols see nothing else of the compute engine: they name models, and ask for scores.
"""

import asyncio
from collections.abc import Hashable, Mapping
from typing import Any

from sim.compute.graph import Graph
from sim.compute.refs import ModelKind, ModelRef, ScoreRef, Scores, content_name


class Lineage:
    """Names what one learner makes: its initial model, and what becomes of it.

    `name` must hold everything that decides the bits and isn't an operation's own argument.
    `steps`: optimiser steps of a client's local round, which is what its training costs.
    """

    def __init__(
        self,
        graph: Graph,
        spec: Hashable,
        name: str,
        together: Hashable = None,
        steps: Mapping[int, int] | None = None,
    ) -> None:
        self._graph = graph
        self._spec = spec
        self._name = name
        self._together = together
        self._steps = steps or {}

    def initial(self) -> ModelRef:
        """The common initial model."""
        return self._model("initial", (), ())

    def trained(self, base: ModelRef, client: int, local_round: int) -> ModelRef:
        """`base` after the client's local round of that number."""
        return self._model(
            "trained", (base,), (client, local_round), self._together, self._steps.get(client, 1)
        )

    def averaged(self, models: tuple[ModelRef, ...], weights: tuple[float, ...]) -> ModelRef:
        """The weighted average; `weights` sum to 1, both in the order of node index."""
        assert len(models) == len(weights) > 0
        return self._model("averaged", models, weights)

    def scores(self, model: ModelRef, dataset: str = "test") -> ScoreRef:
        """The metrics of `model` on a data set."""
        name = content_name(self._name, "scores", (model,), (dataset,))
        self._graph.count(name)
        return ScoreRef(name, model, dataset)

    def demand(self, score: ScoreRef, *, urgent: bool = False) -> asyncio.Future[Scores]:
        """See Graph.demand."""
        return self._graph.demand(score, urgent=urgent)

    def _model(
        self,
        kind: ModelKind,
        inputs: tuple[ModelRef, ...],
        arguments: tuple[Any, ...],
        together: Hashable = None,
        cost: int = 1,
    ) -> ModelRef:
        name = content_name(self._name, kind, inputs, arguments)
        self._graph.count(name, cost if kind == "trained" else 0)
        model = self._graph.models.get(name)
        if model is None:
            model = ModelRef(name, kind, inputs, arguments, self._spec, together, cost)
            self._graph.models[name] = model
        return model
