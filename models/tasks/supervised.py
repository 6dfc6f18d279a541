"""Supervised learning: every sample has one label, a class or a number, and is judged by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from models.bits import generator
from models.metrics.judge import UNSCALED, Judge, Scale, judge
from models.metrics.losses import loss
from models.tasks.settings import SupervisedSettings
from models.tasks.task import HeldOut, Task
from sim.record.errors import Refusal

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Samples:
    """`inputs` [n, ...] float32; `labels` [n], int64 classes from 0 or float32 numbers.

    `sites` [n]: the client whose each is, or None if a partition has to say.
    """

    inputs: torch.Tensor
    labels: torch.Tensor
    sites: Ints | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def chosen(self, places: Ints) -> Samples:
        """Those at `places`."""
        sites = None if self.sites is None else self.sites[places]
        return Samples(self.inputs[places], self.labels[places], sites)

    def scaled(self, scale: Scale) -> Samples:
        """The same with labels, which are numbers, on that scale."""
        return replace(self, labels=scale.scaled(self.labels))

    def split(self, test: Ints, validation: Ints) -> tuple[Samples, Samples, Samples]:
        """Those for training, for testing and for validation; the last two at these places."""
        training = np.setdiff1d(np.arange(len(self)), np.concatenate([test, validation]))
        return self.chosen(training), self.chosen(test), self.chosen(validation)


def supervised(
    settings: SupervisedSettings,
    training: Samples,
    test: Samples,
    validation: Samples,
    *,
    classes: int | None = None,
) -> Task:
    """The task of learning from these samples, judged as `settings` say. Numbers are learned on the
    `Scale` of the training samples.

    `classes`: how many there are; None: one more than the highest label. Where samples have sites
    those held out are judged by site, else by class; see `Judge`. Raises Refusal for a metric that
    is undefined on what is held out, and for a loss of the user's own that gives no loss.
    """
    scale, outputs = UNSCALED, 1
    if settings.predicted == "number":
        scale = Scale.of(training.labels)
        training, test, validation = (one.scaled(scale) for one in (training, test, validation))
    else:
        highest = max(int(each.labels.max()) for each in (training, test, validation))
        outputs = classes or 1 + highest
    learned = loss(settings.loss, settings.predicted, outputs)
    held_out = {}
    for name, samples in (("test", test), ("validation", validation)):
        judged = judge(settings.metrics, settings.predicted, learned, samples.sites, scale)
        _check_defined(judged, samples, outputs, name)
        held_out[name] = HeldOut(samples.inputs, samples.labels, judged)
    return Task(
        training.inputs,
        training.labels,
        held_out["test"],
        held_out["validation"],
        tuple(training.inputs.shape[1:]),
        outputs,
        learned.mean,
        learned.each,
        sites=training.sites,
        by_class=settings.predicted == "class",
    )


def _check_defined(judged: Judge, samples: Samples, outputs: int, name: str) -> None:
    """Raise Refusal for a metric without a value for any outputs, tried with random ones."""
    drawn = generator(0, "trial").standard_normal((len(samples), outputs), dtype=np.float32)
    found = judged([torch.from_numpy(drawn)], samples.labels)
    for index, metric in enumerate(judged.metrics):
        if not np.isfinite(found[metric]):
            what = f"{metric} is undefined on the {name} data, with {_variety(samples)}"
            allowed = "other metrics, or data that differ"
            raise Refusal(what, allowed, ("task", "metrics", index))


def _variety(samples: Samples) -> str:
    distinct = len(np.unique(samples.labels.numpy()))
    labels = "label" if distinct == 1 else "labels"
    return f"{len(samples)} samples of {distinct} {labels}"
