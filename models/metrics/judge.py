"""What a network's outputs for held-out samples come to, by the metrics of a scenario."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from models.metrics import LOSS, Target, metric
from models.metrics.losses import Loss
from models.metrics.metric import LossMetric, Metric, WholeLoss
from sim.record.metrics import class_metric, site_metric

Ints = npt.NDArray[np.int64]

MOST_SITES = 100
"""With more sites nobody is judged on each one's samples: every model would be, on all of them."""


class Scale(NamedTuple):
    """How numbers are learned: less their mean, in deviations. Metrics are in their own unit."""

    mean: float = 0.0
    deviation: float = 1.0

    @classmethod
    def of(cls, labels: torch.Tensor) -> Scale:
        """By which the labels [n] have mean 0 and deviation 1; if all are one, by mean alone."""
        mean, deviation = labels.double().mean().item(), labels.double().std(correction=0).item()
        return cls(mean, deviation or 1.0)

    def scaled(self, numbers: torch.Tensor) -> torch.Tensor:
        """As they are learned."""
        return ((numbers.double() - self.mean) / self.deviation).float()

    def unscaled(self, numbers: torch.Tensor) -> torch.Tensor:
        """In their own unit."""
        return numbers.double() * self.deviation + self.mean


UNSCALED = Scale()


@dataclass(frozen=True)
class Judge:
    """The metrics of one set of held-out samples, over all of them and over parts.

    `sites` [n]: whose each sample is, if metrics are wanted by site; else they are given by class
    where labels are classes. Where a metric is undefined on a part, that value is left out.
    `scale`: of outputs and labels that are numbers; LOSS is judged as it is learned.
    """

    metrics: Mapping[str, Metric]
    sites: Ints | None = None
    scale: Scale = UNSCALED

    def at(self, sites: Ints) -> Judge:
        """The same by site, whose each sample is [n]; but not with more than MOST_SITES."""
        return replace(self, sites=sites if len(np.unique(sites)) <= MOST_SITES else None)

    def __call__(self, batches: Iterable[torch.Tensor], labels: torch.Tensor) -> dict[str, float]:
        """By name, from outputs [n, outputs] in batches and labels [n]."""
        outputs, labels = torch.cat(list(batches)).cpu(), labels.cpu()
        learned = judged = outputs, labels
        if labels.is_floating_point():
            learned = outputs.reshape_as(labels), labels
            judged = self.scale.unscaled(learned[0]), self.scale.unscaled(labels)
        finite = bool(outputs.isfinite().all())
        part = class_metric if self.sites is None else site_metric
        found = {}
        for name, one in self.metrics.items():
            pair = learned if name == LOSS else judged
            found[name], parts = one.scored(*pair, self.sites)
            # What is no number because training diverged must not pass for undefined.
            found |= {
                part(name, number): value
                for number, value in parts.items()
                if not (finite and math.isnan(value))
            }
        return found


def judge(
    names: Sequence[str],
    target: Target,
    loss: Loss,
    sites: Ints | None = None,
    scale: Scale = UNSCALED,
) -> Judge:
    """The judge by the metrics of these names; LOSS is `loss`."""
    of_loss = WholeLoss(loss.mean) if loss.each is None else LossMetric(loss.each)
    known = {name: of_loss if name == LOSS else metric(name, target) for name in names}
    made = Judge(known, scale=scale)
    return made if sites is None else made.at(sites)
