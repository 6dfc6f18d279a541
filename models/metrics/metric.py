"""What a metric is: how well outputs fit labels, as one number."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sim.record.errors import Refusal
from sim.record.metrics import Better, Bounds

if TYPE_CHECKING:
    import torch

Ints = npt.NDArray[np.int64]
_Function = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]


class Metric(ABC):
    """How well a network's outputs fit the labels of held-out samples, as one number.

    `better`: which values are the better ones; `bounds`: between which they lie, None for no end.
    Outputs are float32 [n, classes] as the network gives them, before any softmax, and labels
    int64 [n]; where numbers are learned, both are float64 [n]. All lie in main memory.
    """

    better: Better = "higher"
    bounds: Bounds = (0.0, 1.0)

    @abstractmethod
    def value(self, outputs: torch.Tensor, labels: torch.Tensor) -> float:
        """Of one sample or more; NaN where it is undefined, as AUC is for one class alone."""

    def by_group(
        self, outputs: torch.Tensor, labels: torch.Tensor, groups: Ints
    ) -> dict[int, float]:
        """On the samples of each group alone; `groups` [n] are numbers from 0."""
        return {
            group: self.value(outputs[members], labels[members])
            for group in np.unique(groups).tolist()
            for members in [np.flatnonzero(groups == group)]
        }

    def by_class(self, outputs: torch.Tensor, labels: torch.Tensor) -> dict[int, float]:
        """Of each class that there is: on its samples alone, unless a metric says otherwise."""
        return self.by_group(outputs, labels, labels.numpy())

    def scored(
        self, outputs: torch.Tensor, labels: torch.Tensor, sites: Ints | None
    ) -> tuple[float, dict[int, float]]:
        """Over all samples, and by site if `sites` [n] are given, else by class."""
        whole = self.value(outputs, labels)
        if sites is not None:
            return whole, self.by_group(outputs, labels, sites)
        return whole, {} if labels.is_floating_point() else self.by_class(outputs, labels)


class MeanMetric(Metric):
    """A mean over samples."""

    @abstractmethod
    def values(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Of each sample [n]."""

    def value(self, outputs: torch.Tensor, labels: torch.Tensor) -> float:
        return self.scored(outputs, labels, None)[0]

    def by_group(
        self, outputs: torch.Tensor, labels: torch.Tensor, groups: Ints
    ) -> dict[int, float]:
        return self.scored(outputs, labels, groups)[1]

    def scored(
        self, outputs: torch.Tensor, labels: torch.Tensor, sites: Ints | None
    ) -> tuple[float, dict[int, float]]:
        values = self.values(outputs, labels).numpy()
        by_class = np.zeros(len(values), np.int64) if labels.is_floating_point() else labels.numpy()
        groups = by_class if sites is None else sites
        sums, sizes = np.bincount(groups, weights=values), np.bincount(groups)
        there = np.flatnonzero(sizes)
        parts = dict(zip(there.tolist(), (sums[there] / sizes[there]).tolist(), strict=True))
        whole = float(sums.sum()) / len(values)
        return whole, {} if sites is None and labels.is_floating_point() else parts


class LossMetric(MeanMetric):
    """The loss that is trained with, `losses` [n] of outputs and labels."""

    better: Better = "lower"

    def __init__(self, losses: _Function) -> None:
        self._losses = losses

    def values(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return self._losses(outputs, labels)


class WholeLoss(Metric):
    """The same where `loss` is known of a whole batch only."""

    better: Better = "lower"

    def __init__(self, loss: _Function) -> None:
        self._loss = loss

    def value(self, outputs: torch.Tensor, labels: torch.Tensor) -> float:
        return float(self._loss(outputs, labels))


class FunctionMetric(Metric):
    """A metric that is a plain function of outputs and labels, as NumPy arrays.

    The function says which values are better, and between which they lie, by attributes `better`
    and `bounds`; without them more is better and there are no bounds. A model whose outputs are
    not finite scores NaN unasked.
    """

    def __init__(self, function: Callable[..., float]) -> None:
        self._function = function
        self.better = getattr(function, "better", "higher")
        self.bounds = getattr(function, "bounds", (None, None))

    def value(self, outputs: torch.Tensor, labels: torch.Tensor) -> float:
        if not outputs.isfinite().all():
            return math.nan
        answer: Any = self._function(outputs.numpy(), labels.numpy())
        try:
            return float(answer)
        except (TypeError, ValueError):
            what = f"{self._function.__name__} gives a {type(answer).__name__}"
            raise Refusal(what, "a number", ("task", "metrics")) from None
