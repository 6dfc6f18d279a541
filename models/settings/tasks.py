"""What can be learned."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.settings.base import Count, Positive, Seed, Settings
from models.settings.partitions import PartitionSettings

SEGMENTATION = ("brains", "nifti")
"""The tasks whose answer to an image is an image."""


class DigitsSettings(Settings):
    """1,797 handwritten digits of 8x8 pixels in ten classes, as shipped with scikit-learn."""

    name: Literal["digits"] = Field(description="the task's name")
    partition: PartitionSettings = Field(description="how the training samples fall to clients")
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.2, description="share of all samples held out for testing, by class"
    )
    split_seed: Seed = Field(
        default=0, description="draws the held-out samples, the same ones for every run's seed"
    )


_Subjects = Count | Annotated[tuple[Count, ...], Field(strict=False)]
_Ages = Annotated[tuple[Positive, Positive], Field(strict=False)]


class BrainsSettings(Settings):
    """Segmentation of brain MRI: synthetic subjects from a real atlas, each client one site.

    Needs the extra `brains`. The atlas: Neuromorphometrics, Inc., from OASIS scans; see
    models/tasks/brains.
    """

    name: Literal["brains"] = Field(description="the task's name")
    training_subjects: _Subjects = Field(
        default=20, description="in all, dealt to the sites in turn; or a list, one per site"
    )
    test_subjects: _Subjects = Field(
        default=10, description="held out of training; as training_subjects"
    )
    image_size: Literal[64, 96] = Field(default=64, description="pixels of a slice's side")
    slices: Count = Field(default=24, description="coronal slices of a subject")
    site_effects: Annotated[float, Field(ge=0)] = Field(
        default=1.0, description="how much the sites' scanners differ; 0: one scanner for all"
    )
    ages: _Ages | Annotated[tuple[_Ages, ...], Field(strict=False)] = Field(
        default=(20.0, 90.0), description="youngest and oldest subject; or a list, one per site"
    )
    data_seed: Seed = Field(
        default=0, description="draws subjects and scanners, the same ones for every run's seed"
    )


class NiftiSettings(Settings):
    """Segmentation of your own scans (NIfTI), each client one site.

    Needs the extra `brains`.
    """

    name: Literal["nifti"] = Field(description="the task's name")
