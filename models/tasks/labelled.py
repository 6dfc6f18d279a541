"""What tasks share whose data are labelled samples in files of the user's."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from models.metrics import LOSSES, Target
from models.partitions import PARTITIONS, PartitionSettings
from models.partitions.settings import Ints
from models.tasks.files import FilesSettings
from models.tasks.settings import SupervisedSettings, Tell, check_fractions
from sim.record.errors import Refusal
from sim.record.settings.files import AbsolutePath
from sim.record.settings.kinds import OneOf

if TYPE_CHECKING:
    from models.tasks.parts import Part, Parts
    from models.tasks.supervised import Samples
    from models.tasks.task import HeldOut, Task


_HELD_OUT_BATCH = 1_000
"""How many held-out samples a network sees at once: there may be many, and images large."""
_OF_NUMBERS = ("mae", "mse", "r2")


class LabelledSettings(FilesSettings, SupervisedSettings):
    """A task of labelled samples in the user's files, of sites or dealt by a partition.

    A kind says how the files are read (`read`) and named (`content`).
    """

    paths: ClassVar[tuple[str, ...]] = ("path",)

    path: AbsolutePath = Field(description="where the data are")
    partition: Annotated[PartitionSettings, OneOf(PARTITIONS)] | None = Field(
        default=None,
        description="how the training samples fall to clients, where the data don't say: with "
        "sites, client 0 is the first by name",
    )
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.2, description="share held out, by site and class, unless the data say what is"
    )
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.1,
        description="share held out for decisions, by site and class, of what is not given as "
        "test data, unless the data say what is",
    )

    @model_validator(mode="after")
    def _held_out_and_dealt_as_can_be(self) -> Self:
        check_fractions(self.test_fraction, self.validation_fraction)
        dealt = self.partition
        if dealt is not None and dealt.by_class and self.predicted == "number":
            what = f"{dealt.kind} deals by class, and the labels are numbers"
            kinds = [name for name, kind in PARTITIONS.items() if not kind.by_class]
            raise Refusal(what, ", ".join(kinds), ("partition", "kind"))
        return self

    @abstractmethod
    def read(self, tell: Tell, note: Tell) -> Parts:
        """The samples in the files; `note` is told what is assumed of them, or doubtful.

        Raises Refusal at the first mistake in them.
        """

    def prepared(self, parts: Parts) -> Parts:
        """The parts as they are learned from, by what the training part alone has told."""
        return parts

    def files(self) -> str:
        """See FilesSettings."""
        return f"{self.path}: the data"

    def refusal(self, what: str, allowed: str) -> Refusal:
        """The Refusal of a mistake in the files."""
        return Refusal(f"{self.path}: {what}", allowed, ("task", "path"))

    def data_key(self, clients: int) -> str:
        """The same for any number of clients, unless they are sites."""
        known = self.model_dump_json(exclude={"partition"})
        return known if self.partition is not None else super().data_key(clients)

    def load(self, clients: int, tell: Tell) -> Task:
        """The data of the files; what they don't hold out is drawn by `data_seed`.

        Raises Refusal at the first mistake in them, if they are not those that `files_sha256`
        names, or if there isn't one client for each site. What else is wrong is in its notes.
        """
        from models.tasks.parts import Shares, check_classes, completed, doubts, site_names
        from models.tasks.supervised import supervised

        self.check_unchanged()
        notes: list[str] = []
        read = self.read(tell, notes.append)
        self._check_whose(read)
        shares = Shares(self.test_fraction, self.validation_fraction, self.drawn_by)
        parts = completed(self.path, read, shares)
        classes = check_classes(self.path, parts) if self.predicted == "class" else None
        notes += doubts(self.path, parts)
        names = () if self.partition else site_names(self.path, parts, clients, notes.append)
        samples = self._samples(self.prepared(parts), names)
        task = supervised(self, *samples, classes=classes)
        task = replace(task, held_out_batch=_HELD_OUT_BATCH, site_names=names)
        return replace(task, notes=tuple(notes))

    def _check_whose(self, parts: Parts) -> None:
        lacking = [split for split, part in parts.items() if part.sites is None]
        if 0 < len(lacking) < len(parts):
            what = f"no sites of the {', '.join(lacking)} samples"
            raise self.refusal(what, "sites of all, or of none")
        if not lacking and self.partition is not None:
            what = f"{self.path}: says of each sample whose it is"
            raise Refusal(what, "no partition", ("task", "partition"))
        if lacking and self.partition is None:
            what = f"is missing: {self.path} doesn't say whose a sample is"
            raise Refusal(what, ", ".join(PARTITIONS), ("task", "partition"))

    def _samples(self, parts: Parts, names: Sequence[str]) -> tuple[Samples, Samples, Samples]:
        """Of training, testing and validation, their sites by their places in `names`."""
        import torch

        from models.tasks.parts import numbers_of
        from models.tasks.supervised import Samples

        training = parts["training"]

        def samples(part: Part) -> Samples:
            sites = None if part.sites is None else numbers_of(part.sites, names)
            # A mapped array may begin at any byte. To train on, samples are copied; these are not.
            inputs = part.inputs if part is training else np.require(part.inputs, requirements="A")
            return Samples(torch.from_numpy(inputs), torch.from_numpy(part.labels), sites)

        return samples(training), samples(parts["test"]), samples(parts["validation"])

    def deal(self, data: Task, clients: int, draws: np.random.Generator) -> Sequence[Ints]:
        """As the partition says, or the sites. Raises Refusal if it can't."""
        if self.partition is None:
            return super().deal(data, clients, draws)
        if self.predicted == "class":
            return self.partition.deal(data.labels.cpu().numpy(), clients, draws)
        parts = self._all_dealt(data, clients, draws)
        training = [part[part < len(data.labels)] for part in parts]
        for client, part in enumerate(training):
            if not len(part):
                what = f"the partition leaves client_{client} nothing to train on"
                raise Refusal(what, "fewer clients, or more samples", ("task", "partition"))
        return training

    def tested(self, data: Task, clients: int, draws: np.random.Generator) -> HeldOut:
        """Numbers have no classes by which a client's kind of data could be told: its own data are
        dealt with those held out, so that a share of each client's is.
        """
        if self.partition is None or self.predicted == "class":
            return data.test
        from models.metrics.judge import Judge

        parts = self._all_dealt(data, clients, draws)
        owners = np.empty(len(data.labels) + len(data.test.labels), np.int64)
        for client, part in enumerate(parts):
            owners[part] = client
        assert isinstance(data.test.metrics, Judge)
        return replace(data.test, metrics=data.test.metrics.at(owners[len(data.labels) :]))

    def _all_dealt(self, data: Task, clients: int, draws: np.random.Generator) -> list[Ints]:
        """Each client's samples of those to train on and, counted on from these, to test on."""
        assert self.partition is not None
        labels = [each.labels.cpu().numpy() for each in (data, data.test)]
        return self.partition.deal(np.concatenate(labels), clients, draws)


class TargetSettings(LabelledSettings):
    """The same where labels are classes or numbers, as the scenario says."""

    target: Target = Field(
        default="class", description="what a label is, and a network is to say of a sample"
    )
    metrics: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = Field(
        default=("accuracy", "loss"),
        description="what models are judged by, first what counts: accuracy, balanced_accuracy, "
        "f1, auc, loss; of numbers mae, mse, r2, loss (if left out mae, mse, r2); or your own: "
        "my_code.NAME",
    )
    loss: str = Field(
        default="cross_entropy",
        description="what training makes small: cross_entropy; of numbers mse (also if left out); "
        "or your own: my_code.NAME",
    )

    @model_validator(mode="before")
    @classmethod
    def _of_numbers(cls, data: Any) -> Any:
        """What is left out is another thing for numbers."""
        if isinstance(data, dict) and data.get("target") == "number":
            return {"metrics": _OF_NUMBERS, "loss": LOSSES["number"][0], **data}
        return data

    @property
    def predicted(self) -> Target:
        """As `target` says."""
        return self.target
