"""How a mistake in a user's files is told: one line that names the file, and what is allowed."""

from __future__ import annotations

from sim.record.settings.base import DataError

SCANS = ("task", "scans")
LABEL_MAP = ("task", "label_map")
IMAGE_SIZE = ("task", "image_size")


def refusal(what: str, allowed: str, path: tuple[str, ...] = SCANS) -> DataError:
    """The error to raise; `path` is the setting that led to the mistake."""
    return DataError(f"{what}; allowed: {allowed}", path)
