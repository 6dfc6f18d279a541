"""Results of a shipped scenario, made on demand; those of any other folder, as they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from analysis.loading import load
from analysis.results import Results
from sim.record.errors import ResultError

# The command's exit codes where results can be read, though some runs may have failed.
_READABLE = (0, 1)


def load_or_run(folder: str | Path, scenario: str) -> Results:
    """The results in a folder; a relative one begins at the working directory, as for `load`.

    A folder `results/<scenario>` or `results/<scenario>_sweep`, wherever `results` is, is run, or
    swept, first if it isn't finished. Any other folder is taken as it is. Raises ResultError as
    `load` does, or with what the command says.
    """
    place = Path(folder).resolve()
    command = {scenario: "run", f"{scenario}_sweep": "sweep"}.get(place.name)
    if command and place.parent.name == "results" and not _is_finished(place):
        _start(command, scenario, place)
    return load(place)


def _is_finished(folder: Path) -> bool:
    try:
        return load(folder).missing.empty
    except ResultError:
        return False


def _start(command: str, scenario: str, folder: Path) -> None:
    # -P: what lies in the working directory is data, not code to import.
    done = subprocess.run(
        [sys.executable, "-P", "-m", "braintorrent", command, scenario, "--out", str(folder)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode not in _READABLE:
        said = done.stderr.strip().splitlines() or ["it says nothing"]
        raise ResultError(f"{command} {scenario}: {said[-1]}")
