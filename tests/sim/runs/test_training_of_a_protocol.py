"""Training settings of one protocol: other bytes where they differ, one work where they don't."""

import json
from pathlib import Path

from typer.testing import CliRunner

from sim.cli import app
from sim.runs.data import Data
from sim.scenario import load
from tests.tables import read_scores

PROTOCOLS = (
    "protocols={common: {kind: local}, same: {kind: local, training: {learning_rate: 0.05}}, "
    "other: {kind: local, training: {learning_rate: 0.2}}, "
    "free: {kind: local, training: {proximal: 0}}, pulled: {kind: local, training: {proximal: 1}}}"
)
SMALL = ["duration=1 min", "evaluation.every=30 s", "clients={count: 2, step_time: 1 s}"]


def test_only_what_trains_otherwise_is_trained_again(tmp_path: Path) -> None:
    sets = [f"--set={each}" for each in (*SMALL, PROTOCOLS)]
    command = ["run", "no_faults", *sets, "--seed=0", "--workers=0", f"--out={tmp_path}"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    found: dict[str, list[tuple[object, ...]]] = {}
    for row in read_scores(tmp_path):
        found.setdefault(row.protocol, []).append(row[2:])
    assert found["common"] == found["same"] == found["free"]
    assert found["common"] != found["other"] != found["pulled"] != found["common"]
    work = json.loads((tmp_path / "run.json").read_text())["operations"]
    assert 5 * work["steps_computed"] == 3 * work["steps_asked"] > 0


def test_a_protocol_s_own_rounds_take_as_long_as_they_have_steps() -> None:
    scenario = load(
        "no_faults", [*SMALL, "training.local_epochs=2", "protocols.local.training.local_steps=3"]
    )
    data = Data()
    assert data.facts(scenario, "local", 0).steps == (3, 3)
    common = data.facts(scenario, "braintorrent", 0)
    assert common.steps == tuple(2 * -(-samples // 32) for samples in common.samples)
