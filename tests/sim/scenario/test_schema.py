"""The JSON Schema, by which an editor marks what `check` refuses, and nothing else."""

from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, TypeAdapter

from sim.record.errors import Refusal
from sim.record.settings import Schema
from sim.record.units import parse, pattern
from sim.scenario import Scenario, dump, load, schema, shipped
from sim.scenario.catalogue import SECTIONS
from sim.scenario.groups import GroupSettings
from sim.scenario.paths import apply
from sim.scenario.sections import (
    ClientsSettings,
    EvaluationSettings,
    LatencyMatrix,
    NetworkSettings,
    ServerSettings,
)
from sim.scenario.yaml_loader import parse as parsed

PARTS = (ClientsSettings, EvaluationSettings, LatencyMatrix, NetworkSettings, ServerSettings)
CLASSES: list[type[BaseModel]] = [
    *(Scenario, GroupSettings, *PARTS),
    *(kind for section in SECTIONS.values() for kind in section.values()),
]


@pytest.fixture(scope="module")
def editor() -> Draft202012Validator:
    described = schema()
    Draft202012Validator.check_schema(described)
    return Draft202012Validator(described)


def content(text: str, *overrides: str) -> Any:
    document = parsed(text, "text")
    for override in overrides:
        apply(document, override)
    return document.value


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_scenario_is_fine_as_written_and_as_stored(
    name: str, editor: Draft202012Validator
) -> None:
    written = (resources.files("scenarios") / f"{name}.yaml").read_text(encoding="utf-8")
    for text in (written, dump(load(name))):
        assert list(editor.iter_errors(content(text))) == []


TAKEN = [
    "model=mlp",
    "failure_detection=none",
    "task.partition=iid",
    "protocols={mine: braintorrent, fedavg: {kind: braintorrent, peers: 3}, pooled: {}}",
    "protocols={mine: {kind: my_code.Gossip, fanout: 3}, other: my_code.Gossip}",
    "model={name: my_code.ResNet, depth: 3}",
    "clients.step_time={distribution: exponential, mean: 2 s}",
    "clients.step_time={device: a100, reference: 2 s, measured_on: raspberry_pi_4}",
    "clients.step_time={device: {phone_low: 0.5, phone_mid: 0.5}, reference: 2 s, "
    "measured_on: phone_high}",
    "clients.memory=4 GB",
    "costs={traffic: 0.09 / GB, energy_price: 0.3/kWh, computing_power: 1.5 kW, groups: {}}",
    "clients.groups={slow: {count: 2, step_time: 8 s}, far: {nodes: client_3..client_4}}",
    "faults.more={kind: slowdown, nodes: [client_1, client_2..client_3], factor: 2, at: 0 s, "
    "lasts: 1 s}",
    "faults.more={kind: slowdown, nodes: client_1, factor: 2, at: -0 s, lasts: 1.5e1 min}",
    "sweep={clients.count: 2:10:2, duration: [1 h, 2 h]}",
    "server=null",
    "task.data_seed=3",
    "protocols.braintorrent.peers=all",
    "protocols.braintorrent.topology=ring",
    "topology={kind: k_regular, degree: 3}",
    "topology={kind: edges, pairs: edges.csv}",
    "topology={kind: edges, pairs: [[0, 1], [client_1, client_2]]}",
    "faults.more={kind: leave, nodes: client_3, after_rounds: 5}",
    "faults.more={kind: churn, groups: [[client_0, server], [client_1..client_3]], preset: phones, "
    "daily: {peak: 15 h, swing: 0.5}}",
    "faults.more={kind: churn, nodes: clients, time_to_repair: 1 h, spread: 1, tied_to: samples, "
    "time_to_failure: {distribution: weibull, shape: 0.5, scale: 1 h}}",
    "network.transport=tcp",
    "network.transport={kind: tcp, window: endless}",
    "network={regions: {table: simblock2019, clients: {japan: 1.0}, server: japan}}",
    "network={regions: {table: mine.csv, clients: [a, b], spread: 0.1, begins: 20 h}}",
    "network={regions: {table: {a: {latency: {a: 1 ms}, utc_offset: -3 h}}, clients: a}}",
]
REFUSED = [
    "duration=30",
    "duration=0 s",
    "duration=-1 s",
    "duration=30 m",
    "duration=30 Mbit",
    "dureation=30 min",
    "seeds=3",
    "seeds=[]",
    "clients.count=0",
    "clients.step_time={device: a1000, reference: 2 s, measured_on: raspberry_pi_4}",
    "clients.step_time={device: {a100: 2}, reference: 2 s, measured_on: raspberry_pi_4}",
    "clients.step_time={device: a100, reference: 2 s}",
    "clients.memory=0 GB",
    "costs={traffic: 0.09 GB}",
    "costs={energy_price: 0.3 kWh}",
    "costs={computing_power: 15 Wh}",
    "clients.groups={server: {count: 2}}",
    "clients.groups={slow: {count: 2, steptime: 8 s}}",
    "network.uplink=20 Mbps",
    "network.packet_loss=2%",
    "network.sharing=max-min",
    "network.latency={distribution: normal, mean: 1 s}",
    "network={latency: 5 ms, uplink: 1 MB/s}",
    "network.transport=udp",
    "network.transport={kind: tcp, window: 4}",
    "network.transport={kind: tcp, latency_factor: 0.5}",
    "network.regions={clients: japan}",
    "network.regions={table: simblock2019, clients: {japan: 50}}",
    "network.regions={table: {a: {utc_offset: -3}}}",
    "network.regions={table: {a: {latency: 3 ms}}}",
    "model.name=resnet",
    "model=resnet",
    "task.partition=dirichlet",
    "task.partition.kind=dirichelt",
    "protocols.fedavgg.deadline=1 min",
    "protocols.fedavg.deadlin=1 min",
    "protocols.mine={kind: gossip}",
    "protocols.mine={}",
    "protocols={}",
    "faults.more={kind: chrash, node: server, at: 1 s}",
    "faults.more={kind: crash, node: server}",
    "faults.more={kind: crash, node: client3, at: 1 s}",
    "faults.more={kind: churn, nodes: [0, 1], failure_rate: 1 / h, mean_time_to_repair: 1 s}",
    "faults.more={kind: churn, nodes: clients, failure_rate: 2 h, mean_time_to_repair: 1 s}",
    "faults.more={kind: churn, nodes: clients, preset: phone}",
    "faults.more={kind: churn, nodes: clients, preset: phones, time_to_failure: gama}",
    "faults.more={kind: churn, nodes: clients, preset: phones, daily: {peak: 15 h, swing: 2}}",
    "faults.two words={kind: crash, node: server, at: 1 s}",
    "evaluation=1 min",
    "training.optimizer=SGD",
    "topology=erdos_renyi",
    "topology=star",
    "topology={kind: erdos_renyi, probability: 2}",
]


