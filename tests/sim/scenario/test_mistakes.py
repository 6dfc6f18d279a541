"""Malformed scenarios, one mistake each: one line with the place, the path, what and allowed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from braintorrent.testing.trials import Idle
from models.training import TrainingSettings
from sim.faults import FAULTS
from sim.protocols import PROTOCOLS
from sim.record.errors import ScenarioError
from sim.scenario import grid, load

SCENARIO = """\
# Does training survive the loss of the server?
name: server_crash
duration: 30 min
seeds: [0, 1, 2]
task: {name: digits, partition: {kind: dirichlet, alpha: 0.3}}
model: {name: mlp}
training: {optimizer: sgd, learning_rate: 0.05, batch_size: 32, local_epochs: 2}
clients:
  count: 10
  step_time: {distribution: lognormal, median: 0.5 s, sigma: 0.6}
network:
  latency: {distribution: uniform, low: 20 ms, high: 150 ms}
  uplink: 20 Mbit/s
  downlink: 100 Mbit/s
  sharing: max_min
server: {uplink: 1 Gbit/s, downlink: 1 Gbit/s, aggregation_time: 1 s}
faults:
  server_crash: {kind: crash, node: server, at: 10 min}
protocols:
  braintorrent: {schedule: independent}
  fedavg: {deadline: 2 min, minimum_fraction: 0.5}
  pooled: {}
  local: {}
