"""Has operations done by a Dask cluster, which keeps the models: names are its tasks' keys.

What Dask does, this doesn't: it places tasks near their inputs, and does again what a lost worker
had.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from sim.compute.engines.engine import ComputeError, DataPlane, Failure, Finished, Result
from sim.compute.engines.workshop import failure_text
from sim.compute.pace import Pace
from sim.compute.refs import Job, Vector
from sim.compute.store.vectors import DamagedVector
from sim.record.errors import ScenarioError, installing

try:
    from distributed import Client, Future

    from sim.compute.engines.cluster_worker import (
        REFUSED,
        Task,
        differences,
        environment_of,
        forget,
    )
except ModuleNotFoundError as missing:
    raise ScenarioError(
        f"--scheduler: needs the extra: {installing('cluster')} ({missing})"
    ) from None

CONNECT_S = 10.0
FIRST_WORKER_S = 600.0
FORGOTTEN_S = 5.0
"""So long the end of a session waits for workers to let go of what was its own."""
# Enough that a worker has its next task, and the inputs of the one after, before it asks.
_TASKS_PER_WORKER = 4


async def cluster_engine(
    scheduler: str,
    plane: DataPlane,
    tell: Callable[[str], None],
    *,
    connect_s: float = CONNECT_S,
    first_worker_s: float = FIRST_WORKER_S,
) -> ClusterEngine:
    """The engine on the cluster of `scheduler`: an address, or the path of a scheduler file.

    Raises ScenarioError if nobody answers there, if no worker comes, or if one of those that are
    there has another environment. `tell` is told of those that come later and have.
    """
    address = _address(scheduler)
    # TLS and all else that a cluster may need is Dask's own configuration, which it reads itself.
    client = Client(address, asynchronous=True, set_as_default=False, timeout=connect_s)
    try:
        await _connect(client, address)
        await _first_worker(client, address, tell, first_worker_s)
        await _check_workers(client, plane)
        client.subscribe_topic(REFUSED, lambda event: tell(event[1]))
    except BaseException:
        await client.close()
        raise
    return ClusterEngine(client, address, plane)


def _address(scheduler: str) -> str:
    if "://" in scheduler:
        return scheduler
    try:
        address = json.loads(Path(scheduler).read_bytes())["address"]
    except OSError as failure:
        raise _refusal(
            f"{scheduler}: {failure.strerror}; allowed: tcp://HOST:PORT, tls://HOST:PORT, "
            "or the file that `dask scheduler --scheduler-file` writes"
        ) from None
    except (ValueError, LookupError, TypeError):
        raise _refusal(f"{scheduler} is not a file of `dask scheduler`") from None
    return str(address)


async def _connect(client: Client, address: str) -> None:
    try:
        await client
    # The last two: an address of no known form, and TLS that is not configured.
    except (OSError, ValueError, TypeError) as failure:
        raise _refusal(f"no scheduler answers at {address} ({failure})") from None


async def _first_worker(
    client: Client, address: str, tell: Callable[[str], None], patience_s: float
) -> None:
    if client.scheduler_info()["n_workers"] == 0:
        tell(f"scheduler {address}: waiting for its first worker, at most {patience_s:g} s")
    try:
        await client.wait_for_workers(1, timeout=patience_s)
    except TimeoutError:
        raise _refusal(
            f"no worker has come to {address} in {patience_s:g} s; "
            f"start one: dask worker {address} --nthreads 1"
        ) from None


async def _check_workers(client: Client, plane: DataPlane) -> None:
    here = environment_of(plane)
    found: dict[str, Mapping[str, str] | Exception] = await client.run(
        environment_of, plane, on_error="return"
    )
    for worker, environment in found.items():
        if isinstance(environment, OSError):  # It has left in the meantime.
            continue
        if isinstance(environment, Exception):
            raise _refusal(f"worker {worker} can't load this program: {environment}")
        if environment != here:
            raise _refusal(
                f"worker {worker} is refused: it has {differences(here, environment)}; "
                "restart it in this program's environment"
            )


def _refusal(what: str) -> ScenarioError:
    return ScenarioError(f"--scheduler: {what}")


class ClusterVectors:
    """The models that a cluster holds for this program; see `sim.compute.store.vectors.Vectors`.

    A future that is let go of lets the workers forget the vector. Only those that are fetched
    cross to this process.
    """

    def __init__(self) -> None:
        self._futures: dict[str, Future] = {}

    def keep(self, name: str, future: Future) -> None:
        """Have the cluster hold the model."""
        self._futures[name] = future

    def future(self, name: str) -> Future | None:
        """What stands for the model, if it's held."""
        return self._futures.get(name)

    def write(self, name: str, vector: Vector) -> int:
        """Not from here."""
        raise io.UnsupportedOperation("models are written by a cluster's workers")

    def read(self, name: str) -> Vector:
        """Not from here."""
        raise io.UnsupportedOperation("models are read by a cluster's workers")

    async def fetch(self, name: str) -> Vector:
        """See Vectors; what was lost with its worker, Dask makes again."""
        future = self.future(name)
        if future is None:
            raise FileNotFoundError(f"no worker holds model {name[:8]}")
        try:
            vector: Vector = await future
        except Exception as failure:
            raise DamagedVector(f"model {name[:8]} can't be fetched: {failure}") from failure
        return vector

    def remove(self, name: str) -> None:
        self._futures.pop(name, None)

    def sizes(self) -> dict[str, int]:
        """None at the start: they end with the session."""
        return {}

    def clear(self) -> None:
        self._futures.clear()


