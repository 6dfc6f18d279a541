"""Experiment trackers that finished results can be shown in: one file each, one line in a dict.

Its library is an extra, and imported when it is used.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from analysis.loading import load
from analysis.results import Results
from analysis.trackers import mlflow, tensorboard
from sim.record.errors import ResultError, installing


@dataclass(frozen=True)
class Tracker:
    """`log` shows all finished runs and returns where; what is shown already is not repeated."""

    needs: tuple[str, ...]
    """The modules that its extra, which has its name, installs."""
    log: Callable[[Results], str]


TRACKERS: dict[str, Tracker] = {
    "mlflow": Tracker(("mlflow", "sqlalchemy", "alembic"), mlflow.log),
    "tensorboard": Tracker(("tensorboard",), tensorboard.log),
}


def check(names: Iterable[str]) -> None:
    """Raise ResultError for a tracker that is unknown, or whose extra is not installed."""
    for name in names:
        if name not in TRACKERS:
            raise ResultError(f"--track {name}: unknown; allowed: {', '.join(TRACKERS)}")
        missing = [module for module in TRACKERS[name].needs if find_spec(module) is None]
        if missing:
            extra = f"needs the extra: {installing(name)}"
            raise ResultError(f"--track {name}: {extra} (no module {', '.join(missing)})")


def log(names: Iterable[str], folder: Path) -> Iterator[str]:
    """Show the results in `folder` in each tracker once; yields where. Raises ResultError."""
    results = load(folder)
    for name in dict.fromkeys(names):
        yield f"{name}: {TRACKERS[name].log(results)}"