evaluation: {every: 1 min, target: {metric: accuracy, value: 0.9}}
"""

TABLE = Path(__file__).with_name("mistakes.txt").read_text(encoding="utf-8").splitlines()
KNOWN = {"PROTOCOLS": ", ".join(PROTOCOLS), "FAULTS": ", ".join(FAULTS)}


def spelled_out(line: str) -> str:
    """A line of the table with the names that it means."""
    for short, names in KNOWN.items():
        line = line.replace(short, names)
    return line.strip()


LINES = [spelled_out(line) for line in TABLE if line and not line.startswith("#")]
CASES = list(zip(LINES[::2], LINES[1::2], strict=True))


def mistakes() -> Iterator[tuple[str, str, str]]:
    """What to replace in the scenario, by what, and how the message begins."""
    old = ""
    for change, message in CASES:
        if not change.startswith("--set "):
            before, new = (
                part.strip().encode().decode("unicode_escape") for part in change.split("=>")
            )
            old = before or old
            yield old, new, message


MISTAKES = list(mistakes())
OVERRIDES = [
    (change.removeprefix("--set "), message)
    for change, message in CASES
    if change.startswith("--set ")
]
FILES = [
    (b"", "1:1: (top): file is empty"),
    (b"# only a comment\n", "2:1: (top): file is empty"),
    (b"\x89PNG\r\n\x00\x1a", "1:1: (top): is a binary file"),
    (b"name: a\n# \xc3\xa4: M\xfcnchen", "2:7: (top): is no text in UTF-8, by byte 0xfc; allowed"),
    (b"# " + b"x" * 10_000_000, "1:1: (top): file is too large; allowed: up to 1000000 bytes"),
    (b"just text\n", "1:1: (top): is not a scenario; allowed: a mapping"),
    (b"- a\n- b\n", "1:1: (top): is not a scenario; allowed: a mapping"),
    (b"name: a\r# b\x1b\n", "2:4: (top): unprintable character U+001B; allowed: printable text"),
    ("name: a\r\n# b\u2028c\nd: [\n".encode(), "2:4: (top): unprintable character U+2028; allowed"),
    (b"\xef\xbb\xbfname: a\r\n\tb: c", "2:1: (top): not valid YAML (a tab, where YAML takes only"),
    (
        "question: \N{PILE OF POO}\u5bbd a: b\n".encode(),
        "1:15: (top): not valid YAML (a second ': '",
    ),
    (b"name: [a\n", "2:1: (top): not valid YAML (a bracket is not closed)"),
    (b"name: [abc", "1:10: (top): not valid YAML (a bracket is not closed)"),
    (b"name: a\n? {b: c}\n", "2:3: (top): a key that is no name; allowed: names as keys"),
    (b"name: &a b\n", "1:7: name: an anchor; allowed: values written out, no & and *"),
    (b"name: a\n<<: *b\n", "2:5: <<: an alias; allowed: values written out, no & and *"),
    (b"name: a\n---\nname: b\n", "2:1: (top): a second document begins; allowed: one document"),
]


def complaint(path: Path | str, *overrides: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        load(path, overrides)
    text = str(caught.value)
    assert "\n" not in text
    assert "; allowed: " in text and not text.endswith("; allowed: ")
    assert "pydantic" not in text and "Input should" not in text
    return text


def test_there_are_enough_mistakes_and_the_scenario_has_none(tmp_path: Path) -> None:
    assert len(MISTAKES) + len(FILES) + len(OVERRIDES) >= 60
    path = tmp_path / "scenario.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    assert load(path).name == "server_crash"


@pytest.mark.parametrize(
    ("old", "new", "message"), MISTAKES, ids=[f"{old} => {new}" for old, new, _ in MISTAKES]
)
def test_a_mistake_is_told_in_one_line(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert SCENARIO.count(old) == 1
    path = tmp_path / "scenario.yaml"
    path.write_text(SCENARIO.replace(old, new), encoding="utf-8")
    assert complaint(path).startswith(f"{path}:{message}")


@pytest.mark.parametrize(("override", "message"), OVERRIDES)
def test_a_mistaken_override_is_named(override: str, message: str) -> None:
    assert complaint("server_crash", override).startswith(f"--set {override}: {message}")


def test_a_mistake_stands_within_its_line(tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_bytes(b"?\r\n" + SCENARIO.encode())
    assert told(path)[0].startswith(f"{path}:1:1: '': unknown key; allowed: name, ")


def test_a_path_of_very_many_digits_or_steps_leads_nowhere() -> None:
    seeds = complaint("no_faults", f"seeds.{'9' * 5000}=1")
    assert ": seeds.99999" in seeds and "9: no such entry; allowed: an entry from 0 to " in seeds
    assert "seeds.\N{DEVANAGARI DIGIT ONE}: no such entry" in complaint(
        "no_faults", "seeds.\N{DEVANAGARI DIGIT ONE}=1"
    )
    assert complaint("no_faults", "a." * 5000 + "b=1").endswith(
        "is no override; allowed: PATH=VALUE, e.g. duration=1 h"
    )


def test_suspicions_of_very_many_are_refused() -> None:
    wanted = ["clients.count=65", "evaluation.suspicions=true"]
    assert complaint("no_faults", *wanted).endswith(
        "evaluation.suspicions: each of 65 clients would be told of with each other; "
        "allowed: 64 clients at most, or false"
    )
    assert load("no_faults", ["clients.count=64", wanted[1]]).evaluation.suspicions


def told(path: Path | str, *overrides: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        load(path, overrides)
    return str(caught.value).splitlines()


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    changes = {
        "duration": "dureation",
        "alpha: 0.3": "alpha: -1",
        "node: server": "node: sever",
        "deadline: 2 min, ": "",
        "every: 1 min": "evry: 1 min",
    }
    text = SCENARIO
    for old, new in changes.items():
        text = text.replace(old, new)
    path = tmp_path / "scenario.yaml"
    path.write_text(text, encoding="utf-8")
    lines = told(path, "training.batch_size=x", "oops", "network.packet_loss=0.1")
    assert [line.partition("; ")[0] for line in lines] == [
        f"{path}:3:1: dureation: unknown key, did you mean duration?",
        f"{path}:5:58: task.partition.alpha: -1 is too small",
        f"{path}:18:37: faults.server_crash.node: 'sever' is not a node, did you mean server?",
        # The faults are wrong, but for this the loss is enough.
        f"{path}:21:3: protocols.fedavg.deadline: is missing, but faults or loss can stall a round",
        f"{path}:24:14: evaluation.evry: unknown key, did you mean every?",
        "--set training.batch_size=x: training.batch_size: 'x' is not a whole number",
        "--set oops: is no override",
    ]


def test_what_the_whole_shows_is_told_together_too() -> None:
    lines = told(
        "server_crash",
        "seeds=[1, 1]",
        "model=unet",
        "clients.step_time=[1 s]",
        "faults.server_crash.node=client_99",
        "faults.more={kind: client_dropout, probability: 0.1}",
        "faults.more.nodes=[client_0, slow]",
        "evaluation.target.metric=acc",
        *("stop_when.metric=accuracy", "stop_when.value=2", "stop_when.stage=trained"),
        "evaluation.stages=[received]",
        "server=null",
    )
    assert [line.rpartition("; allowed")[0].partition(": ")[2] for line in lines] == [
        "protocols.fedavg: needs a server, and there is none",
        "seeds.1: 1 is listed twice",
        "clients.step_time: lists 1 values",
        "model: network `unet` gives one class per pixel, the task asks for one per image",
        "faults.server_crash.node: client_99 does not exist",
        "faults.more.nodes.1: 'slow' is neither a node nor a group",
        "evaluation.target.metric: 'acc' is none of the task's metrics, did you mean accuracy?",
        "stop_when.value: 2 can't be reached",
        "stop_when.stage: trained models are not looked at",
    ]


class Corrected(Idle):
    """Corrects its clients' gradients."""

    def check_training(self, training: TrainingSettings) -> None:
        training.check_correction()


