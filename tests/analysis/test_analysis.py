"""The package as its users meet it: what it exports, and what it does without."""

import subprocess
import sys

import analysis
from analysis import metrics, statistics


def test_all_public_functions_are_exported() -> None:
    functions = {
        name
        for room in (metrics, statistics)
        for name in room.__all__
        if callable(getattr(room, name)) and name.islower()
    }
    assert functions <= set(analysis.__all__)
    assert all(getattr(analysis, name).__doc__ for name in analysis.__all__)


def test_it_loads_without_the_simulation_and_without_what_takes_long() -> None:
    modules = "'torch', 'simpy', 'sklearn', 'pydantic', 'models', 'scipy.stats', 'matplotlib'"
    code = (
        "import sys, analysis;"
        "rooms = {name for name in sys.modules if name.startswith('sim.')};"
        "rooms -= {name for name in rooms if name.split('.')[1] == 'record'};"
        f"print(sorted(rooms | {{{modules}}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
