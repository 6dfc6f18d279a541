"""The user's code that made a result folder: kept in it, and compared with what is given now."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from sim.record.code import CODE_FOLDER, NO_CODE, Code, differences, everything, kept, meaning
from sim.record.errors import ScenarioError
from sim.record.files import make_way
from sim.record.folder import Record, whole
from sim.record.settings import own_names
from sim.results.digests import known
from sim.scenario import Scenario

CHANGES_TOLD = 3


@dataclass(frozen=True)
class Used:
    """A user's code, and the names of the scenarios' kinds in it."""

    code: Code
    names: tuple[str, ...]

    def is_said_by(self, record: Record | None) -> bool:
        """Whether a finished folder's record says that it was made by this code, to the byte."""
        said = {name: told for name, told in known(record).items() if name.startswith(CODE_FOLDER)}
        return said == {
            f"{CODE_FOLDER}/{module.file}": sha256(module.data).hexdigest()
            for module in self.code.modules
        }


def used(scenarios: Sequence[Scenario]) -> Used:
    """What the scenarios use of the active code; empty if that is nothing."""
    names = own_names(*scenarios)
    return Used(everything() if names else NO_CODE, names)


def changed(
    folder: Path, used: Used, record: Record | None, *, made: bool, accept: bool
) -> tuple[str, ...]:
    """What has changed in the code since `folder` was made by it, a phrase each.

    `record`: what marks the folder as finished, if it is. `made`: whether it has tables; without
    any there is nothing to be made anew. Comments, docstrings and what the scenarios don't use
    don't count. Raises ScenarioError if something has changed, and tables may not be made anew.
    """
    if not made or (record and used.is_said_by(record)):
        return ()  # Whatever has become of the copy since.
    before = kept(folder / CODE_FOLDER)
    if not before:
        return ()
    there = [name for name in used.names if before.holds(name)]
    found = differences(meaning(before, there), meaning(used.code, used.names))
    if found and not accept:
        raise ScenarioError(
            f"--out {folder}: was made with other code: {told(found)}; allowed: --accept-code, "
            "which makes its tables anew, or another folder (--out DIR)"
        )
    return tuple(found)


def told(changes: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = len(changes) - CHANGES_TOLD
    return ", ".join(changes[:CHANGES_TOLD]) + (f" and {more} more" if more > 0 else "")


def keep(folder: Path, used: Used) -> None:
    """Copy the code into the folder, in place of what was there. Raises OSError.

    File by file: whoever is stopped here has tables neither of the one nor of the other.
    """
    home = folder / CODE_FOLDER
    wanted = {home / module.file: module.data for module in used.code.modules}
    for path in sorted(home.rglob("*.py")):
        if path not in wanted:
            make_way(path)
    for path, data in wanted.items():
        if not path.is_file() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole(path, ours=True) as unfinished:
                unfinished.write_bytes(data)
