"""Where results may go: found out before anything is done for them."""

import os
from pathlib import Path

from sim.record.errors import ScenarioError, shown

_LONGEST_BELOW = f"{'x' * 200}/{'x' * 200}"
"""No file of a result folder has a longer path in it."""


def check_name(folder: Path) -> None:
    """Raise ScenarioError for what no folder can be called, and where none can be looked for."""
    try:
        str(folder).encode()  # Tables and records are written by libraries that need it.
        os.lstat(folder / _LONGEST_BELOW)
    except (FileNotFoundError, NotADirectoryError):
        return
    except UnicodeEncodeError:
        raise _refusal(shown(str(folder)), "is no name in UTF-8") from None
    except ValueError:
        raise _refusal(shown(str(folder)), "is no name of a file") from None
    except OSError as error:
        raise _refusal(shown(str(folder)), f"cannot be looked into: {error.strerror}") from None


def check_writable(folder: Path) -> None:
    """Raise ScenarioError unless a folder can be written to, or made."""
    place = folder.absolute()
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        raise _refusal(folder, f"{place} is no folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise _refusal(folder, f"cannot write there: {_why(place)}")


def _why(place: Path) -> str:
    read_only = os.statvfs(place).f_flag & os.ST_RDONLY
    return "the file system is read-only" if read_only else f"no permission in {place}"


def _refusal(folder: object, what: str) -> ScenarioError:
    allowed = "a folder that is there, or can be made (--out DIR)"
    return ScenarioError(f"--out {folder}: {what}; allowed: {allowed}")
