"""Worker processes, each with one thread: they get names and write models to the store's folder.

Processes of our own rather than an executor's: a chain stays on the worker that holds its last
model, one that dies is replaced and only its work redone, and none outlives this program.
"""

import asyncio
import pickle
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from sim.compute.engines import worker as worker_module
from sim.compute.engines.engine import DataPlane, Failure, Finished
from sim.compute.engines.worker import READY
from sim.compute.pace import Pace
from sim.compute.processes import Process, Processes
from sim.compute.refs import Job
from sim.compute.store.vectors import Vectors

_STARTS = 3
"""After so many processes in a row that could not start in a worker's place, none starts."""


class WorkerPoolEngine:
    """`workers` processes with one thread each; each starts when there is work for it."""

    def __init__(self, workers: int, plane: DataPlane, vectors: Vectors) -> None:
        self.group_limit = plane.group_limit
        self.has_started = False
        """Whether any worker is ready."""
        self._processes = Processes([worker_module.__name__, *plane.preload], forks=plane.forks)
        # Before the first is started: what can't be pickled leaves no process behind.
        self._outfit = pickle.dumps((plane, vectors))
        self._hopeless = ""
        self._all = [_Worker(index) for index in range(workers)]

    def connect(self, finished: Finished, pace: Pace) -> None:
        self._finished = finished

    def start(self) -> None:
        """Start the first worker before there is work for it."""
        self._awake(self._all[0])

    def seat(self) -> int | None:
        best = min(self._all, key=lambda worker: len(worker.groups))
        return best.index if self._hopeless or best.has_room else None

    @property
    def seats(self) -> int:
        return sum(worker.has_room for worker in self._all)

    def submit(self, worker: int, jobs: Sequence[Job]) -> None:
        if self._hopeless:
            asyncio.get_running_loop().call_soon(self._failed, worker, jobs, self._hopeless)
        else:
            self._give(self._all[worker], list(jobs))

    def _give(self, worker: "_Worker", jobs: list[Job]) -> None:
        worker.groups.append(jobs)
        _say(self._awake(worker), pickle.dumps(jobs))

    def _awake(self, worker: "_Worker") -> Process:
        """The worker's process, started if need be."""
        if worker.process is None:
            worker.process = process = self._processes.start(f"{worker_module.__name__}:work")
            _say(process, self._outfit)
            descriptor = process.connection.fileno()
            asyncio.get_running_loop().add_reader(descriptor, self._heard, worker, process)
        return worker.process

    def _heard(self, worker: "_Worker", process: Process) -> None:
        try:
            message = process.connection.recv()
        except (EOFError, OSError):
            self._replace(worker, process)
            return
        if message == READY:
            worker.ready = self.has_started = True
            worker.failed_starts = 0
            return
        self._finished(worker.index, worker.groups.popleft(), message)

    def _replace(self, worker: "_Worker", process: Process) -> None:
        """Put a new worker in the place of one that has died; what it was doing has failed."""
        asyncio.get_running_loop().remove_reader(process.connection.fileno())
        process.close()
        begun = list(worker.groups)
        successor = self._all[worker.index] = _Worker(worker.index)
        if worker.ready:
            why = f"a worker process ended unexpectedly (exit code {process.returncode})"
            begun = begun[:1]
        else:
            why = f"worker processes can't start (exit code {process.returncode})"
            successor.failed_starts = worker.failed_starts + 1
            if successor.failed_starts < _STARTS:
                begun = []
            else:
                self._hopeless = why
        if not self._hopeless:
            for group in list(worker.groups)[len(begun) :]:
                self._give(successor, group)
        for group in begun:
            self._failed(worker.index, group, why)

    def _failed(self, worker: int, jobs: Sequence[Job], why: str) -> None:
        self._finished(worker, jobs, [Failure(f"{job.kind}{job.arguments}: {why}") for job in jobs])

    async def close(self) -> None:
        """End the workers at once: what they have stored is whole, and the rest can be redone."""
        processes = [worker.process for worker in self._all if worker.process is not None]
        for process in processes:
            asyncio.get_running_loop().remove_reader(process.connection.fileno())
        self._processes.close()
        for process in processes:
            process.close()


class _Worker:
    """A place for a process, and the groups that it was given, oldest first."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.process: Process | None = None
        self.ready = False
        self.failed_starts = 0
        """In a row, of its predecessors."""
        self.groups: deque[list[Job]] = deque()

    @property
    def has_room(self) -> bool:
        """One that runs and one that waits, so that it never idles; but groups are worth waiting
        for, since they grow.
        """
        return not self.groups or (len(self.groups) == 1 and self.groups[0][0].together is None)


def _say(process: Process, message: bytes) -> None:
    """Send a pickled message; a process that is dead says so by its connection."""
    with suppress(OSError):
        process.connection.send_bytes(message)