@pytest.mark.parametrize("override", TAKEN)
def test_an_editor_takes_what_is_fine(override: str, editor: Draft202012Validator) -> None:
    assert list(editor.iter_errors(content(dump(load("server_crash")), override))) == []


@pytest.mark.parametrize("override", REFUSED)
def test_an_editor_marks_what_is_wrong(override: str, editor: Draft202012Validator) -> None:
    assert not editor.is_valid(content(dump(load("server_crash")), override))


NUMBERS = (
    "1",
    "0",
    "20.",
    ".5",
    "1e3",
    "+2.5E-1",
    "-0",
    "-1",
    "1e",
    ".",
    "",
    "0.0",
    "00.5",
    "1 000",
)
UNITS = (
    *("s", "ms", "Ms", "seconds", "mins", "hs", "d", "weeks"),
    *("kB", "Kib", "KiB", "bits", "kilobytes"),
    *("Mbit/s", "B / h", "MB/min", "h/s", "B/B"),
    *("/ h", "1 / day", "1/ms", "/week", "per h", "1 h"),
    *("W", "kilowatts", "kWh", "/ kWh", "1/Wh", "/GB", "1 / bit", "W/s", "/ W"),
)


@pytest.mark.parametrize(
    ("base", "example"),
    [
        *(("s", "1 s"), ("B", "1 B"), ("B/s", "1 B/s"), ("1/s", "1 / s")),
        *(("W", "1 W"), ("1/B", "1 / B"), ("1/J", "1 / J")),
    ],
)
def test_a_quantity_fits_its_pattern_if_it_can_be_read(base: str, example: str) -> None:
    anything, above_zero = (
        Draft202012Validator({"pattern": pattern(base, zero=zero)}) for zero in (True, False)
    )
    for text in (
        f"{number}{space}{unit}" for number in NUMBERS for unit in UNITS for space in ("", " ")
    ):
        try:
            value = parse(text, base, example)
        except Refusal:
            value = -1.0
        assert anything.is_valid(text) == (value >= 0), text
        assert above_zero.is_valid(text) == (value > 0), text


def hints(described: Any) -> Iterator[Any]:
    """The examples and the default of one setting, however deep they stand in its alternatives."""
    if isinstance(described, dict):
        yield from described.get("examples", ())
        if "default" in described:
            yield described["default"]
        for alternative in described.get("anyOf", []):
            if alternative.get("type") != "object":
                yield from hints(alternative)


def test_what_an_editor_suggests_is_taken() -> None:
    suggested = 0
    for one in CLASSES:
        described = one.model_json_schema(schema_generator=Schema)["properties"]
        for name, field in one.model_fields.items():
            kind: Any = Annotated[field.annotation, None, *field.metadata]
            for value in hints(described[name]):
                TypeAdapter(kind).validate_python(value)
                suggested += 1
    assert suggested > 100


def test_the_line_that_names_the_schema_is_no_question(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    text = (resources.files("scenarios") / "no_faults.yaml").read_text(encoding="utf-8")
    path.write_text(f"# yaml-language-server: $schema=scenario.schema.json\n{text}")
    assert load(path) == load("no_faults")
