"""The atlas: every structure where it belongs, under the signal that belongs to it."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.tasks.brains.atlas import (
    LABELS,
    SPACING_MM,
    STRUCTURES,
    TISSUES,
    Atlas,
    label,
    labels_of,
    read,
)


def test_numbers_become_labels() -> None:
    numbers = np.array([0, 4, 23, 30, 44, 45, 46, 63, 69, 100, 207], dtype=np.uint8)
    assert labels_of(numbers).tolist() == [0, 12, 17, 17, 1, 1, 0, 0, 0, 2, 2]


def test_no_number_has_two_structures_and_every_structure_one_tissue() -> None:
    numbers = [number for numbers in STRUCTURES.values() for number in numbers]
    assert len(numbers) == len(set(numbers))
    assert sorted(sum(TISSUES.values(), ())) == sorted(STRUCTURES)
    assert len(STRUCTURES) == 17


def test_every_structure_is_there(atlas: Atlas) -> None:
    assert np.unique(atlas.labels).tolist() == list(range(18))
    millilitres = np.bincount(atlas.labels.ravel()) * SPACING_MM**3 / 1000
    assert 1000 < millilitres[1:].sum() < 2000
    assert millilitres[1:].min() > 0.2


def test_axes_point_right_anterior_superior(atlas: Atlas) -> None:
    def middle(structure: str) -> Any:
        voxels = np.argwhere(atlas.labels == label(structure))
        return atlas.origin_mm + SPACING_MM * voxels.mean(axis=0)

    # MNI space has its origin at the anterior commissure.
    assert np.abs(middle("third_ventricle") - [0, -12, -2]).max() < 5
    assert middle("cerebellar_cortex")[1] < -50
    assert middle("cerebellar_cortex")[2] < -20


def test_right_is_right() -> None:
    # Left and right are merged in the labels, so only the file can tell.
    numbers, affine = read(LABELS)
    for thalamus, side in ((59, 1), (60, -1)):
        x, _, _, _ = affine @ np.append(np.argwhere(numbers == thalamus).mean(axis=0), 1)
        assert 5 < side * x < 20


def test_signal_and_labels_match(atlas: Atlas) -> None:
    def signal(structure: str) -> float:
        return float(np.median(atlas.t1[atlas.labels == label(structure)]))

    assert signal("lateral_ventricle") < 0.45
    assert 0.6 < signal("cerebral_cortex") < 0.85
    assert 0.95 < signal("cerebral_white_matter") < 1.05
    assert atlas.brain[atlas.labels > 0].all()
    assert not atlas.brain[[0, -1]].any()
