"""What a model makes of one subject of a segmentation task, and a file that viewers open.

A kept model is used without a learner: nothing here trains, and no subject but one goes through the
network.
"""

import gzip
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from models.bits.code import required
from models.networks import ModelSettings, network
from models.parameters import FlatModule, Tensor
from models.tasks.cohort import Cohort, Scanned, Subject
from models.tasks.segmentation import HELD_OUT_BATCH, Labels, dice, segmentation

GridName = Literal["scan", "network"]

__all__ = ["Cohort", "GridName", "Placed", "Prediction", "Subject", "placed", "predicted", "volume"]


@dataclass(frozen=True)
class Prediction:
    """`labels` [slices, height, width] as a subject's are; `dice`: the mean over the structures
    that the subject has, as the metric of that name has it, or NaN if it has none.
    """

    labels: Labels
    dice: float


def predicted(
    model: ModelSettings, tensors: Mapping[str, Tensor], cohort: Cohort, subject: Subject
) -> Prediction:
    """What the network with these tensors, by their names, says of a subject of the cohort.

    Raises ValueError if the tensors are those of another network.
    """
    with torch.random.fork_rng(devices=[]):  # Its weights are drawn, and then replaced.
        flat = FlatModule(network(model, segmentation(cohort)), torch.device("cpu"))
    flat.load(flat.layout.vector(tensors))
    flat.module.eval()
    images = torch.split(flat.arranged(torch.from_numpy(subject.images[:, None])), HELD_OUT_BATCH)
    with torch.inference_mode():
        classes = [flat.module(batch).argmax(dim=1).to(torch.uint8) for batch in images]
    labels: Labels = torch.cat(classes).numpy()
    overlap = dice(labels, subject.labels, 1 + len(cohort.structures))
    there = overlap[~np.isnan(overlap)]
    return Prediction(labels, float(there.mean()) if len(there) else math.nan)


@dataclass(frozen=True)
class Placed:
    """Labels on a grid: `affine` [4, 4] leads from its voxels to millimetres, RAS+."""

    labels: Labels
    affine: npt.NDArray[np.float64]
    is_scan: bool
    """Whether the grid is that of the scan which the subject was sliced from."""


def placed(labels: Labels, subject: Subject, grid: GridName) -> Placed:
    """A subject's labels on its scan's own grid, or as they are: on that of the network.

    A subject that no scan was read for, as one that was generated, has the network's grid alone.
    """
    if grid == "network" or not isinstance(subject, Scanned):
        return Placed(labels, subject.affine, is_scan=False)
    from models.tasks.nifti.volumes import on_scan  # stands on the libraries of `brains`

    return Placed(on_scan(labels, subject), subject.scan_affine, is_scan=True)


def volume(one: Placed) -> bytes:
    """The labels as a compressed NIfTI file in their place; the same bytes each time.

    Raises Refusal without the extra `brains`.
    """
    nibabel = required("nibabel", "brains", "a NIfTI file", ("task", "name"))
    image = nibabel.Nifti1Image(one.labels, one.affine)
    # Some viewers look at the one, some at the other.
    image.set_qform(one.affine, code="aligned")
    image.header.set_xyzt_units("mm")
    return gzip.compress(image.to_bytes(), mtime=0)
