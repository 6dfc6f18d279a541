"""What can be learned.

`metrics` of a task are those that a run can aim at, the first of them what it is judged by unless
the scenario says otherwise; `final_metrics` are found at a run's end only. A task that `segments`
answers an image with an image.
"""

from __future__ import annotations

import os
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from models.settings.partitions import PARTITIONS, PartitionSettings
from sim.record.settings.base import Count, Positive, Seed, Settings, mistake
from sim.record.settings.kinds import OneOf


class DigitsSettings(Settings):
    """1,797 handwritten digits of 8x8 pixels in ten classes, as shipped with scikit-learn."""

    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "loss")
    final_metrics: ClassVar[tuple[str, ...]] = ()
    segments: ClassVar[bool] = False

    name: Literal["digits"] = Field(description="the task's name")
    partition: Annotated[PartitionSettings, OneOf(PARTITIONS)] = Field(
        description="how the training samples fall to clients"
    )
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.2, description="share of all samples held out for testing, by class"
    )
    split_seed: Seed = Field(
        default=0, description="draws the held-out samples, the same ones for every run's seed"
    )


_Subjects = Count | Annotated[tuple[Count, ...], Field(strict=False)]
_Ages = Annotated[tuple[Positive, Positive], Field(strict=False)]
# How ventricles grow is known for adults only.
_YOUNGEST, _OLDEST = 18.0, 100.0


class BrainsSettings(Settings):
    """Segmentation of brain MRI: synthetic subjects from a real atlas, each client one site.

    Needs the extra `brains`. The atlas: Neuromorphometrics, Inc., from OASIS scans; see
    models/tasks/brains.
    """

    metrics: ClassVar[tuple[str, ...]] = ("dice",)
    final_metrics: ClassVar[tuple[str, ...]] = ("hd95_mm",)
    segments: ClassVar[bool] = True

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

    @property
    def age_ranges(self) -> tuple[tuple[float, float], ...]:
        """(youngest, oldest) in years: one for all sites, or one per site."""
        ranges = tuple(entry for entry in self.ages if isinstance(entry, tuple))
        years = [entry for entry in self.ages if isinstance(entry, float)]
        return ranges or ((years[0], years[1]),)

    @model_validator(mode="after")
    def _ages_are_ranges_of_adults(self) -> BrainsSettings:
        for low, high in self.age_ranges:
            if not _YOUNGEST <= low <= high <= _OLDEST:
                raise mistake(
                    f"from {low:g} to {high:g} years",
                    f"the youngest first, both from {_YOUNGEST:g} to {_OLDEST:g} years",
                    "ages",
                )
        return self


def _stands_alone(path: str) -> str:
    if not os.path.isabs(path):
        raise mistake(f"{path!r} is a relative path", "an absolute path here")
    return path


_Path = Annotated[str, AfterValidator(_stands_alone)]
"""A file's or folder's place. One that a scenario's file names is relative to that file."""


class NiftiSettings(Settings):
    """Segmentation of your own scans (NIfTI), each client one site, in the sites' order by name.

    Needs the extra `brains`. Any orientation and voxel size; intensities are scaled so that the
    1st and 99th percentile of a scan's voxels other than 0 become 0 and 1.
    """

    metrics: ClassVar[tuple[str, ...]] = ("dice",)
    final_metrics: ClassVar[tuple[str, ...]] = ("hd95_mm",)
    segments: ClassVar[bool] = True

    name: Literal["nifti"] = Field(description="the task's name")
    scans: _Path = Field(
        description="a CSV file: site, subject, image, labels and, if you like, split "
        "(train or test); or a folder: SITE/SUBJECT/image.nii.gz and labels.nii.gz"
    )
    label_map: _Path = Field(
        description="a CSV file: id, name, group; ids of a group are one structure, an empty group "
        "is the name, the group `background` is ignored"
    )
    voxel_size_mm: Positive = Field(
        default=2.0, description="a pixel's side, and the distance between slices"
    )
    plane: Literal["coronal", "axial", "sagittal"] = Field(
        default="coronal", description="how the scans are sliced"
    )
    image_size: Annotated[int, Field(ge=8, le=512)] = Field(
        default=96, description="pixels of a slice's side, centred on what is labelled"
    )
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.25, description="share of each site's subjects held out, without a column split"
    )
    split_seed: Seed = Field(
        default=0, description="draws the held-out subjects, the same ones for every run's seed"
    )
    files_sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")] | None = Field(
        default=None,
        description="names the files by their content, and others are refused; a run fills it in",
    )
