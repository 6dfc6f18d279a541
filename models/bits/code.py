"""Code that computes, by what it does; libraries and their versions; where products are kept."""

import ast
import functools
import hashlib
import importlib
import importlib.metadata
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.record.code import speechless
from sim.record.errors import Refusal, installing

MISSING = "missing"


def digest(file: Path) -> bytes:
    """The SHA-256 of a file's code, as one Python version writes it.

    Comments, formatting, docstrings and descriptions of fields are no part of it, so a better word
    for a setting renames no model.
    """
    return hashlib.sha256(speechless(ast.parse(file.read_bytes())).encode()).digest()


def distribution(module: str) -> str:
    """The name of the library that a module belongs to, as it is installed."""
    # Of several, as of a namespace, not that which the disk happens to list first.
    return min(distributions().get(module, [module]))


@functools.cache
def distributions() -> Mapping[str, list[str]]:
    """By module the libraries that bring it; all are looked through."""
    return importlib.metadata.packages_distributions()


def is_distributed(module: str) -> bool:
    """Whether a module belongs to a library that was installed, with a version."""
    return library_version(distribution(module)) != MISSING


@functools.cache
def library_version(name: str) -> str:
    """The version of a library, or MISSING."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return MISSING


def required(module: str, extra: str, what: str, path: tuple[str, ...]) -> Any:
    """The module of that name, imported at its first use on behalf of `what`.

    Raises Refusal at `path`, with the command that installs `extra`, if it can't be found.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        needed = f"{what} needs the extra `{extra}`"
        raise Refusal(needed, installing(extra), path) from missing


def cache_folder(name: str) -> Path:
    """Where things called `name` are kept, all of which can be made again; it need not exist."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "braintorrent" / name
