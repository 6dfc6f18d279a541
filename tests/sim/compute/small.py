"""A learner of small vectors whose numbers can be checked by hand."""

from __future__ import annotations

import os
import time
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from sim.compute.engines import Learner
from sim.compute.refs import Vector

FAILS, SLEEPS, DIES, TELLS_PROCESS = -10, -11, -12, -13


class Small:
    """Training adds client + 1; a client of a special number misbehaves instead."""

    def initial(self) -> Vector:
        return np.zeros(2, np.float32)

    def trained(self, base: Vector, client: int, local_round: int) -> Vector:
        if client == FAILS:
            raise ValueError("no data")
        if client == SLEEPS:
            time.sleep(local_round)
        if client == DIES:
            os._exit(3)
        if client == TELLS_PROCESS:
            time.sleep(0.3)
            return np.full(2, os.getpid(), np.float32)
        return base + np.float32(client + 1)

    def averaged(self, models: Sequence[Vector], weights: Sequence[float]) -> Vector:
        return np.asarray(np.asarray(weights, np.float32) @ np.stack(models))

    def scores(self, model: Vector, dataset: str = "test") -> dict[str, float]:
        return {"accuracy": float(model[0])}


def small(spec: Any) -> Learner:
    """The factory; a worker finds it by its name."""
    return Small()


class Recorder:
    """An engine that computes at once and notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[Any, ...]]] = []
        self._learner = Small()

    async def compute(
        self, spec: Hashable, kind: str, arguments: tuple[Any, ...], inputs: Sequence[Vector]
    ) -> Any:
        self.asked.append((kind, arguments))
        match kind:
            case "initial":
                return self._learner.initial()
            case "trained":
                return self._learner.trained(inputs[0], *arguments)
            case "averaged":
                return self._learner.averaged(inputs, arguments)
        return self._learner.scores(inputs[0], *arguments)

    def close(self) -> None:
        """Nothing to let go of."""
