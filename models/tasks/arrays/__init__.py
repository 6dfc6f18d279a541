"""The task `arrays`: a user's own samples as NumPy arrays, in one file or in one folder."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from models.tasks.arrays.reading import arrays_at, files_at, label_columns, parts_of
from models.tasks.labelled import TargetSettings
from models.tasks.settings import Tell
from sim.record.settings.files import AbsolutePath, file_digest

if TYPE_CHECKING:
    from models.tasks.parts import Parts


class ArraysSettings(TargetSettings):
    """Your own samples as NumPy arrays: images or rows of features, each with one label.

    What an .npz file or a folder of .npy files holds, by its arrays' names: x and y, of which a
    share is held out; or x_train, y_train and, if there are any, x_test, y_test, x_val, y_val; or
    the same as MedMNIST writes them (train_images, train_labels, ...). With sites, sites_train, ...
    or train_sites, ... each client is one site. Nothing is unpickled.
    """

    name: Literal["arrays"] = Field(description="the task's name")
    path: AbsolutePath = Field(
        description="an .npz file, or a folder of .npy files: x and y, or x_train, y_train, "
        "x_test, y_test, x_val, y_val, or train_images, train_labels, ...; if each client is a "
        "site, sites, sites_train, ... as well"
    )

    def content(self) -> str:
        """See FilesSettings."""
        found = hashlib.sha256()
        for file in files_at(Path(self.path)):
            found.update(file.name.encode() if file != Path(self.path) else b"")
            found.update(file_digest(file, "a file that can be read", ("task", "path")))
        return found.hexdigest()

    def read(self, tell: Tell, note: Tell) -> Parts:
        """Inputs [n, features] or [n, channels, height, width]; bytes are scaled to 0..1.

        What is stored as float32 and uncompressed is mapped, not read. Raises Refusal at the first
        array that can't be used.
        """
        path = Path(self.path)
        parts = parts_of(path, arrays_at(path), self.target)
        for place in label_columns(parts["training"]):
            note(f"{path}: feature {place} of the training samples is the label itself")
        return parts
