"""What tasks share whose data are a user's files: where these lie, and what names their content."""

from __future__ import annotations

import hashlib
import os
from abc import abstractmethod
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints

from models.tasks.settings import TaskSettings
from sim.record.errors import Refusal


def _stands_alone(path: str) -> str:
    if not os.path.isabs(path):
        raise Refusal(f"{path!r} is a relative path", "an absolute path here")
    return path


Place = Annotated[str, AfterValidator(_stands_alone)]
"""A file's or folder's place. One that a scenario's file names is relative to that file."""


class FilesSettings(TaskSettings):
    """A task whose data are in files of the user's: results are of their content, not their name.

    The settings that say where they are stand in `paths`.
    """

    files_sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")] | None = Field(
        default=None,
        description="names the files by their content, and others are refused; a run fills it in",
    )

    @abstractmethod
    def content(self) -> str:
        """The SHA-256 of all that the files say, as hexadecimal digits; not of where they are.

        Raises Refusal if they can't be read.
        """

    @abstractmethod
    def files(self) -> str:
        """What they are, for people: what may have changed."""

    def pinned(self) -> Self:
        """The settings with the `files_sha256` of the files that are there now, unless they have
        one. Raises Refusal if they can't be read.
        """
        if self.files_sha256 is not None:
            return self
        return self.model_copy(update={"files_sha256": self.content()})

    def check_unchanged(self) -> None:
        """Raise Refusal if the files are not those that `files_sha256` names, if it does."""
        if self.files_sha256 is not None and self.files_sha256 != self.content():
            raise Refusal(
                f"{self.files()} have changed since",
                "the files as they were, or a scenario without files_sha256",
                ("task", "files_sha256"),
            )


def file_digest(file: Path, allowed: str, setting: tuple[str, ...]) -> bytes:
    """The SHA-256 of a file. Raises Refusal at `setting` if it can't be read."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except FileNotFoundError:
        raise Refusal(f"{file}: no such file", allowed, setting) from None
    except OSError as error:
        raise Refusal(f"{file}: can't be read ({error.strerror})", allowed, setting) from None