def test_a_protocol_says_by_what_it_cannot_train(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROTOCOLS, "corrected", Corrected)
    ours = "protocols.corrected={}"
    what = "--set protocols.corrected={}: protocols.corrected: corrects gradients, "
    assert told("no_faults", ours, "training.optimizer=adam") == [
        what + "and adam would not step along them; allowed: training.optimizer: sgd"
    ]
    assert told("no_faults", ours, "training.arithmetic=batched") == [
        what + "which batched arithmetic can't; allowed: training.arithmetic: exact"
    ]
    own = "protocols.corrected={training: {optimizer: sgd}}"
    training = load("no_faults", [own, "training.optimizer=adam"]).training
    assert training and training.optimizer == "adam"


def test_a_network_that_does_not_fit_is_found_without_the_data() -> None:
    channels = "model.channels=[4, 4, 4, 4, 4, 4, 4, 4]"
    assert told("brains_quick", channels) == [
        "scenarios/brains_quick.yaml:6:15: model.name: network `unet` halves images 7 times, and "
        "they are 64x64 pixels; allowed: sides divisible by 128 that leave more than one pixel"
    ]


def test_who_was_told_a_size_that_does_not_fit_is_to_blame() -> None:
    mine = "task={name: nifti, scans: scans.csv, label_map: map.csv}"
    size, what = (
        "task.image_size=8",
        "network `unet` halves images {} times, and they are 8x8 pixels",
    )
    (blamed,) = told("brains_quick", mine, size)
    assert blamed.startswith(f"--set {size}: task.image_size: {what.format(3)}; allowed: sides")
    (blamed,) = told("brains_quick", mine, size, "model.channels=[4, 4, 4, 4, 4]")
    assert blamed.startswith(f"scenarios/brains_quick.yaml:6:15: model.name: {what.format(4)}; ")


def test_of_very_many_mistakes_ten_are_told() -> None:
    wrong = [f"faults.f{number}={{kind: crash, node: server, at: 10}}" for number in range(13)]
    lines = told("no_faults", *wrong)
    assert [line.partition(": faults")[0] for line in lines[:10]] == [
        f"--set {override}" for override in wrong[:10]
    ]
    assert lines[10:] == ["and 3 more"]


def test_the_mistakes_of_all_points_are_told_together() -> None:
    with pytest.raises(ScenarioError) as caught:
        grid("no_faults", vary=["seds=1", "clients.cuont=2", "clients.count=5"])
    assert [line.rpartition("; ")[0] for line in str(caught.value).splitlines()] == [
        "--vary seds: seds: no such setting",
        "--vary clients.cuont: clients.cuont: no such setting, did you mean count?",
    ]
    with pytest.raises(ScenarioError) as caught:
        grid("no_faults", vary=["clients.count=0,5,x", "duration=1 h,2 h,3 parsec"])
    assert [line.rpartition("; ")[0] for line in str(caught.value).splitlines()] == [
        "--vary clients.count=0: clients.count: 0 is too small",
        "--vary duration=3 parsec: duration: 'parsec' is not a unit that fits here",
        "--vary clients.count=x: clients.count: 'x' is not a whole number",
    ]


@pytest.mark.parametrize(("content", "message"), FILES)
def test_a_file_that_is_no_scenario(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_bytes(content)
    assert complaint(path).startswith(f"{path}:{message}")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").touch()
    path = tmp_path / "mien.yaml"
    meant = f"did you mean {tmp_path}/mine.yaml?"
    start = f"{path}: no such file or shipped scenario, {meant}; allowed: a YAML file, or "
    assert complaint(path).startswith(start)
    assert ", did you mean server_crash?; allowed: " in complaint("server-crash.yaml")
    assert complaint("nosuch").startswith("nosuch: no such file or shipped scenario; allowed: ")
    assert complaint(tmp_path).startswith(f"{tmp_path}:1:1: (top): is a folder")
    assert "server_crash" in complaint("no_such_scenario")
    assert complaint("a\0b.yaml").startswith("a b.yaml:1:1: (top): no such file; allowed: ")
