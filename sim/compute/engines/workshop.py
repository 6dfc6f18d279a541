"""Does operations where it stands, and the engine that has them done in this process.

The same code in this process, in a worker process and on a cluster: that is why they agree.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache

from sim.compute.engines.engine import DataPlane, Failure, Finished, Learner, Result, one_thread
from sim.compute.pace import Pace
from sim.compute.refs import Job, Scores, Vector
from sim.compute.store.vectors import Vectors
from sim.record.code import whose_fault

# The chain of one model mostly stays on one worker, which then has its last link at hand.
RECENT_BYTES = 128 << 20
LEARNERS_KEPT = 1_024
"""More than runs are under way at once; the least recently used is built again if it is needed."""


class Workshop:
    """Reads an operation's inputs, has its learner do it, writes the result."""

    def __init__(self, plane: DataPlane, vectors: Vectors) -> None:
        plane.enter()
        self._plane = plane
        self._vectors = vectors
        # Each holds its data; a sweep over a learning rate has one for each rate and seed.
        self._learner = lru_cache(LEARNERS_KEPT)(plane.learner)
        self._recent: OrderedDict[str, Vector] = OrderedDict()
        self._recent_bytes = 0

    def results(self, jobs: Sequence[Job]) -> list[Result]:
        """One result a job; never raises what an operation or the disk is to blame for."""
        # All that goes wrong in an operation is its failure and not the worker's.
        try:
            if jobs[0].together is not None:
                return self._together(jobs)
            return [self._alone(job) for job in jobs]
        except _Unreadable as failure:
            name, why = failure.args
            return [Failure(f"model {name[:8]}: {why}", name) for _ in jobs]
        except Exception as failure:
            return [Failure(failure_text(job, failure)) for job in jobs]

    def _alone(self, job: Job) -> Result:
        inputs = [self._read(name) for name in job.inputs]
        made = operation(self._learner(job.spec), job, inputs)
        return made if isinstance(made, dict) else self._write(job.output, made)

    def _together(self, jobs: Sequence[Job]) -> list[Result]:
        made = self._plane.trained_together(
            [(self._learner(job.spec), self._read(job.inputs[0]), *job.arguments) for job in jobs]
        )
        return [self._write(job.output, vector) for job, vector in zip(jobs, made, strict=True)]

    def _read(self, name: str) -> Vector:
        vector = self._recent.get(name)
        if vector is not None:
            self._recent.move_to_end(name)
            return vector
        try:
            vector = self._vectors.read(name)
        except Exception as failure:
            raise _Unreadable(name, str(failure)) from failure
        self._remember(name, vector)
        return vector

    def _write(self, name: str, vector: Vector) -> int:
        size_bytes = self._vectors.write(name, vector)
        self._remember(name, vector)
        return size_bytes

    def _remember(self, name: str, vector: Vector) -> None:
        self._recent[name] = vector
        self._recent_bytes += vector.nbytes
        while self._recent_bytes > RECENT_BYTES:
            self._recent_bytes -= self._recent.popitem(last=False)[1].nbytes


class _Unreadable(RuntimeError):
    """An input could not be read: (its name, why)."""


def operation(learner: Learner, job: Job, inputs: Sequence[Vector]) -> Vector | Scores:
    """What the operation gives: a model, or scores."""
    match job.kind:
        case "initial":
            return learner.initial()
        case "trained":
            return learner.trained(inputs[0], *job.arguments, *inputs[1:])
        case "combined":
            return learner.combined(inputs, job.arguments)
        case "direction":
            return learner.direction(inputs, job.arguments)
        case "scores":
            return learner.scores(inputs[0], *job.arguments)
        case rule:
            return learner.stepped(rule, inputs, job.arguments)


def failure_text(job: Job, failure: Exception) -> str:
    """Which operation failed, and of what."""
    cause = whose_fault(failure) or f"{type(failure).__name__}: {failure}"
    return f"{job.kind}{job.arguments} failed: {cause}"


class InProcessEngine:
    """Computes in this process and on its one thread."""

    seats = 1

    def __init__(self, plane: DataPlane, vectors: Vectors) -> None:
        self.group_limit = plane.group_limit
        self._workshop = Workshop(plane, vectors)
        self._busy = False

    def connect(self, finished: Finished, pace: Pace) -> None:
        self._finished = finished

    def seat(self) -> int | None:
        return None if self._busy else 0

    def submit(self, worker: int, jobs: Sequence[Job]) -> None:
        # One group in a turn of the loop, however many are ready: Ctrl-C and the clock wait for
        # one of them, not for all.
        self._busy = True
        asyncio.get_running_loop().call_soon(self._apply, worker, jobs)

    def _apply(self, worker: int, jobs: Sequence[Job]) -> None:
        # A learner's bits depend on the number of threads: it is one, here as in the workers.
        with one_thread():
            results = self._workshop.results(jobs)
        self._busy = False
        self._finished(worker, jobs, results)

    async def close(self) -> None:
        """Nothing to let go of."""
