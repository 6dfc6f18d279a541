"""Segmentation: every pixel of a slice belongs to one structure or to the background."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import torch

from models.tasks.cohort import Cohort, Subject
from models.tasks.overlap import Labels, Values, dice, hd95_mm
from models.tasks.segmentation_loss import segmentation_loss, weights
from models.tasks.task import Task
from sim.record.errors import Refusal
from sim.record.metrics import site_metric

TEST_BATCH = 32
"""Slices that a network sees at once: QuickNAT's maps of 96x96 pixels then take about 1 GB."""

Measure = Callable[[Labels, Labels, Subject], Values]


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
    training = [subject for subject in cohort.subjects if not subject.held_out]
    held_out = [subject for subject in cohort.subjects if subject.held_out]
    outputs = 1 + len(cohort.structures)
    inputs, labels = _samples(training)
    test_inputs, test_labels = _samples(held_out)
    if not test_labels.any():
        what = "no held-out subject has a structure to be tested on"
        raise Refusal(what, "at least one that has", ("task", "name"))
    sites = np.repeat(
        [subject.site for subject in training], [len(subject.labels) for subject in training]
    ).astype(np.int64)

    def overlap(predicted: Labels, truth: Labels, subject: Subject) -> Values:
        return dice(predicted, truth, outputs)

    def distance(predicted: Labels, truth: Labels, subject: Subject) -> Values:
        return hd95_mm(predicted, truth, outputs, _spacing_mm(subject))

    def overlaps(volumes: Sequence[Labels]) -> dict[str, float]:
        found = _measured(overlap, volumes, held_out)
        return _means("dice", found, cohort.structures) | _site_means("dice", found, held_out)

    def metrics(batches: Iterable[torch.Tensor], _: torch.Tensor) -> dict[str, float]:
        return overlaps(_volumes(batches, held_out))

    def final_metrics(batches: Iterable[torch.Tensor], _: torch.Tensor) -> dict[str, float]:
        volumes = _volumes(batches, held_out)
        distances = _measured(distance, volumes, held_out)
        return overlaps(volumes) | _means("hd95_mm", distances, cohort.structures)

    return Task(
        inputs,
        labels,
        test_inputs,
        test_labels,
        tuple(inputs.shape[1:]),
        outputs,
        partial(segmentation_loss, weights=weights(labels, outputs)),
        metrics,
        final_metrics=final_metrics,
        sites=sites,
        test_batch=TEST_BATCH,
    )


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


def _measured(measure: Measure, volumes: Sequence[Labels], subjects: Sequence[Subject]) -> Values:
    """`measure` of each subject's volume [subjects, structures]; NaN where the truth has none."""
    return np.stack(
        [
            measure(volume, subject.labels, subject)
            for volume, subject in zip(volumes, subjects, strict=True)
        ]
    )


def _means(metric: str, values: Values, structures: Sequence[str]) -> dict[str, float]:
    """Of `values` [subjects, structures], over all and of each structure."""
    result = _mean(metric, _of_subjects(values))
    for structure, column in zip(structures, values.T, strict=True):
        result |= _mean(f"{metric}_{structure}", column)
    return result


def _site_means(metric: str, values: Values, subjects: Sequence[Subject]) -> dict[str, float]:
    sites = np.array([subject.site for subject in subjects])
    result: dict[str, float] = {}
    for site in np.unique(sites):
        result |= _mean(site_metric(metric, int(site)), _of_subjects(values[sites == site]))
    return result


def _of_subjects(values: Values) -> Values:
    """The mean of each row over what is not NaN; rows without a value are left out."""
    return np.array([np.nanmean(row) for row in values if not np.isnan(row).all()])


def _mean(name: str, values: Values) -> dict[str, float]:
    """The mean over what is not NaN under its name; nothing if there is nothing."""
    there = values[~np.isnan(values)]
    return {name: float(there.mean())} if len(there) else {}
