"""Where real operations run: in this process, or in worker processes with one thread each.

An engine knows learners only as something that a factory builds from a picklable description; the
same description gives the same bits wherever it is built.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol

from sim.compute.refs import Vector

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class ComputeError(RuntimeError):
    """A real operation failed; the text says which, and why."""


class Learner(Protocol):
    """The four operations, all pure functions; a model is a flat float32 vector [P]."""

    def initial(self) -> Vector:
        """The common initial model."""
        ...

    def trained(self, base: Vector, client: int, local_round: int) -> Vector:
        """`base` after one local round on the client's data."""
        ...

    def averaged(self, models: Sequence[Vector], weights: Sequence[float]) -> Vector:
        """The weighted sum of models, in the order given."""
        ...

    def scores(self, model: Vector, dataset: str = "test") -> dict[str, float]:
        """Metrics of the model on a data set."""
        ...


Factory = Callable[[Any], Learner]


class Engine(Protocol):
    """Computes one operation at a time for each caller; callers may wait side by side."""

    async def compute(
        self, spec: Hashable, kind: str, arguments: tuple[Any, ...], inputs: Sequence[Vector]
    ) -> Any:
        """A vector, or a mapping of scores. Raises ComputeError."""
        ...

    def close(self) -> None:
        """Let go of workers; what they still compute is lost."""
        ...


class _Workshop:
    """Builds each learner once and applies operations to it."""

    def __init__(self, factory: Factory) -> None:
        self._factory = factory
        self._learners: dict[Hashable, Learner] = {}

    def apply(
        self, spec: Hashable, kind: str, arguments: tuple[Any, ...], inputs: Sequence[Vector]
    ) -> Any:
        learner = self._learners.get(spec)
        if learner is None:
            learner = self._learners[spec] = self._factory(spec)
        match kind:
            case "initial":
                return learner.initial()
            case "trained":
                return learner.trained(inputs[0], *arguments)
            case "averaged":
                return learner.averaged(inputs, arguments)
            case "scores":
                return learner.scores(inputs[0], *arguments)
        raise ComputeError(f"no operation is called {kind!r}")


class InProcessEngine:
    """Computes in this process and on its one thread, whoever waits."""

    def __init__(self, factory: Factory) -> None:
        self._workshop = _Workshop(factory)
        self._turn = asyncio.Lock()
        # A learner's bits depend on the number of threads: it is one, here as in the workers.
        import torch

        self._threads_before = torch.get_num_threads()
        torch.set_num_threads(1)

    async def compute(
        self, spec: Hashable, kind: str, arguments: tuple[Any, ...], inputs: Sequence[Vector]
    ) -> Any:
        """See Engine."""
        # One operation in a turn of the loop, however many are ready: Ctrl-C and the clock wait
        # for one of them, not for all.
        async with self._turn:
            await asyncio.sleep(0)
            try:
                return self._workshop.apply(spec, kind, arguments, inputs)
            except Exception as failure:
                raise ComputeError(_failed(kind, arguments, failure)) from failure

    def close(self) -> None:
        """Give the process its threads back."""
        import torch

        torch.set_num_threads(self._threads_before)


_workshop: _Workshop | None = None


def _begin(factory: Factory) -> None:
    """In a new worker: Ctrl-C is the parent's business, and torch has one thread."""
    global _workshop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch

    torch.set_num_threads(1)
    _workshop = _Workshop(factory)


def _apply(spec: Hashable, kind: str, arguments: tuple[Any, ...], inputs: Sequence[Vector]) -> Any:
    assert _workshop is not None
    try:
        return _workshop.apply(spec, kind, arguments, inputs)
    except Exception as failure:  # Not every exception survives the way between processes.
        raise ComputeError(_failed(kind, arguments, failure)) from None


def _failed(kind: str, arguments: tuple[Any, ...], failure: Exception) -> str:
    return f"{kind}{arguments} failed: {type(failure).__name__}: {failure}"


class WorkerPoolEngine:
    """`workers` spawned processes with one thread each; each builds its learners once."""

    def __init__(self, workers: int, factory: Factory) -> None:
        # Read when a worker imports torch, and not by this process, which has read them already.
        before = {name: os.environ.get(name) for name in _THREADS}
        os.environ.update(dict.fromkeys(_THREADS, "1"))
        try:
            self._pool = ProcessPoolExecutor(
                workers, multiprocessing.get_context("spawn"), _begin, (factory,)
            )
            for _ in range(workers):
                self._pool.submit(os.getpid)
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
        # Two a worker: one that runs and one that waits, so that no worker idles.
        self._places = asyncio.Semaphore(2 * workers)

    async def compute(
        self, spec: Hashable, kind: str, arguments: tuple[Any, ...], inputs: Sequence[Vector]
    ) -> Any:
        """See Engine."""
        async with self._places:
            try:
                return await asyncio.wrap_future(
                    self._pool.submit(_apply, spec, kind, arguments, inputs)
                )
            except BrokenProcessPool:
                raise ComputeError("a worker process ended unexpectedly") from None

    def close(self) -> None:
        """End the workers."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def engine_for(workers: int, factory: Factory) -> Engine:
    """The engine with that many worker processes; 0: in this process."""
    return WorkerPoolEngine(workers, factory) if workers else InProcessEngine(factory)