class ClusterEngine:
    """Gives each job to Dask as one task, a few for each worker at a time; see Engine.

    Dask decides which worker does it, so all have one seat, number 0.
    """

    # Groups would be one task each and tie their members to one worker.
    seats = group_limit = 1

    def __init__(self, client: Client, address: str, plane: DataPlane) -> None:
        self.vectors = ClusterVectors()
        self._client = client
        self._address = address
        self._task = Task(plane, environment_of(plane))
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._size_bytes: dict[Hashable, int] = {}
        # Once the scheduler is gone: what to say of all that is still asked for.
        self._lost = ""

    @property
    def workers(self) -> int:
        """As many as there were some 2 s ago."""
        # Never none: who comes next finds something to do.
        there: int = self._client.scheduler_info().get("n_workers", 0)
        return max(1, there)

    def connect(self, finished: Finished, pace: Pace) -> None:
        self._finished = finished

    def seat(self) -> int | None:
        has_room = len(self._under_way) < self.workers * _TASKS_PER_WORKER
        return 0 if has_room or self._lost else None

    def submit(self, worker: int, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self._under_way[job.output] = asyncio.get_running_loop().create_task(self._see_to(job))

    async def _see_to(self, job: Job) -> None:
        inputs = [self.vectors.future(name) for name in job.inputs]
        try:
            result = await self._result(job, inputs)
        except Exception as failure:
            result = self._failure(job, inputs, failure)
            # A failed task keeps its name until it's forgotten, which takes a turn of the loop.
            await asyncio.sleep(0)
        del self._under_way[job.output]
        self._finished(0, [job], [result])

    async def _result(self, job: Job, inputs: Sequence[Future | None]) -> Result:
        if self._lost or None in inputs:
            raise LookupError("an input is not there any more")
        # The kind is for Dask, which learns how long tasks of one prefix take.
        key = f"{job.kind}-{job.output}"
        # Without the inputs' names: Dask's own bookkeeping has them.
        future = self._client.submit(self._task, replace(job, inputs=()), *inputs, key=key)
        try:
            if job.kind == "scores":
                scores: dict[str, float] = await future
                return scores
            if failure := await future.exception():
                raise failure
            if future.cancelled():
                raise CancelledError
            if job.spec not in self._size_bytes:
                # All models of one learner have one size: only the first is fetched to know it.
                self._size_bytes[job.spec] = (await future).nbytes
        except Exception:
            future.release()
            raise
        self.vectors.keep(job.output, future)
        return self._size_bytes[job.spec]

    def _failure(self, job: Job, inputs: Sequence[Future | None], failure: Exception) -> Failure:
        if isinstance(failure, CancelledError) or self._client.status != "running":
            # Nobody here cancels a task: the scheduler has gone, or was restarted, with all that
            # it knew.
            self._lost = f"the scheduler {self._address} was lost, and the models with it"
        if self._lost:
            return Failure(f"{job.kind}{job.arguments}: {self._lost}")
        # An input may have gone with its worker, and failed when Dask made it again.
        for name, future in zip(job.inputs, inputs, strict=True):
            if future is None or future.status == "error":
                return Failure(f"model {name[:8]}: {failure}", name)
        return Failure(failure_text(job, failure))

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the function gives on a worker, whichever has time. Raises ComputeError."""
        what = function.__name__
        future = self._client.submit(self._task.call, function, *arguments, key=f"{what}-{uuid4()}")
        try:
            return await future
        except (Exception, CancelledError) as failure:
            if isinstance(failure, CancelledError) or self._client.status != "running":
                raise ComputeError(f"the scheduler {self._address} was lost") from None
            raise ComputeError(f"{what} failed on a worker: {failure}") from failure
        finally:
            future.release()

    async def close(self) -> None:
        """Let the cluster forget this program's work; it goes on running."""
        for task in self._under_way.values():
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)
        self.vectors.clear()
        # The cluster may live for months, and see other data each day.
        with suppress(OSError, ValueError, TimeoutError):
            await asyncio.wait_for(
                self._client.run(forget, self._task.plane, on_error="ignore"), FORGOTTEN_S
            )
        await self._client.close()
