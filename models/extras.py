"""Libraries that come with an extra: imported where they are used, and named when they are missing.

A room of its own because importing them is slow, and most scenarios do without.
"""

from __future__ import annotations

import importlib
from typing import Any

from sim.record.settings.base import DataError


def required(module: str, extra: str, what: str, path: tuple[str, ...]) -> Any:
    """The module of that name, imported at its first use on behalf of `what`.

    Raises DataError at `path`, with the command that installs `extra`, if it can't be found.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        raise DataError(
            f'{what} needs the extra `{extra}`; allowed: pip install "braintorrent[{extra}]"', path
        ) from missing
