"""The user's code that made a result folder: kept in it, and compared with what is given now."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.record.code import (
    CODE_FOLDER,
    NO_CODE,
    Code,
    definition,
    differences,
    everything,
    is_own,
    kept,
    meaning,
)
from sim.record.errors import ScenarioError
from sim.record.folder import whole
from sim.record.settings import Settings
from sim.scenario import Scenario

CHANGES_TOLD = 3


@dataclass(frozen=True)
class Used:
    """A user's code, and the names of the scenarios' kinds in it."""

    code: Code
    names: tuple[str, ...]


def used(scenarios: Sequence[Scenario]) -> Used:
    """What the scenarios use of the active code; empty if that is nothing."""
    names = tuple(sorted({name for one in scenarios for name in _names(one)}))
    return Used(everything() if names else NO_CODE, names)


def _names(part: Any) -> Iterator[str]:
    """The definitions that a part of a scenario stands for, or names."""
    if isinstance(part, Settings):
        if is_own(type(part)):
            yield definition(type(part))
        yield from (name for _, inner in part for name in _names(inner))
    elif isinstance(part, dict):
        yield from (name for inner in part.values() for name in _names(inner))


def changed(folder: Path, used: Used, *, accept: bool) -> tuple[str, ...]:
    """What has changed in the code since `folder` was made by it, a phrase each.

    Comments, docstrings and what the scenarios don't use don't count. Raises ScenarioError if
    something has, and tables may not be made anew.
    """
    before = kept(folder / CODE_FOLDER)
    if not before and not used.code:
        return ()
    there = [name for name in used.names if name.rpartition(".")[0] in before.by_name]
    found = differences(meaning(before, there), meaning(used.code, used.names))
    if before and found and not accept:
        raise ScenarioError(
            f"--out {folder}: was made with other code: {told(found)}; allowed: --accept-code, "
            "which makes its tables anew, or another folder (--out DIR)"
        )
    return tuple(found) if before else ()


def told(changes: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = len(changes) - CHANGES_TOLD
    return ", ".join(changes[:CHANGES_TOLD]) + (f" and {more} more" if more > 0 else "")


def keep(folder: Path, used: Used) -> None:
    """Copy the code into the folder, in place of what was there. Raises OSError."""
    home = folder / CODE_FOLDER
    if kept(home).modules == used.code.modules:
        return
    shutil.rmtree(home, ignore_errors=True)
    for module in used.code.modules:
        target = home / module.file
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole(target) as path:
            path.write_text(module.text, encoding="utf-8")
