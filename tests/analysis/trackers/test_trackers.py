"""The registry: what is unknown or not installed is refused in one line, before any work."""

import subprocess
import sys
from configparser import ConfigParser
from importlib.util import find_spec
from pathlib import Path

import pytest

from analysis import trackers
from sim.record.errors import ResultError
from tests.analysis.folders import described, write_run

ROOT = Path(__file__).parents[3]


def test_an_unknown_tracker_is_refused() -> None:
    trackers.check(())
    with pytest.raises(ResultError, match=r"^--track x: unknown; allowed: mlflow, tensorboard$"):
        trackers.check(("tensorboard", "x"))


@pytest.mark.parametrize(
    ("name", "module"),
    [("mlflow", "mlflow"), ("mlflow", "sqlalchemy"), ("tensorboard", "tensorboard")],
)
def test_a_missing_extra_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, name: str, module: str
) -> None:
    trackers.check((name,))
    monkeypatch.setattr(
        trackers, "find_spec", lambda asked: None if asked == module else find_spec(asked)
    )
    with pytest.raises(ResultError) as caught:
        trackers.check((name,))
    command = f"pip install 'braintorrent[{name}]'"
    assert str(caught.value) == f"--track {name}: needs the extra: {command} (no module {module})"


def test_each_tracker_has_an_extra_of_its_name() -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = setup["options.extras_require"]
    for name, tracker in trackers.TRACKERS.items():
        assert all(module in extras[name] for module in tracker.needs)


def test_trackers_bring_no_torch(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "out", described())
    script = (
        "import sys, warnings\n"
        "from pathlib import Path\n"
        "from analysis import trackers\n"
        "assert not {'mlflow', 'tensorboard'} & set(sys.modules)\n"
        "trackers.check(trackers.TRACKERS)\n"
        "assert len(list(trackers.log(trackers.TRACKERS, Path(sys.argv[1])))) == 2\n"
        "heavy = {'torch', 'tensorflow', 'sim.scenario', 'models', 'simpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {"mlruns", "tensorboard"} <= {path.name for path in folder.iterdir()}
