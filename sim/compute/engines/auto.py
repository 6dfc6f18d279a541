"""The engine that works in this process until workers would have the rest done sooner."""

from collections.abc import Sequence
from time import monotonic, thread_time

from sim.compute.engines.engine import DataPlane, Finished, Result
from sim.compute.engines.workers import WorkerPoolEngine
from sim.compute.engines.workshop import InProcessEngine
from sim.compute.pace import Pace
from sim.compute.refs import Job
from sim.compute.store.vectors import Vectors

WORTH_S = 8.0
"""Of a core, for work that is done or known to be left, for which workers are started.

Starting takes some 3 s of a core, which may have other things to do, and a pace is a guess.
"""
BELIEVED_S = 1.0
"""Of a core, for operations here: before that a pace is hardly one."""
LONG_S = 5.0
"""Of a core, for one operation: this process has more to attend to, and nobody knows yet what
follows.
"""


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
        self._begun = 0.0, 0.0
        self._wall_s = self._core_s = 0.0
        """Spent on operations here: others may keep the cores busy, too."""

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
            self._begun = monotonic(), thread_time()
            self._here.submit(worker, jobs)
        else:
            self._pool.submit(worker, jobs)

    def _done_here(self, worker: int, jobs: Sequence[Job], results: Sequence[Result]) -> None:
        wall_s, core_s = monotonic() - self._begun[0], thread_time() - self._begun[1]
        self._wall_s += wall_s
        self._core_s += core_s
        self._finished(worker, jobs, results)
        is_known = self._core_s > BELIEVED_S
        if not self._has_called and (core_s > LONG_S or (is_known and self._work_s() > WORTH_S)):
            self._has_called = True
            self._pool.start()  # Until it's ready, this process goes on.

    def _work_s(self) -> float:
        """Seconds of a core, for what is done and what is known to be left.

        That may be shown bit by bit: what has taken long goes on, likely, for as long again.
        """
        known_s = self._pace.done_s + self._pace.left_s
        return known_s * self._core_s / self._wall_s

    async def close(self) -> None:
        """See Engine."""
        await self._pool.close()
