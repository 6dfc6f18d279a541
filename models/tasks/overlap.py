"""How well a segmentation overlaps the truth: Dice and the Hausdorff distance of each subject.

Both measures are those of MONAI, which is imported at their first use.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from models.bits.libraries import required

Labels = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float64]


def _monai() -> Any:
    return required("monai.metrics", "brains", "segmentation", ("task", "name"))


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
    result: Values = found[0].double().numpy()
    return result


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
        if wanted.any() and not given.any():
            distances[structure - 1] = diagonal
        elif wanted.any():
            distances[structure - 1] = _distance_mm(given, wanted, spacing_mm)
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
