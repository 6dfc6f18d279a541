"""What is segmented: 17 structures of the brain, left and right merged, and their tissues.

The numbers are those of the Neuromorphometrics atlas (its protocol: neuromorphometrics.com,
"General Segmentation").
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

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


def label(structure: str) -> int:
    """The structure's label in a subject: 1 + its number, for 0 is the background."""
    return 1 + list(STRUCTURES).index(structure)


def labels_of(atlas: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
    """The atlas' numbers as labels, 0 for whatever is in no structure; any shape."""
    table = np.zeros(256, dtype=np.uint8)
    for structure, numbers in STRUCTURES.items():
        table[list(numbers)] = label(structure)
    return np.asarray(table[atlas])
