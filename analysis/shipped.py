"""Results of a shipped scenario, made on demand; those of any other folder, as they are.

A room of its own because it alone starts the simulation: as a command, whose exit code and message
are all that is known of it here, so that the analysis still reads files only.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from analysis.errors import ResultError
from analysis.loading import load
from analysis.results import Results

PROJECT = Path(__file__).resolve().parent.parent
"""The folder that holds this package, and beside it `results`."""
# The command's exit codes where results can be read, though some runs may have failed.
_READABLE = (0, 1)


def load_or_run(folder: str | Path, scenario: str) -> Results:
    """The results in a folder; a relative one begins at the project's, wherever Python was started.

    If the folder is where `scenario` leaves its results by default, `results/<scenario>` or
    `results/<scenario>_sweep`, and they are not finished, it is run, or swept, first. Any other
    folder is taken as it is. Raises ResultError as `load` does, or with what the command says.
    """
    place = (PROJECT / folder).resolve()
    results = PROJECT.resolve() / "results"
    commands = {results / scenario: "run", results / f"{scenario}_sweep": "sweep"}
    if place in commands and not _is_finished(place):
        _start(commands[place], scenario, place)
    return load(place)


def _is_finished(folder: Path) -> bool:
    try:
        return load(folder).missing.empty
    except ResultError:
        return False


def _start(command: str, scenario: str, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sim.cli", command, scenario, "--out", str(folder)],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode not in _READABLE:
        said = done.stderr.strip().splitlines() or ["it says nothing"]
        raise ResultError(f"{command} {scenario}: {said[-1]}")
