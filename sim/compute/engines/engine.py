"""What an engine is, which does operations, and what it needs: learners, and who builds them.

An engine knows learners only as something that a data plane builds from a picklable description;
the same description gives the same bits wherever it is built.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from sim.compute.pace import Pace
from sim.compute.refs import Job, Scores, ServerRule, Vector


class ComputeError(RuntimeError):
    """A real operation failed; the text says which, and why."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an operation gave no result; `unreadable` names the input that could not be read."""

    text: str
    unreadable: str = ""


Result = int | Scores | Failure
"""Of a model its size in bytes where it is stored; of a score its metrics."""
Finished = Callable[[int, Sequence[Job], Sequence[Result]], None]
"""Called with (worker, jobs, results) when a group is done."""


class Learner(Protocol):
    """The operations, all pure functions; a model or a direction is a flat float32 vector [P]."""

    def initial(self) -> Vector:
        """The common initial model."""

    def trained(
        self, base: Vector, client: int, local_round: int, correction: Vector | None = None
    ) -> Vector:
        """`base` after one local round on the client's data; see `Lineage.trained`."""

    def combined(self, models: Sequence[Vector], weights: Sequence[float]) -> Vector:
        """The weighted sum of models, in the order given; see `Lineage.combined`."""

    def direction(self, models: Sequence[Vector], weights: Sequence[float]) -> Vector:
        """The weighted sum of their parameters, in the order given; see `Lineage.direction`."""

    def stepped(
        self, rule: ServerRule, inputs: Sequence[Vector], arguments: Sequence[float]
    ) -> Vector:
        """What the rule makes of its inputs, entry by entry; see `Lineage.stepped`."""

    def scores(self, model: Vector, dataset: str = "test") -> Scores:
        """Metrics of the model on a data set."""


class DataPlane(Protocol):
    """Builds learners; picklable, since every worker gets one."""

    def __hash__(self) -> int:
        """Equal planes build equal learners."""

    @property
    def group_limit(self) -> int:
        """How many trainings may be done together."""

    @property
    def preload(self) -> Sequence[str]:
        """Modules that every worker needs; see `Processes`."""

    @property
    def forks(self) -> bool:
        """Whether operations may be done by a forked process."""

    def enter(self) -> None:
        """Make this process ready to build this plane's learners; others' may have been here.

        A worker calls it once, before it reads its first operation.
        """

    def environment(self) -> Mapping[str, str]:
        """What decides bits in this process beside a spec, by what it is; for people to read."""

    def learner(self, spec: Hashable) -> Learner:
        """The learner that `spec` describes."""

    def trained_together(self, jobs: Sequence[tuple[Any, Vector, int, int]]) -> list[Vector]:
        """Each (learner, base, client, local round) trained, with the bits it has alone."""


class Engine(Protocol):
    """Does operations and tells when they are done."""

    @property
    def seats(self) -> int:
        """How many workers would take a group now: they share what is ready."""

    @property
    def group_limit(self) -> int:
        """How many trainings one group may hold."""

    def connect(self, finished: Finished, pace: Pace) -> None:
        """Whom to tell, and how much is to be done; once, before anything else."""

    def seat(self) -> int | None:
        """A worker that would take a group now; None if all have enough to do."""

    def submit(self, worker: int, jobs: Sequence[Job]) -> None:
        """Have the jobs done by that worker; more than one are trainings that go together."""

    async def close(self) -> None:
        """Let go of workers; what they still compute is lost."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold torch to one thread in this process."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
