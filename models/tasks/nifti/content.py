"""A name for a user's scans by what is in them, so that changed ones are not taken for the same.

A room of its own because it is asked before any scan is opened, and reads bytes, not volumes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from models.tasks.nifti.refusals import LABEL_MAP, SCANS, refusal
from models.tasks.nifti.scans import Scan


def content(scans: Sequence[Scan], label_map: Path) -> str:
    """The SHA-256 of who is listed, with site and split, and of every file; not of any path.

    Raises DataError if a file can't be read.
    """
    digest = hashlib.sha256(_of_file(label_map, "a CSV file", LABEL_MAP))
    for scan in scans:
        digest.update(repr((scan.site, scan.subject, scan.split)).encode())
        for file in (scan.image, scan.labels):
            digest.update(_of_file(file, "a NIfTI file", SCANS))
    return digest.hexdigest()


def _of_file(file: Path, allowed: str, setting: tuple[str, ...]) -> bytes:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except FileNotFoundError:
        raise refusal(f"{file}: no such file", allowed, setting) from None
    except OSError as error:
        raise refusal(f"{file}: can't be read ({error.strerror})", allowed, setting) from None
