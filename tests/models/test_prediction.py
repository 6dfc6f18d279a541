"""One subject through one network, and the file that others read."""

from __future__ import annotations

import math
from pathlib import Path
from typing import get_args

import nibabel
import numpy as np
import pytest

from models.networks import UnetSettings
from models.prediction import GridName, placed, predicted, volume
from models.tasks.cohort import Cohort
from tests.sim.squares import AFFINE, cohort

NETWORK = UnetSettings(name="unet", channels=(2, 2))


def test_the_file_has_the_labels_in_the_subjects_place(tmp_path: Path) -> None:
    subject = cohort().subjects[0]
    file = tmp_path / "labels.nii.gz"
    # No scan was read for it, so that both grids are the network's.
    one, other = (placed(subject.labels, subject, grid) for grid in get_args(GridName))
    assert not one.is_scan and volume(one) == volume(other)
    file.write_bytes(volume(one))
    image = nibabel.load(file)
    assert np.array_equal(np.asarray(image.dataobj), subject.labels)
    assert image.get_data_dtype() == np.uint8
    assert np.array_equal(image.get_sform(), AFFINE)
    assert np.allclose(image.get_qform(), AFFINE)
    assert image.header.get_xyzt_units()[0] == "mm"
    assert volume(one) == file.read_bytes()


def test_tensors_of_another_network_are_refused() -> None:
    subjects = cohort()
    with pytest.raises(ValueError, match="another network"):
        predicted(NETWORK, {"weight": np.zeros(3, np.float32)}, subjects, subjects.subjects[0])


def test_a_subject_without_structures_has_no_dice() -> None:
    from models.networks import network
    from models.tasks.segmentation import segmentation

    subjects = cohort()
    tensors = network(NETWORK, segmentation(subjects)).state_dict()
    empty = subjects.subjects[0]
    empty.labels[:] = 0
    found = predicted(
        NETWORK,
        {name: tensor.float().numpy() for name, tensor in tensors.items()},
        Cohort((empty, *subjects.subjects[1:]), subjects.structures),
        empty,
    )
    assert math.isnan(found.dice)
    assert found.labels.shape == empty.labels.shape and found.labels.dtype == np.uint8
