"""What every task answers, and what those have in common that are partitioned, learn labels or
segment images.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from models.metrics import (
    LOSS,
    LOSSES,
    METRICS,
    Target,
    bounds_of,
    check_names,
    directions_of,
)
from models.partitions import PARTITIONS, PartitionSettings
from models.partitions.settings import Ints
from models.tasks.cohort import Cohort
from sim.record.errors import Refusal
from sim.record.metrics import Better, Bounds
from sim.record.settings.base import Seed, Settings
from sim.record.settings.kinds import OneOf

if TYPE_CHECKING:
    from models.tasks.task import HeldOut, Task

Tell = Callable[[str], None]
"""Told, in a line each, what takes long."""


def check_fractions(test: float, validation: float) -> None:
    """Raise Refusal if these shares, held out, leave nothing to train on."""
    if test + validation >= 1:
        what = f"{validation:g} beside a test_fraction of {test:g}"
        raise Refusal(what, "less than 1 together", ("validation_fraction",))


def _seed_or_run(value: Any) -> Any:
    if isinstance(value, str) and value != "run":
        raise Refusal(f"{value!r} is no seed", "a whole number, or run for each run's own")
    return value


class Sizes(NamedTuple):
    """All that there is to know of a task in which nobody learns.

    `vector_length`: float32 numbers in a model. `steps`: optimiser steps of a local round.
    """

    vector_length: int
    steps: int


class TaskSettings(Settings):
    """What can be learned. Every task holds out test data and, apart from them, validation data.

    `segments`: whether it answers an image with an image, and so has a cohort. `paths`: its
    settings that are paths, relative to the scenario's file. `judging`: its settings that decide
    scores, but no model. `libraries`: the names of those that decide its bits.
    """

    AS_OWN: ClassVar[str] = "a subclass of TaskSettings"
    segments: ClassVar[bool] = False
    paths: ClassVar[tuple[str, ...]] = ()
    judging: ClassVar[tuple[str, ...]] = ()
    libraries: ClassVar[tuple[str, ...]] = ("torch", "numpy")

    name: str
    data_seed: Annotated[Seed | Literal["run"], BeforeValidator(_seed_or_run)] = Field(
        default=0,
        description="draws the data and what is held out, alike for every run; or `run`: anew for "
        "each run, by its seed",
    )

    @property
    @abstractmethod
    def directions(self) -> Mapping[str, Better]:
        """Of the metrics that a run can aim at, which values are the better ones.

        The first is what it is judged by unless the scenario says otherwise.
        """

    @property
    def final_directions(self) -> Mapping[str, Better]:
        """The same of those metrics that are found at a run's end only."""
        return {}

    @property
    def bounds(self) -> Mapping[str, Bounds]:
        """Between which values metrics lie, which no interval leaves, if they are bounded."""
        return {}

    @property
    def own_losses(self) -> tuple[str, ...]:
        """The names of the user's own losses among those chosen."""
        return ()

    @property
    def own_metrics(self) -> tuple[str, ...]:
        """The names of the user's own metrics among those chosen."""
        return ()

    @property
    def drawn_by(self) -> int:
        """The seed of the data's draws; `of_seed` fixes it where each run has its own."""
        assert self.data_seed != "run"
        return self.data_seed

    @property
    def sizes(self) -> Sizes | None:
        """Of a task in which nobody learns; None where data tell them, which all others have."""
        return None

    @property
    def learns(self) -> bool:
        """Whether anything is learned at all."""
        return self.sizes is None

    @property
    def input_shape(self) -> tuple[int, ...] | None:
        """Of one input, where that is known without the data."""
        return None

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
        order = np.argsort(data.sites, kind="stable")
        return np.split(order, np.searchsorted(data.sites[order], np.arange(1, clients)))

    def tested(self, data: Task, clients: int, draws: np.random.Generator) -> HeldOut:
        """The test data as they are judged; `draws` are those of `deal`, from their beginning.

        For who finds out only from the dealing whose a test sample is.
        """
        return data.test


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


class SupervisedSettings(TaskSettings):
    """A task whose samples have one label each; the scenario chooses its metrics and its loss."""

    libraries: ClassVar[tuple[str, ...]] = (*TaskSettings.libraries, "scikit-learn")
    judging: ClassVar[tuple[str, ...]] = ("metrics",)

    metrics: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = Field(
        default=("accuracy", "loss"),
        description="what models are judged by, first what counts: accuracy, balanced_accuracy, "
        "f1, auc, loss, or your own: my_code.NAME",
    )
    loss: str = Field(
        default="cross_entropy",
        description="what training makes small: cross_entropy, or your own: my_code.NAME",
    )

    @property
    def predicted(self) -> Target:
        """What a network is to say of a sample."""
        return "class"

    @property
    def directions(self) -> Mapping[str, Better]:
        """As the metrics chosen say."""
        return directions_of(self.metrics, self.predicted)

    @property
    def bounds(self) -> Mapping[str, Bounds]:
        """As the metrics chosen say."""
        return bounds_of(self.metrics, self.predicted, self.loss)

    @property
    def own_losses(self) -> tuple[str, ...]:
        """See TaskSettings."""
        return () if self.loss in LOSSES[self.predicted] else (self.loss,)

    @property
    def own_metrics(self) -> tuple[str, ...]:
        """See TaskSettings."""
        ours = (*METRICS[self.predicted], LOSS)
        return tuple(name for name in self.metrics if name not in ours)

    @model_validator(mode="after")
    def _metrics_and_loss_are_known(self) -> Self:
        check_names(self.metrics, self.predicted, self.loss)
        return self


class SegmentationSettings(TaskSettings):
    """A task of scans, each client one site: what is learned is in models/tasks/segmentation.py."""

    segments: ClassVar[bool] = True
    libraries: ClassVar[tuple[str, ...]] = (*TaskSettings.libraries, "monai")

    @property
    def directions(self) -> Mapping[str, Better]:
        """See TaskSettings."""
        return {"dice": "higher"}

    @property
    def final_directions(self) -> Mapping[str, Better]:
        """See TaskSettings."""
        return {"hd95_mm": "lower"}

    @property
    def bounds(self) -> Mapping[str, Bounds]:
        """See TaskSettings."""
        return {"dice": (0.0, 1.0), "hd95_mm": (0.0, None)}

    def load(self, clients: int, tell: Tell) -> Task:
        """The slices of the cohort. Raises Refusal if nothing could be tested on them."""
        from models.tasks.segmentation import segmentation

        return segmentation(self.cohort(clients, tell))
