"""Scenarios: the shipped ones, overrides, selectors, latency files, and writing them back."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training import TrainingSettings
from sim.faults.churn import Churn
from sim.faults.crash import Crash
from sim.protocols.braintorrent import BrainTorrent
from sim.protocols.fedavg import FedAvg
from sim.record.errors import ScenarioError
from sim.record.settings import Constant, Lognormal
from sim.scenario import Scenario, dump, grid, load, schema, shipped
from sim.scenario.catalogue import SECTIONS
from sim.scenario.sections import LatencyMatrix

NAMES = (
    "churn",
    "no_faults",
    "paper_schedule",
    "partition",
    "server_crash",
    "server_recovers",
    "stragglers",
)


def reloaded(scenario: Scenario, folder: Path) -> Scenario:
    path = folder / "scenario.yaml"
    path.write_text(dump(scenario), encoding="utf-8")
    return load(path)


def same(one: Scenario, other: Scenario) -> bool:
    """Whether two scenarios say the same, wherever they were written."""
    return one.model_dump() == other.model_dump()


def test_a_protocol_may_train_in_its_own_way(tmp_path: Path) -> None:
    scenario = load("no_faults", ["protocols.fedavg.training={local_steps: 9, batch_size: 8}"])
    own, common = scenario.training_of("fedavg"), scenario.training
    assert scenario.training_of("braintorrent") == common
    assert own and common
    assert (own.local_steps, own.batch_size, own.local_epochs) == (9, 8, None)
    assert own.learning_rate == common.learning_rate
    assert same(reloaded(scenario, tmp_path), scenario)


def proximal(training: TrainingSettings | None) -> float:
    assert training
    return training.proximal


def test_fedprox_is_a_setting_of_one_protocol_s_training(tmp_path: Path) -> None:
    fedprox = "protocols.fedprox={kind: fedavg, training: {proximal: 0.1}}"
    scenario = load("no_faults", [fedprox])
    assert proximal(scenario.training_of("fedprox")) == 0.1
    assert proximal(scenario.training_of("fedavg")) == 0
    assert same(reloaded(scenario, tmp_path), scenario)
    varied = grid("no_faults", vary=["training.proximal=0,0.1"])
    assert [proximal(point.scenario.training) for point in varied.points] == [0, 0.1]


def test_the_shipped_scenarios_are_found() -> None:
    assert set(NAMES) <= set(shipped())


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_scenario_is_what_its_file_says(name: str, tmp_path: Path) -> None:
    scenario = load(name)
    assert scenario.name == name
    assert scenario.question is not None and scenario.question.endswith("?")
    assert set(scenario.protocols) == {"braintorrent", "fedavg", "pooled", "local"}
    assert set(scenario.faults) <= {name}
    again = reloaded(scenario, tmp_path)
    assert same(again, scenario)
    assert dump(again) == dump(scenario)


def test_quantities_arrive_in_one_unit_each() -> None:
    scenario = load("server_crash", ["clients.step_time.median=500 ms"])
    assert scenario.duration == 1800.0
    assert scenario.network.uplink == 2_500_000.0
    assert scenario.clients.step_time == Lognormal.model_validate(
        {"distribution": "lognormal", "median": "0.5 s", "sigma": 0.6}
    )
    crash = scenario.faults["server_crash"]
    assert isinstance(crash, Crash)
    assert (crash.node, crash.at, crash.recovers_after) == ("server", 600.0, None)
    fedavg = scenario.protocols["fedavg"]
    assert isinstance(fedavg, FedAvg) and fedavg.deadline == 120.0


def test_overrides_change_leaves_lists_and_whole_mappings() -> None:
    scenario = load(
        "server_crash",
        [
            "faults.server_crash.at=5 min",
            "seeds.1=17",
            "clients.step_time=2 s",
            "clients.count = 4",
            "protocols={slow: {kind: braintorrent, peers: 2}}",
            "faults.more.kind=churn",
            "faults.more.nodes=clients",
            "faults.more.failure_rate=3.6 / h",
            "faults.more.mean_time_to_repair=1 min",
        ],
    )
    crash, churn = scenario.faults["server_crash"], scenario.faults["more"]
    assert isinstance(crash, Crash) and crash.at == 300.0
    assert isinstance(churn, Churn) and churn.rate_per_s == pytest.approx(0.001)
    assert scenario.seeds == (0, 17, *range(2, 10))
    assert isinstance(scenario.clients.step_time, Constant)
    slow = scenario.protocols["slow"]
    assert isinstance(slow, BrainTorrent) and slow.peers == 2


def test_a_mean_time_to_failure_is_a_rate() -> None:
    churn = "{kind: churn, nodes: all, mean_time_to_failure: 20 s, mean_time_to_repair: 2 s}"
    fault = load("no_faults", [f"faults.churn={churn}"]).faults["churn"]
    assert isinstance(fault, Churn) and fault.rate_per_s == 0.05


def test_selectors_mean_nodes_in_order() -> None:
    scenario = load("server_crash", ["clients.count=3"])
    clients = ("client_0", "client_1", "client_2")
    assert scenario.client_names == clients
    assert scenario.node_names == (*clients, "server")


def test_a_server_fault_without_a_server_is_fine() -> None:
    scenario = load("server_crash", ["server=null", "protocols={local: {}}"])
    assert scenario.node_names == scenario.client_names


def test_a_latency_file_is_read_into_the_scenario(tmp_path: Path) -> None:
    folder = tmp_path / "world"
    folder.mkdir()
    (folder / "pairs.csv").write_text('0,"1.5",2\r\n1.5, 0,3e0\n\n"2",3,0\r', encoding="utf-8")
    path = folder / "scenario.yaml"
    overrides = ["clients.count=2", "network.latency={matrix: pairs.csv, unit: ms}"]
    path.write_text(dump(load("server_crash")), encoding="utf-8")
    scenario = load(path, overrides)
    latency = scenario.network.latency
    assert isinstance(latency, LatencyMatrix)
    assert np.allclose(latency.seconds(), np.array([[0, 1.5, 2], [1.5, 0, 3], [2, 3, 0]]) / 1000)
    assert same(reloaded(scenario, tmp_path), scenario)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_latency_file_as_others_write_it(tmp_path: Path, separator: str) -> None:
    rows = separator.join(("0", "1.5")) + "\n" + separator.join(("1.5", "0"))
    (tmp_path / "pairs.csv").write_text(f"# in ms\n{rows}\n", encoding="utf-8")
    path = tmp_path / "scenario.yaml"
    path.write_text(dump(load("server_crash")), encoding="utf-8")
    matrix = ["clients.count=1", "network.latency={matrix: pairs.csv, unit: ms}"]
    latency = load(path, matrix).network.latency
    assert isinstance(latency, LatencyMatrix)
    assert latency.seconds().tolist() == [[0, 0.0015], [0.0015, 0]]


def test_a_latency_file_is_read_to_the_place_of_its_mistake(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("0,1\n1,abc\n", encoding="utf-8")
    (tmp_path / "ragged.csv").write_text("0,1\n1\n", encoding="utf-8")
    (tmp_path / "negative.csv").write_text("0,1\n-1,0\n", encoding="utf-8")
    (tmp_path / "grouped.csv").write_text("0,\x0b1\n\n1,5_0\n", encoding="utf-8")
    (tmp_path / "infinite.csv").write_text("0,1\n1,inf\n", encoding="utf-8")
    (tmp_path / "open.csv").write_text('0,1\n1,"0\n', encoding="utf-8")
    path = tmp_path / "scenario.yaml"
    path.write_text(dump(load("no_faults")), encoding="utf-8")
    for name, place, what in (
        ("pairs", ":2:3: network.latency.matrix", "'abc' is not a number"),
        ("grouped", ":3:3: network.latency.matrix", "'5_0' is not a number"),
        ("infinite", ":2:3: network.latency.matrix", "'inf' is not a number"),
        (
            "open",
            ":2:3: network.latency.matrix",
            "has a quotation mark that is not closed, or not at the cell's end",
        ),
        ("ragged", ":2:1: network.latency.matrix.1", "row 2 has 1 numbers"),
        ("negative", ":2:1: network.latency.matrix.1.0", "-1.0 is too small"),
    ):
        with pytest.raises(ScenarioError) as caught:
            load(path, [f"network.latency={{matrix: {name}.csv, unit: ms}}"])
        assert str(caught.value).startswith(f"{tmp_path / name}.csv{place}: {what}; allowed: ")


@settings(deadline=None)  # A busy machine is no mistake.
@given(
    question=st.text(st.characters(categories=("L", "N", "P", "Z", "S")), min_size=1),
    alpha=st.floats(min_value=0, exclude_min=True, allow_infinity=False),
    seed=st.integers(0, 2**63 - 1),
    step_s=st.floats(min_value=1e-9, max_value=1e12),
)
def test_what_is_written_reads_back_equal(
    tmp_path_factory: pytest.TempPathFactory,
    question: str,
    alpha: float,
    seed: int,
    step_s: float,
) -> None:
    content = load("server_crash", ["clients.count=1"]).model_dump(mode="json")
    content["question"] = question
    content["seeds"] = [seed]
    content["task"]["partition"]["alpha"] = alpha
    content["clients"]["step_time"] = [f"{step_s!r} s"]
    scenario = Scenario.model_validate(content)
    assert same(reloaded(scenario, tmp_path_factory.mktemp("scenario")), scenario)


def test_models_are_kept_by_default_where_images_are_segmented(tmp_path: Path) -> None:
    digits, brains = (
        load("no_faults", [f"task={task}", f"model={{name: {model}}}", "evaluation.target=null"])
        for task, model in (
            ("{name: digits, partition: {kind: iid}}", "mlp"),
            ("{name: brains}", "unet"),
        )
    )
    assert (digits.output.keep_models, brains.output.keep_models) == ("none", "final")
    assert "\noutput: {keep_models: final, trace: all}\n" in dump(brains)
    none = (
        "task={name: brains}",
        "model={name: unet}",
        "evaluation.target=null",
        "output.keep_models=none",
    )
    chosen = load("no_faults", none)
    assert chosen.output.keep_models == reloaded(chosen, tmp_path).output.keep_models == "none"
    assert load("no_faults", ["output.keep_models=final"]).output.keep_models == "final"


def test_a_scenario_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load("server_crash").name = "other"


def _objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Every description of settings in a JSON schema."""
    if isinstance(schema, dict):
        if "properties" in schema and "title" in schema:
            yield schema
        schema = list(schema.values())
    if isinstance(schema, list):
        for one in schema:
            yield from _objects(one)


def test_the_schema_describes_every_setting() -> None:
    described = {one["title"]: one for one in _objects(schema())}
    kinds = {kind.__name__ for each in SECTIONS.values() for kind in each.values()}
    assert kinds | {"Scenario", "Lognormal", "LatencyMatrix"} <= described.keys()
    for name, one in described.items():
        for key, setting in one["properties"].items():
            assert setting.get("description"), f"{name}.{key}"
        assert one["additionalProperties"] is False or name == "Protocols"
    named, free = described["Protocols"]["properties"]["fedavg"]["anyOf"]
    assert "kind" not in named["required"]
    assert all("kind" in one["required"] for one in free["anyOf"] if "required" in one)


def test_reading_a_scenario_imports_nothing_heavy() -> None:
    code = (
        "import sys; from sim.scenario import load; load('server_crash');"
        "print({'torch', 'sklearn', 'pandas', 'pyarrow', 'multiprocessing'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
