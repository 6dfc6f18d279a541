"""Worker processes, each with one thread: they get names and write models to the store's folder.

Processes of our own rather than an executor's: a chain stays on the worker that holds its last
model, one that dies is replaced and only its work redone, and none outlives this program.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from sim.compute.engines.engine import DataPlane, Failure, Finished
from sim.compute.engines.workshop import Workshop
from sim.compute.refs import Job
from sim.compute.store.vectors import Vectors

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_READY = "ready"
_STARTS = 3
"""After so many workers in a row that could not start, none is started any more."""


class WorkerPoolEngine:
    """`workers` spawned processes with one thread each; each builds its learners once."""

    def __init__(self, workers: int, plane: DataPlane, vectors: Vectors) -> None:
        self.group_limit = plane.group_limit
        self._plane = plane
        self._vectors = vectors
        self._failed_starts = 0
        self._hopeless = ""
        # Spawned at once: they import torch while this process prepares the data.
        self._all = [_Worker(index, plane, vectors) for index in range(workers)]

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
        if message == _READY:
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
            why = f"a worker process ended unexpectedly (exit code {worker.process.exitcode})"
            begun = begun[:1]
        else:
            why = f"worker processes can't start (exit code {worker.process.exitcode})"
            self._failed_starts += 1
            if self._failed_starts < _STARTS:
                begun = []
            else:
                self._hopeless = why
        if not self._hopeless:
            successor = self._all[worker.index] = _Worker(worker.index, self._plane, self._vectors)
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
    """One process and the groups that it was given, oldest first."""

    def __init__(self, index: int, plane: DataPlane, vectors: Vectors) -> None:
        self.index = index
        self.ready = False
        self.groups: deque[list[Job]] = deque()
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(
            target=_serve, args=(theirs, plane, vectors), daemon=True
        )
        with _one_thread(), _interrupts_held():
            self.process.start()
        theirs.close()

    @property
    def has_room(self) -> bool:
        """One that runs and one that waits, so that it never idles; but groups are worth waiting
        for, since they grow.
        """
        return not self.groups or (len(self.groups) == 1 and self.groups[0][0].together is None)

    def give(self, jobs: list[Job]) -> None:
        """Queue a group; a worker that is dead says so by its connection."""
        self.groups.append(jobs)
        try:
            self.connection.send(jobs)
        except OSError:
            return

    def end(self) -> None:
        """Wait for a process that has ended or was told to, and let go of it."""
        self.process.join(timeout=5)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.connection.close()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Read when a worker imports torch, and not by this process, which has read them already."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """A new process inherits the mask: Ctrl-C can't hit it before it ignores the signal."""
    # Started with the first process, it would unblock what is blocked here (CPython 3.11 to 3.13).
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection, plane: DataPlane, vectors: Vectors) -> None:
    """In a worker: do what comes until nobody is there."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(1)
    workshop = Workshop(plane, vectors)
    try:
        connection.send(_READY)
        while True:
            connection.send(workshop.results(connection.recv()))
    except (EOFError, OSError):
        return


def _end_with_parent() -> None:
    """Whatever kills the parent: no orphan trains on."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
