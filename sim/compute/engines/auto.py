"""The engine that works in this process until workers would have the rest done sooner."""

import time
from collections.abc import Sequence

from sim.compute.engines.engine import DataPlane, Finished, Result
from sim.compute.engines.workers import WorkerPoolEngine
from sim.compute.engines.workshop import InProcessEngine
from sim.compute.pace import Pace
from sim.compute.refs import Job
from sim.compute.store.vectors import Vectors

WORTH_S = 8.0
"""Of work, done or known to be left, for which workers are started.

Starting takes some 3 s of a core, which may have other things to do, and a pace is a guess.
"""
LONG_S = 5.0
"""Of one operation: this process has more to attend to, and nobody knows yet what follows."""


class AutoEngine:
    """Has up to `workers` processes, but none for what this one does as soon.

    It looks at real time, and may: where an operation is done decides no bit of it.
    """

    def __init__(self, workers: int, plane: DataPlane, vectors: Vectors) -> None:
        self.group_limit = plane.group_limit
        self._here = InProcessEngine(plane, vectors)
        self._pool = WorkerPoolEngine(workers, plane, vectors)
        self._number_here = workers  # As a worker, this process comes after them.
        self._has_called = False
        self._begun_s = 0.0

    def connect(self, finished: Finished, pace: Pace) -> None:
        self._finished, self._pace = finished, pace
        self._here.connect(self._done_here, pace)
        self._pool.connect(finished, pace)

    def seat(self) -> int | None:
        if self._pool.has_started:
            return self._pool.seat()
        return None if self._here.seat() is None else self._number_here

    @property
    def seats(self) -> int:
        return self._pool.seats if self._pool.has_started else self._here.seats

    def submit(self, worker: int, jobs: Sequence[Job]) -> None:
        if worker == self._number_here:
            self._begun_s = time.monotonic()
            self._here.submit(worker, jobs)
        else:
            self._pool.submit(worker, jobs)

    def _done_here(self, worker: int, jobs: Sequence[Job], results: Sequence[Result]) -> None:
        took_s = time.monotonic() - self._begun_s
        self._finished(worker, jobs, results)
        if not self._has_called and self._is_worth_workers(took_s):
            self._has_called = True
            self._pool.start()  # Until it's ready, this process goes on.

    def _is_worth_workers(self, took_s: float) -> bool:
        pace = self._pace
        if pace.is_known and not pace.left_s:
            return False
        # What is left may be shown bit by bit: what has taken long goes on, likely, as long again.
        return took_s > LONG_S or pace.done_s + pace.left_s > WORTH_S

    async def close(self) -> None:
        """See Engine."""
        await self._pool.close()
