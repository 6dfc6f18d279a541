"""A learner that learns nothing: of each model it counts the local rounds that are in it."""

from collections import Counter

import numpy as np
import numpy.typing as npt

from sim.compute import Graph, Lineage, ModelRef, Models, Pretence, ServerRule, Store

Floats = npt.NDArray[np.float64]
_NO_LIMIT = 1 << 40


class Counters(Lineage):
    """Names models, as every learner's lineage does, and computes none.

    A model is worth one number for each client: `rounds(model)` [clients]. The initial model has
    none, a local round adds one at its client's, a weighted sum of models is that of the numbers,
    and what a server's optimiser makes of a mean counts as that mean.
    """

    def __init__(self, clients: int) -> None:
        graph = Graph(Pretence(), Store(None, _NO_LIMIT, (), lambda line: None), Models())
        super().__init__(graph, None, "counters")
        self._clients = clients
        self._numbered = Counter[str]()
        self._models: dict[str, tuple[ModelRef, Floats, str]] = {}

    def initial(self) -> ModelRef:
        return self._noted(super().initial(), np.zeros(self._clients), "initial")

    def trained(
        self, base: ModelRef, client: int, local_round: int, correction: ModelRef | None = None
    ) -> ModelRef:
        rounds = self.rounds(base).copy()
        rounds[client if client >= 0 else slice(None)] += 1.0  # All data at once count for all.
        name = f"client_{client}" if client >= 0 else "pooled"
        made = super().trained(base, client, local_round, correction)
        return self._noted(made, rounds, f"{name}.{local_round}")

    def combined(self, models: tuple[ModelRef, ...], weights: tuple[float, ...]) -> ModelRef:
        made = super().combined(models, weights)
        return self._noted(made, self._sum(models, weights), "average")

    def direction(self, models: tuple[ModelRef, ...], weights: tuple[float, ...]) -> ModelRef:
        made = super().direction(models, weights)
        return self._noted(made, self._sum(models, weights), "direction")

    def stepped(
        self, rule: ServerRule, inputs: tuple[ModelRef, ...], arguments: tuple[float, ...]
    ) -> ModelRef:
        made = super().stepped(rule, inputs, arguments)
        return self._noted(made, self.rounds(inputs[1]), rule)

    def _sum(self, models: tuple[ModelRef, ...], weights: tuple[float, ...]) -> Floats:
        terms = (weight * self.rounds(model) for model, weight in zip(models, weights, strict=True))
        return sum(terms, np.zeros(self._clients))

    def rounds(self, model: ModelRef) -> Floats:
        """How many local rounds of each client are in the model [clients]."""
        return self._models[model.name][1]

    def told(self, model: ModelRef) -> str:
        """`initial`, `client_1.0` for what its local round 0 made, `average.0` for the first.

        All weighted sums of models are averages here; beside them there are `direction.0` and,
        named by its rule, `adaptive_step.0`.
        """
        return self._models[model.name][2]

    def _noted(self, model: ModelRef, rounds: Floats, told: str) -> ModelRef:
        """`told`: of what is neither initial nor trained its kind, to be numbered."""
        if model.name not in self._models:
            if model.kind not in ("initial", "trained"):
                self._numbered[told] += 1
                told = f"{told}.{self._numbered[told] - 1}"
            # Held here: a name that nobody else holds would be forgotten, with its numbers.
            self._models[model.name] = model, rounds, told
        return model
