"""What can be learned.

`metrics` of a task are those that a run can aim at, the first of them what it is judged by unless
the scenario says otherwise; `final_metrics` are found at a run's end only.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from models.settings.base import Count, Positive, Seed, Settings, mistake
from models.settings.partitions import PartitionSettings


class DigitsSettings(Settings):
    """1,797 handwritten digits of 8x8 pixels in ten classes, as shipped with scikit-learn."""

    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "loss")
    final_metrics: ClassVar[tuple[str, ...]] = ()

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
# How ventricles grow is known for adults only.
_YOUNGEST, _OLDEST = 18.0, 100.0


class BrainsSettings(Settings):
    """Segmentation of brain MRI: synthetic subjects from a real atlas, each client one site.

    Needs the extra `brains`. The atlas: Neuromorphometrics, Inc., from OASIS scans; see
    models/tasks/brains.
    """

    metrics: ClassVar[tuple[str, ...]] = ("dice",)
    final_metrics: ClassVar[tuple[str, ...]] = ("hd95_mm",)

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
        return ranges or (self.ages,)  # type: ignore[return-value]

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


class NiftiSettings(Settings):
    """Segmentation of your own scans (NIfTI), each client one site.

    Needs the extra `brains`.
    """

    metrics: ClassVar[tuple[str, ...]] = ("dice",)
    final_metrics: ClassVar[tuple[str, ...]] = ("hd95_mm",)

    name: Literal["nifti"] = Field(description="the task's name")
