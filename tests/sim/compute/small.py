"""A learner of small vectors whose numbers can be checked by hand, and a graph around it."""

import os
import time
import warnings
from collections.abc import AsyncIterator, Container, Hashable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from models import operations
from sim.compute import Engine, Graph, Lineage, Models, Store, Workers, engine_for
from sim.compute.engines.engine import Finished
from sim.compute.engines.workshop import InProcessEngine
from sim.compute.pace import Pace
from sim.compute.refs import Job, Vector
from sim.compute.store.vectors import Vectors

FAILS, SLEEPS, DIES, TELLS_PROCESS, DIES_ONCE, FAILS_ONCE = -10, -11, -12, -13, -14, -15
WARNS = -16
NO_LIMIT = 1 << 40


class Small:
    """Training adds client + 1; a client of a special number misbehaves instead.

    The first of a model's two numbers is a parameter, the second a buffer.
    """

    def __init__(self, spec: Hashable) -> None:
        self._spec = spec

    def initial(self) -> Vector:
        return np.zeros(2, np.float32)

    def trained(
        self, base: Vector, client: int, local_round: int, correction: Vector | None = None
    ) -> Vector:
        if client == FAILS:
            raise ValueError("no data")
        if client == WARNS:
            warnings.warn("odd data", stacklevel=1)
        if client == SLEEPS:
            time.sleep(local_round)
        if client == DIES:
            os._exit(3)
        if client in (DIES_ONCE, FAILS_ONCE):
            mark = Path(str(self._spec))
            if not mark.exists():
                mark.touch()
                if client == FAILS_ONCE:
                    raise OSError("no luck")
                os._exit(3)
        if client == TELLS_PROCESS:
            time.sleep(0.3)
            return np.full(2, os.getpid(), np.float32)
        return base + np.float32(client + 1) + (0 if correction is None else correction)

    def combined(self, models: Sequence[Vector], weights: Sequence[float]) -> Vector:
        return operations.combined(models, weights, 1)

    def direction(self, models: Sequence[Vector], weights: Sequence[float]) -> Vector:
        return operations.direction(models, weights, 1)

    def stepped(self, rule: str, inputs: Sequence[Vector], arguments: Sequence[float]) -> Vector:
        return operations.stepped(rule, inputs, arguments, 1)

    def scores(self, model: Vector, dataset: str = "test") -> dict[str, float]:
        return {"accuracy": float(model[0])}


@dataclass(frozen=True)
class SmallPlane:
    """Builds those; a worker finds it by its name."""

    group_limit: int = 4
    preload: ClassVar[tuple[str, ...]] = ("torch",)
    forks: ClassVar[bool] = True

    def enter(self) -> None:
        """Nothing of a user's to get ready."""

    def environment(self) -> dict[str, str]:
        return {"arithmetic": os.environ.get("SMALL_ARITHMETIC", "exact")}

    def learner(self, spec: Hashable) -> Small:
        return Small(spec)

    def trained_together(self, jobs: Sequence[tuple[Small, Vector, int, int]]) -> list[Vector]:
        return [learner.trained(base, client, number) for learner, base, client, number in jobs]


class Recorder(InProcessEngine):
    """Computes at once and notes what it was asked for, group by group."""

    def __init__(self, vectors: Vectors) -> None:
        super().__init__(SmallPlane(), vectors)
        self.groups: list[list[Job]] = []

    def submit(self, worker: int, jobs: Sequence[Job]) -> None:
        self.groups.append(list(jobs))
        super().submit(worker, jobs)

    @property
    def asked(self) -> list[tuple[str, tuple[Any, ...]]]:
        return [(job.kind, job.arguments) for group in self.groups for job in group]


class Stuck:
    """An engine that never answers."""

    seats, group_limit = 1, 1

    def __init__(self) -> None:
        self.taken: list[Job] = []

    def connect(self, finished: Finished, pace: Pace) -> None: ...

    def seat(self) -> int | None:
        return None if self.taken else 0

    def submit(self, worker: int, jobs: Sequence[Job]) -> None:
        self.taken += jobs

    async def close(self) -> None: ...


def memory(limit_bytes: int = NO_LIMIT, in_use: Container[str] = ()) -> Store:
    """A store that ends with the test."""
    return Store(None, limit_bytes, in_use, print)


def unused(spec: Hashable = None, name: str = "n") -> Lineage:
    """Names models; nothing is ever computed."""
    return Lineage(Graph(Stuck(), memory(), Models()), spec, name)


@asynccontextmanager
async def at_work(
    workers: Workers = 0,
    folder: Path | None = None,
    *,
    limit_bytes: int = NO_LIMIT,
    pending_limit: int = 100_000,
) -> AsyncIterator[tuple[Graph, Engine, Store]]:
    """A graph at work: in this process and noting what is asked, or with workers in a folder."""
    models = Models()
    store = Store(folder, limit_bytes, models, print)
    vectors = store.vectors
    engine = engine_for(workers, SmallPlane(), vectors) if workers else Recorder(vectors)
    graph = Graph(engine, store, models, pending_limit=pending_limit)
    try:
        yield graph, engine, store
    finally:
        graph.close()
        await engine.close()
        store.close()
