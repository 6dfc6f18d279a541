"""Scenarios that a program makes: from values, with other settings, and with what is varied."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.faults.churn import Churn
from sim.record.errors import ScenarioError
from sim.scenario import Scenario, dump, dump_sweep, grid, load
from sim.scenario.yaml_loader import parse

CRASH, RATE = "faults.server_crash.at", "faults.churn.failure_rate"


def content(name: str) -> dict[str, Any]:
    written: dict[str, Any] = parse(dump(load(name)), name).value
    return written


@pytest.mark.parametrize("name", ["server_crash", "partition", "brains_quick"])
def test_the_values_of_a_file_make_its_scenario(name: str) -> None:
    made = Scenario(**content(name))
    assert made == load(name) and dump(made) == dump(load(name))
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301


def test_values_may_be_python_s_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    latency_s = np.array([[0.0, 0.5], [0.25, 0.0]])
    np.savetxt(tmp_path / "latency.csv", latency_s, delimiter=",")
    monkeypatch.chdir(tmp_path)
    values = content("no_faults") | {"seeds": range(2), "server": None}
    values["clients"] |= {"count": np.int64(2), "step_time": ("1 s", "2 s")}
    values["protocols"] = {"local": {}}
    for matrix in (latency_s, Path("latency.csv")):
        values["network"]["latency"] = {"matrix": matrix, "unit": "s"}
        made = Scenario(**values)
        assert made.seeds == (0, 1) and made.clients.step_time == (1.0, 2.0)
        kept = parse(dump(made), "made").value["network"]["latency"]
        assert kept["matrix"] == latency_s.tolist()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"duraton": "1 h"}, "Scenario: duraton: unknown key, did you mean duration?; allowed: na"),
        (
            {"duration": 5},
            "Scenario: duration: 5 needs a unit; allowed: ns, us, ms, s, min, h, d",
        ),
        ({"seeds": [10**5000]}, "Scenario: seeds.0: '0x"),
        ({"seeds": {3}}, "Scenario: seeds: '{3}' is not a list; allowed: "),
        ({"protocols": {"fedag": {}}}, "Scenario: protocols.fedag: 'fedag' is "),
        ({"server": None}, "Scenario: protocols.fedavg: "),
    ],
)
def test_a_mistake_names_its_path(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        Scenario(**(content("no_faults") | wrong))
    assert str(refused.value).startswith(message)


def test_what_only_the_data_reveals_names_its_path_too() -> None:
    mistake = Scenario(**content("no_faults")).mistake(("task",), "too few", "more")
    assert str(mistake) == "Scenario: task: too few; allowed: more"


@pytest.mark.parametrize(
    ("name", "changes", "overrides"),
    [
        ("server_crash", {CRASH: "5 min", "seeds": range(2)}, [f"{CRASH}=5 min", "seeds=[0, 1]"]),
        ("server_crash", {"faults": {}, "name": "calm"}, ["faults={}", "name=calm"]),
        ("churn", {"failure_detection.kind": "none"}, ["failure_detection.kind=none"]),
        ("no_faults", {"model.hidden.0": 8}, ["model.hidden=[8]"]),
        (
            "no_faults",
            {"faults.late": {"kind": "crash", "node": "client_0", "at": "5 min"}},
            ["faults.late={kind: crash, node: client_0, at: 5 min}"],
        ),
        (
            "no_faults",
            {"task": {"name": "brains"}, "model": {"name": "unet"}, "evaluation.target": None},
            ["task={name: brains}", "model={name: unet}", "evaluation.target=null"],
        ),
    ],
)
def test_other_settings_are_those_of_the_command(
    name: str, changes: dict[str, Any], overrides: list[str]
) -> None:
    before = load(name)
    changed = before.with_settings(changes)
    assert dump(changed) == dump(load(name, overrides))
    assert before == load(name)
    assert changed.with_settings({}) == changed


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"faults.server_crsh.at": "5 min"}, "faults.server_crsh: no such setting, did you mean s"),
        ({"faults.server_crash.att": "1 s"}, "faults.server_crash.att: unknown key, did you mean "),
        ({"duraton": "1 h"}, "duraton: unknown key, did you mean duration?; allowed: name, "),
        ({"seeds.x.y": 1}, "seeds.x: no such setting; allowed: 0, 1"),
        ({"name.x": 1}, "name.x: leads into a single value; allowed: an existing path"),
        ({"": 1}, "'': unknown key; allowed: name, "),
        (
            {CRASH: 5},
            f"{CRASH}: 5 needs a unit; allowed: ns, us, ms, s, min, h, d",
        ),
        ({"clients.count": 0}, "clients.count: 0 is too small; allowed: at least 1"),
    ],
)
def test_a_wrong_setting_is_told_with_its_path(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        load("server_crash").with_settings(changes)
    assert str(refused.value).startswith(f"with_settings: {message}")


def test_a_grid_of_a_scenario_is_that_of_its_file() -> None:
    texts = [f"{RATE}=0 / h,4 / h", "network.packet_loss=0:0.2:0.1"]
    theirs = grid("churn", vary=texts, seeds=2, protocols=["fedavg"], tune=["network.packet_loss"])
    for losses in ("0:0.2:0.1", [0, 0.1, 0.2], np.array(["0", "0.1", "0.2"])):
        ours = grid(
            load("churn"),
            vary={RATE: ["0 / h", "4 / h"], "network.packet_loss": losses},
            seeds=2,
            protocols=["fedavg"],
            tune=["network.packet_loss"],
        )
        assert dump_sweep(ours) == dump_sweep(theirs)
        assert ours.points == theirs.points
    fault = ours.points[-1].scenario.faults["churn"]
    assert isinstance(fault, Churn) and fault.rate_per_s == 4 / 3600
