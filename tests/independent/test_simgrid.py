"""Our flows finish when SimGrid's do, in everything that both mean to model."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from sim.world.transport import FLUID
from tests.independent import against_simgrid as against

CASES = against.cases()
ALIKE = [case for case in CASES if case.is_alike]
SCRIPT = Path(__file__).with_name("simgrid_times.py")
PYTHON = shutil.which("python3", path="/usr/bin") or "python3"


@pytest.mark.parametrize("case", ALIKE, ids=lambda case: str(case.hosts.name))
def test_flows_and_tcp_finish_when_simgrids_do(case: against.Case) -> None:
    for model, transport in (("max_min", FLUID), ("tcp", against.NARROWED)):
        ours_s = against.finish_s(case.hosts, transport)
        np.testing.assert_allclose(ours_s, case.finish_s[model], rtol=1e-9)


def test_alone_tcp_is_simgrids_as_it_comes_but_for_its_factor_on_the_window() -> None:
    alone = CASES[0]
    np.testing.assert_allclose(against.ratios(alone, "lv08", against.NARROWED), 1.0, rtol=1e-9)
    found = against.ratios(alone, "lv08", against.TCP)
    # A hundred megabytes, at most, take 3 % less where a window in a round trip is the bound.
    assert np.quantile(found, 0.75) == pytest.approx(1.0, abs=1e-9)
    assert against.TCP.bandwidth_factor < found.min() < 0.98


def test_sharing_alike_where_latencies_differ_is_ours_alone() -> None:
    """SimGrid gives long ways a smaller share; its weight S isn't all that decides it."""
    unlike = [case for case in CASES if not case.is_alike]
    off = np.concatenate([against.ratios(case, "max_min", FLUID) for case in unlike])
    assert len(off) > 100 and np.abs(off - 1).max() > 1


@pytest.mark.slow
def test_the_script_makes_the_committed_file_again(tmp_path: Path) -> None:
    if subprocess.run([PYTHON, "-c", "import simgrid"], capture_output=True).returncode:
        pytest.skip("SimGrid isn't installed: apt-get install python3-simgrid")
    made = tmp_path / "simgrid.json"
    subprocess.run([PYTHON, SCRIPT, made], check=True, capture_output=True, timeout=300)
    committed, again = (json.loads(file.read_text()) for file in (against.FILE, made))
    for one, other in zip(committed, again, strict=True):
        found, times_s = one.pop("finish_s"), other.pop("finish_s")
        assert one == other
        for model, expected_s in found.items():
            np.testing.assert_allclose(times_s[model], expected_s, rtol=1e-12)
