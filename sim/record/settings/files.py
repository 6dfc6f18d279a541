"""How settings name a user's files: by an absolute path, and by what they hold."""

import hashlib
import os
import re
from io import BufferedReader
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from sim.record import files
from sim.record.errors import Refusal, shown


def _stands_alone(path: str) -> str:
    if not os.path.isabs(path):
        raise Refusal(f"{path!r} is a relative path", "an absolute path here")
    return path


AbsolutePath = Annotated[str, AfterValidator(_stands_alone)]
"""A file's or folder's place. One that a scenario's file names is relative to that file."""

_DIGITS = "^[0-9a-f]{64}$"


def _named_by_content(digits: str) -> str:
    if not re.fullmatch(_DIGITS, digits):
        raise Refusal(f"{shown(digits)} is no SHA-256", "64 hexadecimal digits, as a run writes it")
    return digits


Sha256 = Annotated[
    str,
    AfterValidator(_named_by_content),
    WithJsonSchema({"type": "string", "pattern": _DIGITS}),
]
"""Names content, wherever it lies: the hexadecimal digits of its SHA-256."""


def file_digest(file: Path, allowed: str, setting: tuple[str, ...]) -> bytes:
    """The SHA-256 of a file. Raises Refusal at `setting` if it can't be read."""
    with opened(file, allowed, setting) as stream:
        try:
            return hashlib.file_digest(stream, "sha256").digest()
        except OSError as error:
            what = f"{file}: can't be read ({error.strerror})"
            raise Refusal(what, allowed, setting) from None


def opened(file: Path, allowed: str, setting: tuple[str, ...]) -> BufferedReader:
    """A file, to be read. Raises Refusal at `setting` if it can't be, or is none: a pipe or a
    device may have no end, or keep whoever opens it waiting.
    """
    try:
        return files.opened(file)
    except FileNotFoundError:
        raise Refusal(f"{file}: no such file", allowed, setting) from None
    except OSError as error:
        raise Refusal(f"{file}: can't be read ({error.strerror})", allowed, setting) from None
