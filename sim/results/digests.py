"""Whether a folder's files are what was written, by digests in the record that marks its end."""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path

from sim.record.code import CODE_FOLDER
from sim.record.files import digest
from sim.record.folder import (
    MODEL_SUFFIX,
    MODELS_FOLDER,
    SCENARIO_FILE,
    SWEEP_FILE,
    Record,
)

DIGESTS = "sha256"
"""Where a record has them: SHA-256 in hexadecimal digits by a file's path in the folder."""


def digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Of these files of a folder and of the models and the code in it. Raises OSError."""
    models = (folder / MODELS_FOLDER).rglob(f"*{MODEL_SUFFIX}")
    code = (folder / CODE_FOLDER).rglob("*.py")
    kept = sorted(
        path.relative_to(folder).as_posix() for path in (*models, *code) if path.is_file()
    )
    return {name: digest(folder / name) for name in (*names, *kept)}


def said_of(text: str, name: str, record: Record | None) -> bool:
    """Whether a record says that the file of that name held this text."""
    return known(record).get(name) == sha256(text.encode()).hexdigest()


def known(record: Record | None) -> Mapping[str, str]:
    """A record's digests; none of what isn't finished."""
    found: Mapping[str, str] = (record or {}).get(DIGESTS, {})
    return found


def damages(folder: Path, record: Record) -> Iterator[tuple[str, str]]:
    """Each file that isn't what the record says, by its name, and what is wrong with it."""
    for name, expected in known(record).items():
        try:
            if digest(folder / name) != expected:
                yield name, "has changed"
        except (FileNotFoundError, NotADirectoryError):
            yield name, "is missing"
        except OSError as error:
            yield name, error.strerror or str(error)


def is_copy(name: str) -> bool:
    """Whether a file holds only what a command is given, and can be written again without work."""
    return name in (SCENARIO_FILE, SWEEP_FILE) or name.startswith(f"{CODE_FOLDER}/")
