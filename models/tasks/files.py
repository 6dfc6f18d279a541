"""What tasks share whose data are a user's files: what names their content."""

from __future__ import annotations

import os
import textwrap
from abc import abstractmethod
from typing import Self

from pydantic import Field

from models.tasks.settings import TaskSettings
from sim.record.errors import Refusal
from sim.record.settings.files import Sha256
from sim.record.words import bytes_text


def reason(error: Exception) -> str:
    """What a library says of a file, which may quote its bytes, in a short line."""
    return textwrap.shorten(str(error), 250, placeholder="...") or "damaged"


def check_fits(what: str, size_bytes: int, path: tuple[str, ...]) -> None:
    """Raise Refusal at `path` if `what` is larger than all of main memory, before it is read."""
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if size_bytes > there:
        told = f"{what} would take {bytes_text(size_bytes)}"
        raise Refusal(told, f"less than main memory, {bytes_text(there)}", path)


class FilesSettings(TaskSettings):
    """A task whose data are in files of the user's: results are of their content, not their name.

    The settings that say where they are stand in `paths`.
    """

    files_sha256: Sha256 | None = Field(
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
