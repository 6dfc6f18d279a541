"""What every task answers, and what those have in common that are partitioned or segment images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field

from models.partitions import PARTITIONS, PartitionSettings
from models.partitions.settings import Ints
from models.tasks.cohort import Cohort
from sim.record.errors import Refusal
from sim.record.metrics import Better, Bounds
from sim.record.settings.base import Seed, Settings
from sim.record.settings.kinds import OneOf

if TYPE_CHECKING:
    from models.tasks.task import Task

Tell = Callable[[str], None]
"""Told, in a line each, what takes long."""


def _seed_or_run(value: Any) -> Any:
    if isinstance(value, str) and value != "run":
        raise Refusal(f"{value!r} is no seed", "a whole number, or run for each run's own")
    return value


class TaskSettings(Settings):
    """What can be learned. Every task holds out test data and, apart from them, validation data.

    `metrics`: those that a run can aim at, the first of them what it is judged by unless the
    scenario says otherwise; `final_metrics`: those found at a run's end only; `bounds`: between
    which values metrics lie, which no interval leaves, if they are bounded. `segments`: whether it
    answers an image with an image, and so has a cohort. `paths`: its settings that are paths,
    relative to the scenario's file. `libraries`: the names of those that decide its bits.
    """

    metrics: ClassVar[Mapping[str, Better]]
    AS_OWN: ClassVar[str] = "a subclass of TaskSettings"
    final_metrics: ClassVar[Mapping[str, Better]] = {}
    bounds: ClassVar[Mapping[str, Bounds]] = {}
    segments: ClassVar[bool] = False
    paths: ClassVar[tuple[str, ...]] = ()
    libraries: ClassVar[tuple[str, ...]] = ("torch", "numpy")

    name: str
    data_seed: Annotated[Seed | Literal["run"], BeforeValidator(_seed_or_run)] = Field(
        default=0,
        description="draws the data and what is held out, alike for every run; or `run`: anew for "
        "each run, by its seed",
    )

    @property
    def drawn_by(self) -> int:
        """The seed of the data's draws; `of_seed` fixes it where each run has its own."""
        assert self.data_seed != "run"
        return self.data_seed

    def of_seed(self, seed: int) -> Self:
        """The settings of the run with that seed: its data are drawn by a number."""
        own = self.data_seed == "run"
        return self.model_copy(update={"data_seed": seed}) if own else self

    def pinned(self) -> Self:
        """These settings, naming the user's files by their content if the task has any.

        Raises Refusal if they can't be read.
        """
        return self

    def data_key(self, clients: int) -> str:
        """Names the data: equal for descriptions that differ in how they are dealt alone."""
        return f"{self.model_dump_json()} of {clients} sites"

    @abstractmethod
    def load(self, clients: int, tell: Tell) -> Task:
        """The data in main memory. Raises Refusal if they can't be had as asked."""

    def cohort(self, clients: int, tell: Tell) -> Cohort:
        """All subjects of a task that segments. Raises Refusal if they can't be had as asked."""
        raise AssertionError(f"{self.name} has no subjects")

    def deal(self, data: Task, clients: int, draws: np.random.Generator) -> Sequence[Ints]:
        """The training samples of each client: those of its site, as `data.sites` has them.

        Raises Refusal if there are none for some client.
        """
        assert data.sites is not None
        return [np.flatnonzero(data.sites == client) for client in range(clients)]


class PartitionedSettings(TaskSettings):
    """A task whose data know no sites: a partition deals them to the clients."""

    partition: Annotated[PartitionSettings, OneOf(PARTITIONS)] = Field(
        description="how the training samples fall to clients"
    )

    def data_key(self, clients: int) -> str:
        """The same for any number of clients."""
        return self.model_dump_json(exclude={"partition"})

    def deal(self, data: Task, clients: int, draws: np.random.Generator) -> Sequence[Ints]:
        """As the partition says. Raises Refusal if it can't."""
        return self.partition.deal(data.labels.cpu().numpy(), clients, draws)


class SegmentationSettings(TaskSettings):
    """A task of scans, each client one site: what is learned is in models/tasks/segmentation.py."""

    metrics: ClassVar[Mapping[str, Better]] = {"dice": "higher"}
    final_metrics: ClassVar[Mapping[str, Better]] = {"hd95_mm": "lower"}
    bounds: ClassVar[Mapping[str, Bounds]] = {"dice": (0.0, 1.0), "hd95_mm": (0.0, None)}
    segments: ClassVar[bool] = True
    libraries: ClassVar[tuple[str, ...]] = (*TaskSettings.libraries, "monai")

    def load(self, clients: int, tell: Tell) -> Task:
        """The slices of the cohort. Raises Refusal if nothing could be tested on them."""
        from models.tasks.segmentation import segmentation

        return segmentation(self.cohort(clients, tell))
