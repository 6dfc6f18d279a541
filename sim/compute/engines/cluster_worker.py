"""What a Dask worker does: one operation at a time, in the environment that the names stand for.

A task carries all it needs, so that Dask may do it again on any worker, with or without the program
that asked for it.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from distributed import Reschedule, get_worker

import sim
from sim.compute.engines.engine import DataPlane, Learner
from sim.compute.engines.workshop import LEARNERS_KEPT, operation
from sim.compute.refs import Job, Scores, Vector

REFUSED = "braintorrent-refused"
"""The topic of the events by which a worker tells that it has refused itself."""
_learners: OrderedDict[tuple[DataPlane, Hashable], Learner] = OrderedDict()
"""The one used last stands last."""
# A learner is not thread-safe, and a worker may have been given more than one thread.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Task:
    """What Dask calls with a job and the vectors of its inputs.

    `environment`: the data plane's own in the program that named the operations.
    """

    plane: DataPlane
    environment: Mapping[str, str]

    def __call__(self, job: Job, *inputs: Vector) -> Vector | Scores:
        """The job's result; it stays on the worker until somebody wants it."""
        self._check()
        import torch

        with _one_at_a_time:
            # At each operation, since any other task of the process may have changed it.
            torch.set_num_threads(1)
            self.plane.enter()
            return operation(_learner(self.plane, job.spec), job, inputs)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What a function of this program gives, in a process that has the same program."""
        self._check()
        with _one_at_a_time:
            return function(*arguments)

    def _check(self) -> None:
        found = environment_of(self.plane)
        if found != self.environment:
            _leave(differences(self.environment, found))


@cache
def environment_of(plane: DataPlane) -> Mapping[str, str]:
    """The plane's environment in this process, and the program that plays worlds in it.

    Once, and as soon as its code is loaded: files that change later are not what runs here.
    """
    return {**plane.environment(), "program": _PROGRAM, "simpy": version("simpy")}


def _program() -> str:
    """Names the simulator by its code, whatever its version says."""
    digest = hashlib.sha256()
    for path in sorted(Path(sim.__path__[0]).rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


_PROGRAM = _program()


def differences(expected: Mapping[str, str], found: Mapping[str, str]) -> str:
    """Where `found` departs from `expected`, in words."""
    parts = [
        f"{part} {found.get(part, 'unknown')} instead of {expected.get(part, 'none')}"
        for part in [*expected, *sorted(found.keys() - expected.keys())]
        if found.get(part) != expected.get(part)
    ]
    return ", ".join(parts)


def _learner(plane: DataPlane, spec: Hashable) -> Learner:
    # Taken out meanwhile: `forget` is called by another thread, and nothing waits for the other.
    learner = _learners.pop((plane, spec), None) or plane.learner(spec)
    _learners[plane, spec] = learner
    if len(_learners) > LEARNERS_KEPT:
        _learners.popitem(last=False)
    return learner


def forget(plane: DataPlane) -> None:
    """Let go of a plane's learners, and so of their data: a session of it has ended.

    Another that goes on with an equal plane has them built again.
    """
    for key in list(_learners):
        if key[0] == plane:
            _learners.pop(key, None)


def _leave(why: str) -> None:
    """Close this worker: its numbers would differ. Its tasks go to others."""
    worker = get_worker()
    worker.log_event(REFUSED, f"worker {worker.address} is refused: it has {why}")
    worker.loop.add_callback(worker.close, executor_wait=False, reason=why)
    raise Reschedule
