"""Libraries that compute: their versions, and those of an extra, imported where they are used."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
from typing import Any

from sim.record.errors import Refusal


@functools.cache
def library_version(name: str) -> str:
    """The version of a library, or "missing"."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def required(module: str, extra: str, what: str, path: tuple[str, ...]) -> Any:
    """The module of that name, imported at its first use on behalf of `what`.

    Raises Refusal at `path`, with the command that installs `extra`, if it can't be found.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        command = f'pip install "braintorrent[{extra}]"'
        raise Refusal(f"{what} needs the extra `{extra}`", command, path) from missing
