"""Real processes do what the simulator says, within the bounds of docs/reality.md."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.reality.compare import Comparison, compared, together
from tests.reality.harness import Late
from tests.reality.predict import predicted
from tests.reality.recorded import kept
from tests.reality.trial import TRANSPORTS, tried
from tests.reality.worlds import World, every_world

SAMPLE = ("fedavg:server_crash:0", "d_psgd:none:0", "gossip:client_crash:0")
HEARTBEAT_S = 1.0


def played(folder: Path, worlds: Sequence[World], jobs: int) -> Comparison:
    """These worlds, beside what `fluid` says of them."""
    try:
        found = tried(worlds, folder, jobs, sys.stderr.write)
    except Late as late:
        pytest.skip(str(late))
    return together([each["fluid"] for each in found.values()])


@pytest.mark.slow
@pytest.mark.parametrize(("transport", "off"), [("fluid", 0.03), ("slow_start", 0.025)])
def test_runs_of_before_are_as_the_simulator_says(transport: str, off: float) -> None:
    worlds, runs = every_world(2), kept()
    ours = [worlds[name] for name in runs if worlds[name].is_in_scope]
    said = [(runs[str(world)], predicted(world, TRANSPORTS[transport])) for world in ours]
    found = together([compared(rows, each) for rows, each in said])
    assert np.median(np.abs(found.rounds)) < off
    assert np.abs(found.detections_s).max() < 0.2 * HEARTBEAT_S
    assert (found.undetected, found.wrong) == (0, (0, 0))
    assert found.merges.in_order > 0.83 * found.merges.both
    assert found.merges.pairs_in_order > 0.975 * found.merges.pairs


@pytest.mark.slow
@pytest.mark.usefixtures("undisturbed")
def test_a_sample_does_as_the_simulator_says(tmp_path: Path) -> None:
    worlds = every_world()
    found = played(tmp_path, [worlds[name] for name in SAMPLE], len(SAMPLE))
    assert np.median(np.abs(found.rounds)) < 0.05
    assert np.abs(found.detections_s).max() < HEARTBEAT_S
    assert found.undetected == 0
    assert found.merges.in_order > 0.75 * found.merges.both
    assert abs(found.merges.real - found.merges.predicted) < 0.1 * found.merges.real


@pytest.mark.long
@pytest.mark.usefixtures("undisturbed")
def test_all_worlds_in_scope_do_as_the_simulator_says(tmp_path: Path) -> None:
    worlds = [world for world in every_world().values() if world.is_in_scope]
    found = played(tmp_path, worlds, 4)
    assert np.median(np.abs(found.rounds)) < 0.05
    assert np.mean(np.abs(found.detections_s) < HEARTBEAT_S) > 0.95
    assert found.merges.in_order > 0.7 * found.merges.both
