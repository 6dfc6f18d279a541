"""A learner that learns nothing: of each model it counts the local rounds that are in it."""

import numpy as np
import numpy.typing as npt

from sim.compute import Graph, Lineage, ModelRef, Models, Pretence, Store

Floats = npt.NDArray[np.float64]
_NO_LIMIT = 1 << 40


class Counters(Lineage):
    """Names models, as every learner's lineage does, and computes none.

    A model is worth one number for each client: `rounds(model)` [clients]. The initial model has
    none, a local round adds one at its client's, an average is that of the numbers.
    """

    def __init__(self, clients: int) -> None:
        graph = Graph(Pretence(), Store(None, _NO_LIMIT, (), lambda line: None), Models())
        super().__init__(graph, None, "counters")
        self._clients = clients
        self._averages = 0
        self._models: dict[str, tuple[ModelRef, Floats, str]] = {}

    def initial(self) -> ModelRef:
        return self._noted(super().initial(), np.zeros(self._clients), "initial")

    def trained(self, base: ModelRef, client: int, local_round: int) -> ModelRef:
        rounds = self.rounds(base).copy()
        rounds[client if client >= 0 else slice(None)] += 1.0  # All data at once count for all.
        name = f"client_{client}" if client >= 0 else "pooled"
        return self._noted(
            super().trained(base, client, local_round), rounds, f"{name}.{local_round}"
        )

    def averaged(self, models: tuple[ModelRef, ...], weights: tuple[float, ...]) -> ModelRef:
        rounds = sum(
            (weight * self.rounds(model) for model, weight in zip(models, weights, strict=True)),
            np.zeros(self._clients),
        )
        return self._noted(super().averaged(models, weights), rounds, "average")

    def rounds(self, model: ModelRef) -> Floats:
        """How many local rounds of each client are in the model [clients]."""
        return self._models[model.name][1]

    def told(self, model: ModelRef) -> str:
        """`initial`, `client_1.0` for what its local round 0 made, `average.0` for the first."""
        return self._models[model.name][2]

    def _noted(self, model: ModelRef, rounds: Floats, told: str) -> ModelRef:
        if model.name not in self._models:
            if told == "average":
                told = f"average.{self._averages}"
                self._averages += 1
            # Held here: a name that nobody else holds would be forgotten, with its numbers.
            self._models[model.name] = model, rounds, told
        return model
