"""An engine that counts operations and does none of them: for a dry run."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from sim.compute.engines.engine import Finished
from sim.compute.pace import Pace
from sim.compute.refs import Job


class Pretence:
    """Every operation is done as soon as it is ready; a score has no metrics."""

    seats = group_limit = 1

    def __init__(self) -> None:
        self.models = 0
        self.evaluations: Counter[str] = Counter()
        """By data set."""
        self._busy = False

    def connect(self, finished: Finished, pace: Pace) -> None:
        self._finished = finished

    def seat(self) -> int | None:
        return None if self._busy else 0

    def submit(self, worker: int, jobs: Sequence[Job]) -> None:
        self._busy = True
        asyncio.get_running_loop().call_soon(self._count, worker, jobs)

    def _count(self, worker: int, jobs: Sequence[Job]) -> None:
        self._busy = False
        evaluations = [job for job in jobs if job.kind == "scores"]
        self.evaluations.update(job.arguments[0] for job in evaluations)
        self.models += len(jobs) - len(evaluations)
        self._finished(worker, jobs, [{} if job.kind == "scores" else 0 for job in jobs])

    async def close(self) -> None:
        """Nothing to let go of."""
