"""Metrics of classification. All but accuracy are scikit-learn's, and all are known by class, too.

The mean over classes of what is known by class, weighted by how frequent classes are, is what
scikit-learn calls `average="weighted"`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from models.metrics.metric import MeanMetric, Metric

if TYPE_CHECKING:
    import torch


class Accuracy(MeanMetric):
    """The share of samples whose class is found; of a class, of its samples."""

    def values(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return outputs.argmax(dim=1) == labels


class BalancedAccuracy(Metric):
    """The mean over classes of the share of a class's samples that are found: its recall."""

    def value(self, outputs: torch.Tensor, labels: torch.Tensor) -> float:
        return float(np.mean(list(self.by_class(outputs, labels).values())))

    def by_class(self, outputs: torch.Tensor, labels: torch.Tensor) -> dict[int, float]:
        """The recall of each class."""
        return Accuracy().by_class(outputs, labels)


class F1(Metric):
    """The mean over classes, found or there, of the harmonic mean of precision and recall."""

    def value(self, outputs: torch.Tensor, labels: torch.Tensor) -> float:
        from sklearn.metrics import f1_score

        found = outputs.argmax(dim=1).numpy()
        return float(f1_score(labels.numpy(), found, average="macro", zero_division=0.0))

    def by_class(self, outputs: torch.Tensor, labels: torch.Tensor) -> dict[int, float]:
        """Of each class against all others."""
        from sklearn.metrics import f1_score

        found, there = outputs.argmax(dim=1).numpy(), np.unique(labels.numpy())
        values = f1_score(labels.numpy(), found, labels=there, average=None, zero_division=0.0)
        return dict(zip(there.tolist(), values.tolist(), strict=True))


class Auc(Metric):
    """The area under the ROC curve, each class against all others; the mean over those there.

    Undefined for samples of one class.
    """

    def value(self, outputs: torch.Tensor, labels: torch.Tensor) -> float:
        values = list(self.by_class(outputs, labels).values())
        return float(np.mean(values)) if values else math.nan

    def by_class(self, outputs: torch.Tensor, labels: torch.Tensor) -> dict[int, float]:
        """Of each class against all others; none if there is but one."""
        from sklearn.metrics import roc_auc_score

        classes, there = labels.numpy(), np.unique(labels.numpy()).tolist()
        if len(there) == 1:
            return {}
        if not outputs.isfinite().all():
            return dict.fromkeys(there, math.nan)
        shares = outputs.double().softmax(dim=1).numpy()
        return {each: float(roc_auc_score(classes == each, shares[:, each])) for each in there}
