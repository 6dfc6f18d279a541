"""The task `table`: a user's own rows, in a CSV or Parquet file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from models.partitions import PARTITIONS
from models.tasks.labelled import LabelledSettings, TargetSettings
from models.tasks.settings import Tell
from sim.record.errors import Refusal
from sim.record.settings.files import AbsolutePath, file_digest

if TYPE_CHECKING:
    from models.tasks.parts import Parts

_Columns = Annotated[tuple[str, ...], Field(strict=False, min_length=1)]


class TableSettings(TargetSettings):
    """Your own rows of a CSV or Parquet file: one column is learned, from others.

    Numbers are scaled to mean 0 and deviation 1, and missing ones are the median; each category is
    a number of its own, 0 or 1, and so is what is missing among categories. Means, deviations,
    medians and categories are those of the training rows, of all clients together.
    """

    libraries: ClassVar[tuple[str, ...]] = (*LabelledSettings.libraries, "pandas", "pyarrow")

    name: Literal["table"] = Field(description="the task's name")
    path: AbsolutePath = Field(
        description="a .csv or .tsv file, with the columns' names first, or a .parquet file"
    )
    label: str = Field(description="the column that is learned")
    features: _Columns | None = Field(
        default=None, description="the columns that it is learned from; all others if left out"
    )
    categories: _Columns | None = Field(
        default=None, description="features whose numbers are categories; text always is"
    )
    site: str | None = Field(
        default=None, description="the column that says whose a row is: each client is one site"
    )
    split: str | None = Field(
        default=None, description="the column that says what a row is for: train, validation, test"
    )

    @model_validator(mode="after")
    def _columns_are_apart(self) -> Self:
        if self.site is not None and self.partition is not None:
            what = "the column `site` says of each row whose it is"
            raise Refusal(what, "a site or a partition", ("partition",))
        if self.site is None and self.partition is None:
            raise Refusal("is missing", f"{', '.join(PARTITIONS)}; or a site", ("partition",))
        named = [("label", self.label), ("site", self.site), ("split", self.split)]
        named += [("features", name) for name in self.features or ()]
        uses: dict[str, str] = {}
        for field, name in named:
            if name in uses:
                what = f"{name!r} is named in {uses[name]} already"
                raise Refusal(what, "each column once", (field,))
            if name is not None:
                uses[name] = field
        return self

    def content(self) -> str:
        """See FilesSettings."""
        found = file_digest(Path(self.path), "a CSV or Parquet file", ("task", "path"))
        return hashlib.sha256(found).hexdigest()

    def read(self, tell: Tell, note: Tell) -> Parts:
        """Inputs are numbers and categories' codes [rows, columns], NaN for what is missing.

        See LabelledSettings.
        """
        from models.tasks.table.columns import Columns, Uses
        from models.tasks.table.reading import table_at

        path = Path(self.path)
        chosen = self.label, self.target, self.features, self.categories, self.site, self.split
        labels = [self.label] if self.target == "class" else []
        words = [*labels, *filter(None, (self.site, self.split)), *(self.categories or ())]
        columns = Columns(table_at(path, words), Uses(*chosen))
        parts = columns.parts()
        for line in columns.notes():
            note(line)
        return parts

    def prepared(self, parts: Parts) -> Parts:
        """Inputs [rows, numbers and categories] as transformers have them that know the training
        rows alone.
        """
        from models.tasks.table.encoding import encoded

        return encoded(parts)
