"""Segmentation: every pixel of a slice belongs to one structure or to the background.

The loss is weighted cross-entropy and soft Dice, one to one. Sources: Roy, Conjeti, Navab and
Wachinger 2019, arXiv 1801.04161 (the weights); Milletari, Navab and Ahmadi 2016, arXiv 1606.04797
(soft Dice). Subjects are judged by MONAI's Dice and Hausdorff distance.
"""

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from models.bits.code import required
from models.tasks.cohort import Cohort, Split, Subject
from models.tasks.task import HeldOut, Task
from sim.record.errors import Refusal
from sim.record.metrics import site_metric

HELD_OUT_BATCH = 32
"""Slices that a network sees at once: QuickNAT's maps of 96x96 pixels then take about 1 GB."""

Labels = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float64]


def segmentation(cohort: Cohort) -> Task:
    """The cohort's slices as samples, each client having those of one site.

    Inputs [n, 1, height, width], labels [n, height, width]: the slices of the subjects in the
    cohort's order. The loss's weights come from all sites' training labels and are common to all
    clients, who would have to agree on them before they start.

    Metrics are of whole subjects: `dice_<structure>` is the mean over the held-out subjects that
    have the structure; `dice` the mean over subjects of the mean over each one's structures, and
    `site_metric("dice", site)` the same for one site's subjects; `hd95_mm` likewise, at a run's
    end. What no subject has is left out, so no value is NaN. Raises Refusal if that is all.
    """
    training = _of(cohort, "training")
    outputs = 1 + len(cohort.structures)
    inputs, labels = _samples(training)
    sites = np.repeat(
        [subject.site for subject in training], [len(subject.labels) for subject in training]
    ).astype(np.int64)
    return Task(
        inputs,
        labels,
        _held_out(_of(cohort, "test"), cohort.structures, "test"),
        _held_out(_of(cohort, "validation"), cohort.structures, "validation"),
        tuple(inputs.shape[1:]),
        outputs,
        partial(segmentation_loss, weights=weights(labels, outputs)),
        sites=sites,
        held_out_batch=HELD_OUT_BATCH,
        notes=cohort.notes,
        site_names=cohort.site_names,
    )


def _of(cohort: Cohort, split: Split) -> Sequence[Subject]:
    return [subject for subject in cohort.subjects if subject.split == split]


def _held_out(subjects: Sequence[Subject], structures: Sequence[str], split: Split) -> HeldOut:
    """The subjects of one split, and what a network makes of them."""
    outputs = 1 + len(structures)
    if not any(subject.labels.any() for subject in subjects):
        what = f"no {split} subject has a structure to be judged on"
        raise Refusal(what, "at least one that has", ("task", "name"))

    def overlaps(volumes: Sequence[Labels]) -> dict[str, float]:
        pairs = zip(volumes, subjects, strict=True)
        found = np.stack([dice(volume, each.labels, outputs) for volume, each in pairs])
        at = np.array([each.site for each in subjects])
        of_sites = {
            site_metric("dice", site): _of_subjects(found[at == site])
            for site in np.unique(at).tolist()
        }
        return _means(_values("dice", found, structures) | of_sites)

    def metrics(batches: Iterable[torch.Tensor], _: torch.Tensor) -> dict[str, float]:
        return overlaps(_volumes(batches, subjects))

    def final_metrics(batches: Iterable[torch.Tensor], _: torch.Tensor) -> dict[str, float]:
        volumes = _volumes(batches, subjects)
        pairs = zip(volumes, subjects, strict=True)
        distances = np.stack(
            [hd95_mm(volume, each.labels, outputs, _spacing_mm(each)) for volume, each in pairs]
        )
        return overlaps(volumes) | _means(_values("hd95_mm", distances, structures))

    return HeldOut(*_samples(subjects), metrics, final_metrics)


def _samples(subjects: Sequence[Subject]) -> tuple[torch.Tensor, torch.Tensor]:
    images = np.concatenate([subject.images for subject in subjects])[:, None]
    labels = np.concatenate([subject.labels for subject in subjects])
    return torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))


def _spacing_mm(subject: Subject) -> tuple[float, ...]:
    """Of slices, rows and columns."""
    return tuple(float(length) for length in np.linalg.norm(subject.affine[:3, :3], axis=0))


def _volumes(batches: Iterable[torch.Tensor], subjects: Sequence[Subject]) -> Sequence[Labels]:
    """Each subject's classes [slices, height, width] in a network's outputs."""
    # Of each batch only the classes are kept: a byte a pixel, not four for each structure.
    classes = [batch.argmax(dim=1).to(torch.uint8).cpu() for batch in batches]
    ends = np.cumsum([len(subject.labels) for subject in subjects])
    return np.split(torch.cat(classes).numpy(), ends[:-1])


def _values(metric: str, values: Values, structures: Sequence[str]) -> dict[str, Values]:
    """Of `values` [subjects, structures], each subject's mean and the columns by their names."""
    names = [f"{metric}_{structure}" for structure in structures]
    return {metric: _of_subjects(values), **dict(zip(names, values.T, strict=True))}


def _of_subjects(values: Values) -> Values:
    """The mean of each row over what is not NaN; rows without a value are left out."""
    return np.array([np.nanmean(row) for row in values if not np.isnan(row).all()])


def _means(columns: Mapping[str, Values]) -> dict[str, float]:
    """The mean of each column over what is not NaN; columns without a value are left out."""
    there = {name: column[~np.isnan(column)] for name, column in columns.items()}
    return {name: float(column.mean()) for name, column in there.items() if len(column)}


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


def dice(predicted: Labels, truth: Labels, outputs: int) -> Values:
    """Dice of each structure [outputs - 1] in one volume; NaN for one that the truth lacks.

    `predicted`, `truth` [slices, height, width], 0 being the background.
    """
    found = _monai().compute_dice(
        torch.from_numpy(predicted)[None, None],
        torch.from_numpy(truth)[None, None],
        include_background=False,
        ignore_empty=True,
        num_classes=outputs,
    )
    return np.asarray(found[0].double())


def hd95_mm(
    predicted: Labels, truth: Labels, outputs: int, spacing_mm: tuple[float, ...]
) -> Values:
    """Hausdorff distance of each structure [outputs - 1], 95th percentile; NaN as in `dice`.

    `spacing_mm`: of the volume's axes. A structure that was missed altogether has no surface: by
    convention its distance is the volume's diagonal, the largest that there could be.
    """
    diagonal = math.hypot(*((n - 1) * mm for n, mm in zip(truth.shape, spacing_mm, strict=True)))
    distances = np.full(outputs - 1, np.nan)
    for structure in range(1, outputs):
        wanted, given = truth == structure, predicted == structure
        if wanted.any():
            found = _distance_mm(given, wanted, spacing_mm) if given.any() else diagonal
            distances[structure - 1] = found
    return distances


def _distance_mm(
    given: npt.NDArray[np.bool_], wanted: npt.NDArray[np.bool_], spacing_mm: tuple[float, ...]
) -> float:
    with warnings.catch_warnings():
        # MONAI's own call of an argument that it has deprecated is not the user's business.
        warnings.filterwarnings("ignore", message=".*always_return_as_numpy", module="monai")
        found = _monai().compute_hausdorff_distance(
            torch.from_numpy(given)[None, None],
            torch.from_numpy(wanted)[None, None],
            include_background=True,
            percentile=95,
            spacing=spacing_mm,
        )
    return float(found)


def _monai() -> Any:
    return required("monai.metrics", "brains", "segmentation", ("task", "name"))
