"""The files of a result folder that people write, too, and those that the analysis writes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from sim.record.errors import ResultError
from sim.record.files import digest, read_bytes
from sim.record.folder import damaged, whole


def read_settings(path: Path) -> dict[str, Any]:
    """A scenario or sweep file. Raises ResultError if it can't be read or is no mapping."""
    try:
        text = read_bytes(path).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ResultError(f"{path}: cannot be read: {error}") from None
    try:
        # The pure loader is the one that knows YAML 1.2, in which `no` is a text.
        settings = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise ResultError(f"{path}: is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(settings, dict):
        raise ResultError(f"{path}: is not a scenario; allowed: what `braintorrent` has written")
    return settings


def flat(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Each setting that has none below it, by its path."""
    for name, part in settings.items():
        if isinstance(part, Mapping) and part:
            yield from flat(part, f"{above}{name}.")
        else:
            yield f"{above}{name}", part


def check_whole(path: Path, expected: str | None) -> None:
    """Raise ResultError unless a file has that SHA-256, if one is known; what can't be read passes.

    As long as a file isn't touched it is read only once for that.
    """
    with suppress(OSError):
        status = path.stat()
        if expected and _digest(path, status.st_size, status.st_mtime_ns) != expected:
            raise damaged(path)


@lru_cache(maxsize=100_000)
def _digest(path: Path, size_bytes: int, changed_ns: int) -> str:
    return digest(path)


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Lend a temporary path that becomes `target` when the block succeeds, and vanishes if not.

    The folder is made if need be. Raises ResultError if the disk does not let it be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole(target) as path:
            yield path
    except OSError as error:
        what = error.strerror or str(error)
        raise ResultError(f"{target}: cannot be written: {what}") from None
