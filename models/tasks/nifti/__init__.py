"""The task `nifti`: a user's own scans. Files are judged before any is resampled.

`tables` and `scans` read what the user wrote; `headers` and `reading` what is in a volume's file,
`volumes` makes slices of it, and `doubts` says what may be wrong with what can be used.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from models.bits.code import required
from models.tasks.alike import told_apart
from models.tasks.cohort import Cohort
from models.tasks.files import FilesSettings
from models.tasks.nifti.scans import Scan, check_there, content, scans_at, site_names, split
from models.tasks.nifti.tables import LABEL_MAP, SCANS, assumed, read_label_map
from models.tasks.settings import SegmentationSettings, Tell
from sim.record.settings.base import Positive
from sim.record.settings.files import AbsolutePath


class NiftiSettings(FilesSettings, SegmentationSettings):
    """Segmentation of your own scans (NIfTI, or FreeSurfer's .mgz), each client one site, in the
    sites' order by name.

    Needs the extra `brains`. Any orientation and voxel size; intensities are scaled so that the
    1st and 99th percentile of a scan's voxels other than its background become 0 and 1.
    """

    paths: ClassVar[tuple[str, ...]] = ("scans", "label_map")

    libraries: ClassVar[tuple[str, ...]] = (*SegmentationSettings.libraries, "nibabel", "torchio")

    name: Literal["nifti"] = Field(description="the task's name")
    scans: AbsolutePath = Field(
        description="a CSV file: site, subject, image, labels and, if you like, split "
        "(train, validation or test); or a folder: SITE/SUBJECT/image.nii.gz and labels.nii.gz"
    )
    label_map: AbsolutePath = Field(
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
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.1,
        description="share of each site's subjects held out for decisions, of those that are not "
        "tested on, unless the column split names some",
    )

    @property
    def input_shape(self) -> tuple[int, ...]:
        return 1, self.image_size, self.image_size

    def content(self) -> str:
        """See FilesSettings."""
        return content(scans_at(Path(self.scans)), Path(self.label_map))

    def files(self) -> str:
        """See FilesSettings."""
        return f"{self.scans}: the scans, their list or the label map"

    def cohort(self, clients: int, tell: Tell) -> Cohort:
        """The user's subjects by site and name; the sites' order by name is the `clients`'.

        Slices are squares of `image_size` pixels of `voxel_size_mm`, from the first to the last
        that holds a structure. Images are in 0..1 as `volumes.scaled` says. The same files give the
        same bits. Raises Refusal at the first mistake in the files, if they are not those that
        `files_sha256` names, or if a library is missing.
        """
        for library in ("nibabel", "torchio"):
            required(library, "brains", "the task nifti", ("task", "name"))
        from models.tasks.nifti.doubts import doubts, unseen
        from models.tasks.nifti.volumes import subjects  # stands on them

        path = Path(self.scans)
        label_map = read_label_map(Path(self.label_map))
        listed = scans_at(path)
        self.check_unchanged()
        notes = self._notes(listed, label_map.structures)
        sites = site_names(listed, clients)
        shares = self.test_fraction, self.validation_fraction
        scans = split(path, listed, *shares, self.drawn_by)
        check_there(scans)
        shape = self.plane, self.voxel_size_mm, self.image_size
        found, findings = subjects(scans, sites, label_map, *shape, tell)
        notes += doubts(path, findings)
        notes += unseen(path, found, label_map.structures)
        return Cohort(found, label_map.structures, tuple(notes), sites)

    def _notes(self, listed: Sequence[Scan], structures: Sequence[str]) -> list[str]:
        """What is to be said of the tables. Raises Refusal if names in them look the same."""
        scans, label_map = Path(self.scans), Path(self.label_map)
        return [
            *([] if os.path.isdir(scans) else assumed(scans, SCANS)),
            *assumed(label_map, LABEL_MAP),
            *told_apart(self.label_map, "structures", structures, LABEL_MAP),
            *told_apart(self.scans, "sites", (scan.site for scan in listed), SCANS),
            *told_apart(self.scans, "subjects", (scan.subject for scan in listed), SCANS),
        ]
