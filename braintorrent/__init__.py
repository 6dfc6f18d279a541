"""What users import: scenarios and how to run them, results, statistics and figures of them.

`import braintorrent as bt`, or `from braintorrent import figures, load`. A name is looked up when
it is asked for, so that to import this costs nothing; `python -m braintorrent` is the command line.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # What is below takes long to load; an editor and mypy still know every name.
    from analysis import *  # noqa: F403
    from analysis import figures as figures
    from analysis import metrics as metrics
    from analysis import trace_export as trace_export
    from analysis.metrics import *  # noqa: F403  # mypy sees only literal names in `__all__`.
    from analysis.statistics import *  # noqa: F403
    from braintorrent import extend as extend
    from braintorrent.simulation import *  # noqa: F403

__version__ = "0.1.0"

_HOME = Path(__file__).parent.parent
_PACKAGES = ("sim", "models", "analysis", "scenarios")
_MODULES = {
    **{name: f"analysis.{name}" for name in ("figures", "metrics", "trace_export")},
    "extend": "braintorrent.extend",
}
# Looked at before `analysis`, which takes longer to load.
_PLACES = ("braintorrent.simulation", "analysis")


def check_imports() -> None:
    """Raise ImportError, in one line, where Python finds something else than our packages.

    Their names are short, and an `analysis.py` beside a notebook comes first on Python's path.
    """
    for name in _PACKAGES:
        found = _found(name)
        if found and found != (_HOME / name / "__init__.py").resolve():
            file = found.parent if found.name == "__init__.py" else found
            raise ImportError(
                f"{name}: {file} hides braintorrent's own {name}; rename it, or keep it off "
                "Python's path (the working directory, the script's folder, PYTHONPATH)",
                name=name,
            )


def _found(name: str) -> Path | None:
    """The file that `import name` reads or has read; the folder, if that has no `__init__.py`."""
    spec = find_spec(name)
    places = [spec.origin, *(spec.submodule_search_locations or ())] if spec else []
    return next((Path(place).resolve() for place in places if place), None)


if not TYPE_CHECKING:  # It would make a type checker believe in any name.

    def __getattr__(name: str) -> Any:
        if name == "__all__":
            return _names()
        if not name.startswith("_"):
            check_imports()
            if name in _MODULES:
                return import_module(_MODULES[name])
            for place in map(import_module, _PLACES):
                if name in place.__all__:
                    return getattr(place, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return ["__version__", *_names()]


def _names() -> list[str]:
    check_imports()
    return sorted(
        {*_MODULES, *(name for place in _PLACES for name in import_module(place).__all__)}
    )
