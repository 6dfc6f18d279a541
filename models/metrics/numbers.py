"""Metrics of regression, where outputs and labels are numbers [n]."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from models.metrics.metric import MeanMetric, Metric
from sim.record.metrics import Better, Bounds

if TYPE_CHECKING:
    import torch


class AbsoluteError(MeanMetric):
    """The mean distance between output and label."""

    better: Better = "lower"
    bounds: Bounds = (0.0, None)

    def values(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return (outputs - labels).abs()


class SquaredError(MeanMetric):
    """The mean square of the distance between output and label."""

    better: Better = "lower"
    bounds: Bounds = (0.0, None)

    def values(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return (outputs - labels).square()


class R2(Metric):
    """The share of the labels' variance that is explained: 1 at best, 0 for their mean.

    Undefined for labels that are all the same.
    """

    bounds: Bounds = (None, 1.0)

    def value(self, outputs: torch.Tensor, labels: torch.Tensor) -> float:
        from sklearn.metrics import r2_score

        if labels.min() == labels.max() or not outputs.isfinite().all():
            return math.nan
        return float(r2_score(labels.numpy(), outputs.numpy()))
