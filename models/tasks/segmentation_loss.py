"""What a segmentation is trained on: weighted cross-entropy and soft Dice, one to one.

Sources: Roy, Conjeti, Navab and Wachinger 2019, arXiv 1801.04161 (the weights);
Milletari, Navab and Ahmadi 2016, arXiv 1606.04797 (soft Dice).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Weights:
    """How much a pixel counts: its class's part, plus `boundary` where the label changes.

    `classes` [outputs].
    """

    classes: torch.Tensor
    boundary: float


def weights(labels: torch.Tensor, outputs: int) -> Weights:
    """Median-frequency balancing and a boundary term, from all training labels [n, height, width].

    With f_c the share of pixels of class c: median(f) / f_c for each class, and 2 median(f) /
    min(f) for the boundary; all divided by their mean over the pixels, so that cross-entropy stays
    on its usual scale and beside the Dice. A class without pixels takes no part: its weight is 0.
    """
    frequencies = torch.bincount(labels.flatten(), minlength=outputs).double() / labels.numel()
    present = frequencies > 0
    median = frequencies[present].quantile(0.5)
    classes = torch.where(present, median / frequencies.clamp(min=1e-12), 0.0)
    boundary = 2 * median / frequencies[present].min()
    mean = (classes * frequencies).sum() + boundary * at_boundary(labels).double().mean()
    return Weights((classes / mean).float(), float(boundary / mean))


def at_boundary(labels: torch.Tensor) -> torch.Tensor:
    """Whether one of a pixel's four neighbours has another label; labels [n, height, width]."""
    result = torch.zeros_like(labels, dtype=torch.bool)
    down = labels[:, 1:] != labels[:, :-1]
    right = labels[:, :, 1:] != labels[:, :, :-1]
    result[:, 1:] |= down
    result[:, :-1] |= down
    result[:, :, 1:] |= right
    result[:, :, :-1] |= right
    return result


def segmentation_loss(output: torch.Tensor, labels: torch.Tensor, weights: Weights) -> torch.Tensor:
    """Mean over pixels of w(x) (-log p(x)), plus 1 minus the mean soft Dice of the classes there.

    The soft Dice of class c, over the whole batch: 2 sum p_c g_c / (sum p_c^2 + sum g_c^2), g
    being the truth; classes that the batch lacks are left out, so nothing is smoothed. `output`
    [n, classes, height, width] before the softmax, `labels` [n, height, width].
    """
    # Channels last, as convolutions leave it: a pixel's classes lie side by side. One-hot, since
    # picking a pixel's class by its index is not deterministic on CUDA.
    log_p = torch.log_softmax(output.permute(0, 2, 3, 1), dim=-1).flatten(0, 2)
    p = log_p.exp()
    with torch.no_grad():
        classes = torch.arange(output.shape[1], device=labels.device)
        truth = (labels.flatten()[:, None] == classes).to(p.dtype)
        size = truth.sum(0)
        pixels = truth * weights.classes.to(labels.device)
        pixels += truth * (weights.boundary * at_boundary(labels).flatten()[:, None])
    entropy = -(pixels * log_p).sum() / labels.numel()
    present = size > 0
    sums = torch.where(present, (p * p).sum(0) + size, 1.0)
    dice = torch.where(present, 2 * (p * truth).sum(0) / sums, 0.0).sum() / present.sum()
    return entropy + 1 - dice
