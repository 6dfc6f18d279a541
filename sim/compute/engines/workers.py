"""Worker processes, each with one thread: they get names and write models to the store's folder.

Processes of our own rather than an executor's: a chain stays on the worker that holds its last
model, one that dies is replaced and only its work redone, and none outlives this program. And not
those of multiprocessing, which import the program's own main module: see `worker`.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Pipe
from pathlib import Path
from subprocess import DEVNULL, Popen, TimeoutExpired

from sim.compute.engines.engine import DataPlane, Failure, Finished
from sim.compute.engines.worker import READY
from sim.compute.refs import Job
from sim.compute.store.vectors import Vectors

_PROGRAM = str(Path(__file__).with_name("worker.py"))
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_STARTS = 3
"""After so many workers in a row that could not start, none is started any more."""


class WorkerPoolEngine:
    """`workers` processes with one thread each; each builds its learners once."""

    def __init__(self, workers: int, plane: DataPlane, vectors: Vectors) -> None:
        self.group_limit = plane.group_limit
        # Before the first is started: what can't be pickled leaves no process behind.
        self._outfit = pickle.dumps((plane, vectors))
        self._failed_starts = 0
        self._hopeless = ""
        # Started at once: they import torch while this process prepares the data.
        self._all = [_Worker(index, self._outfit) for index in range(workers)]

    def connect(self, finished: Finished) -> None:
        self._finished = finished
        for worker in self._all:
            self._listen(worker)

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
            self._all[worker].give(list(jobs))

    def _listen(self, worker: _Worker) -> None:
        asyncio.get_running_loop().add_reader(worker.connection.fileno(), self._heard, worker)

    def _heard(self, worker: _Worker) -> None:
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            self._replace(worker)
            return
        if message == READY:
            worker.ready = True
            self._failed_starts = 0
            return
        self._finished(worker.index, worker.groups.popleft(), message)

    def _replace(self, worker: _Worker) -> None:
        """Put a new worker in the place of one that has died; what it was doing has failed."""
        asyncio.get_running_loop().remove_reader(worker.connection.fileno())
        worker.end()
        begun = list(worker.groups)
        if worker.ready:
            why = f"a worker process ended unexpectedly (exit code {worker.process.returncode})"
            begun = begun[:1]
        else:
            why = f"worker processes can't start (exit code {worker.process.returncode})"
            self._failed_starts += 1
            if self._failed_starts < _STARTS:
                begun = []
            else:
                self._hopeless = why
        if not self._hopeless:
            successor = self._all[worker.index] = _Worker(worker.index, self._outfit)
            self._listen(successor)
            for group in list(worker.groups)[len(begun) :]:
                successor.give(group)
        for group in begun:
            self._failed(worker.index, group, why)

    def _failed(self, worker: int, jobs: Sequence[Job], why: str) -> None:
        self._finished(worker, jobs, [Failure(f"{job.kind}{job.arguments}: {why}") for job in jobs])

    async def close(self) -> None:
        """End the workers at once: what they have stored is whole, and the rest can be redone."""
        for worker in self._all:
            if not worker.connection.closed:
                asyncio.get_running_loop().remove_reader(worker.connection.fileno())
                worker.process.terminate()
        for worker in self._all:
            worker.end()


class _Worker:
    """One process and the groups that it was given, oldest first.

    `outfit`: the pickled data plane and vectors.
    """

    def __init__(self, index: int, outfit: bytes) -> None:
        self.index = index
        self.ready = False
        self.groups: deque[list[Job]] = deque()
        self.connection, theirs = Pipe()
        their_lifeline, self._lifeline = Pipe(duplex=False)
        with _interrupts_held(), theirs, their_lifeline:
            self.process = _started(theirs.fileno(), their_lifeline.fileno())
        self._say(pickle.dumps(list(map(os.path.abspath, sys.path))))
        self._say(outfit)

    @property
    def has_room(self) -> bool:
        """One that runs and one that waits, so that it never idles; but groups are worth waiting
        for, since they grow.
        """
        return not self.groups or (len(self.groups) == 1 and self.groups[0][0].together is None)

    def give(self, jobs: list[Job]) -> None:
        """Queue a group."""
        self.groups.append(jobs)
        self._say(pickle.dumps(jobs))

    def _say(self, message: bytes) -> None:
        """Send a pickled message; a worker that is dead says so by its connection."""
        with suppress(OSError):
            self.connection.send_bytes(message)

    def end(self) -> None:
        """Wait for a process that has ended or was told to, and let go of it."""
        try:
            self.process.wait(timeout=5)
        except TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.connection.close()
        self._lifeline.close()


def _started(*descriptors: int) -> Popen[bytes]:
    """A worker that inherits these descriptors; see `worker`."""
    warnings = [f"-W{option}" for option in sys.warnoptions]
    # -P: what lies beside the program is no business of its imports.
    command = [sys.executable, "-P", *warnings, _PROGRAM, *map(str, descriptors)]
    one_thread = dict.fromkeys(_THREADS, "1")  # They are read when torch is imported.
    return Popen(command, stdin=DEVNULL, env=os.environ | one_thread, pass_fds=descriptors)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """A new process inherits the mask: Ctrl-C can't hit it before it ignores the signal."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
