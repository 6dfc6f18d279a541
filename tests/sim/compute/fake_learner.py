"""A learner whose models are two numbers; a module, so that spawned workers can import it."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from sim.compute.refs import Vector

BROKEN_CLIENT = 666
DEADLY_CLIENT = 667


class OddError(Exception):
    """Does not survive the way between processes: pickle calls it with one argument."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what}: {why}")


class FakeLearner:
    """Starts at (seed, 0); training adds the client's number and the round's."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def initial(self) -> Vector:
        """See sim.compute.engines.Learner."""
        return np.array([self._seed, 0], dtype=np.float32)

    def trained(self, base: Vector, client: int, local_round: int) -> Vector:
        """Fails for BROKEN_CLIENT, and ends the whole process for DEADLY_CLIENT."""
        if client == BROKEN_CLIENT:
            raise OddError("client", "its disk is full")
        if client == DEADLY_CLIENT:
            os._exit(1)
        return base + np.array([client, local_round], dtype=np.float32)

    def averaged(self, models: Sequence[Vector], weights: Sequence[float]) -> Vector:
        """See sim.compute.engines.Learner."""
        total = sum(w * m for w, m in zip(weights, models, strict=True))
        return np.asarray(total, dtype=np.float32)

    def scores(self, model: Vector, dataset: str = "test") -> dict[str, float]:
        """See sim.compute.engines.Learner."""
        return {"first": float(model[0]), "second": float(model[1])}
