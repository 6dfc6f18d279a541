"""Sweeps: their points, the names of those, and every mistake that a sweep can hold."""

import itertools
import re
from pathlib import Path

import pytest

from models.networks import CnnSettings
from models.tasks import SyntheticSettings
from sim.faults.churn import Churn
from sim.record.errors import ScenarioError
from sim.record.points import point_names
from sim.scenario import Sweep, dump, dump_sweep, grid, load

RATE = "faults.churn.failure_rate"


def reloaded(sweep: Sweep, folder: Path) -> Sweep:
    path = folder / "sweep.yaml"
    path.write_text(dump_sweep(sweep), encoding="utf-8")
    return grid(str(path))


def with_sweep(folder: Path, section: str) -> str:
    """The path of a copy of `churn` that ends in ``sweep: ...``."""
    path = folder / "swept.yaml"
    path.write_text(dump(load("churn")) + "sweep:\n" + section, encoding="utf-8")
    return str(path)


def test_a_point_is_the_scenario_with_its_value() -> None:
    sweep = grid("churn", vary=[f"{RATE}=0 / h,3.6 / h"], seeds=5)
    assert sweep.vary == {RATE: ("0 / h", "3.6 / h")}
    assert [point.name for point in sweep.points] == [
        *("churn.failure_rate-0perh", "churn.failure_rate-3.6perh")
    ]
    assert [point.values for point in sweep.points] == [{RATE: 0.0}, {RATE: 0.001}]
    assert [point.written for point in sweep.points] == [{RATE: "0 / h"}, {RATE: "3.6 / h"}]
    fault = sweep.points[1].scenario.faults["churn"]
    assert isinstance(fault, Churn) and fault.rate_per_s == 0.001
    expected = load("churn", ["seeds=[0, 1, 2, 3, 4]", f"{RATE}=3.6 / h"])
    assert sweep.points[1].scenario == expected
    assert sweep.base == load("churn", ["seeds=[0, 1, 2, 3, 4]"])


def test_a_mapping_is_called_by_the_names_in_it_if_they_tell_all_apart() -> None:
    def crash(name: str, at: str) -> str:
        return f"{{{name}: {{kind: crash, node: server, at: {at}}}}}"

    sweep = grid("churn", vary=[f"faults={{}},{crash('one', '1 min')},{crash('two', '1 min')}"])
    assert [point.written["faults"] for point in sweep.points] == ["none", "one", "two"]
    assert [point.name for point in sweep.points] == ["faults-none", "faults-one", "faults-two"]
    assert grid(sweep.base.model_copy(update={"sweep": dict(sweep.vary)})).points == sweep.points
    early, late = crash("one", "1 min"), crash("one", "2 min")
    alike = grid("churn", vary=[f"faults={early},{late}"])
    assert [point.written["faults"] for point in alike.points] == [early, late]


def test_several_paths_are_crossed_and_the_last_changes_fastest() -> None:
    sweep = grid("churn", vary=["network.packet_loss=0:0.2:0.1", f"{RATE}=0 / h,1 / h"])
    assert [tuple(point.written.values()) for point in sweep.points] == list(
        itertools.product(("0", "0.1", "0.2"), ("0 / h", "1 / h"))
    )
    assert sweep.points[3].name == "network.packet_loss-0.1,churn.failure_rate-1perh"


def test_a_setting_at_its_default_and_one_in_a_list_may_be_varied() -> None:
    sweep = grid("churn", vary=["protocols.braintorrent.peers=1,2", "model.hidden.0=8,16"])
    assert [list(point.values.values()) for point in sweep.points] == [
        *([1, 8], [1, 16], [2, 8], [2, 16])
    ]
    optional = grid("server_crash", vary=["faults.server_crash.recovers_after=null,1 min"])
    assert [list(point.values.values()) for point in optional.points] == [["null"], ["1 min"]]


def test_a_protocol_s_own_training_may_be_varied_and_the_common_one_beside_it() -> None:
    sweep = grid(
        "churn", vary=["protocols.fedavg.training.learning_rate=0.1,0.2", "training.batch_size=8"]
    )
    trained = [point.scenario.training_of("fedavg") for point in sweep.points]
    assert [(one.learning_rate, one.batch_size) for one in trained if one] == [(0.1, 8), (0.2, 8)]
    assert {point.scenario.training_of("local") for point in sweep.points} == {
        load("churn", ["training.batch_size=8"]).training
    }


def test_values_that_are_no_scalars_stay_text() -> None:
    sweep = grid("churn", vary=["clients.step_time=1 s,{distribution: exponential, mean: 1 s}"])
    assert [list(point.values.values()) for point in sweep.points] == [
        *(["1 s"], ["{distribution: exponential, mean: 1 s}"])
    ]
    assert [point.name for point in sweep.points] == [
        *("clients.step_time-1s", "clients.step_time-distribution_exponential_mean_1s")
    ]
    assert sweep.units == {"clients.step_time": ""}


def test_quotation_marks_around_a_quantity_change_nothing() -> None:
    sweep = grid("churn", vary=["duration='3 min','6 min'", "network.latency=20 ms,'30 ms'"])
    assert sweep.units == {"duration": "s", "network.latency": "s"}
    assert sweep.points[3].values == {"duration": 360.0, "network.latency": 0.03}


def test_a_varied_kind_brings_its_own_defaults(tmp_path: Path) -> None:
    sweep = grid("churn", vary=["model.name=mlp,cnn"])
    assert isinstance(sweep.points[1].scenario.model, CnnSettings)
    assert reloaded(sweep, tmp_path) == sweep


def test_the_shipped_sweep_fails_server_and_clients_alike(tmp_path: Path) -> None:
    sweep = grid("failure_rate_sweep")
    assert sweep.base.name == "failure_rate_sweep" and len(sweep.base.seeds) >= 5
    rates = [point.values[RATE] for point in sweep.points]
    assert rates == [0.0, 2 / 3600, 4 / 3600, 8 / 3600, 16 / 3600]
    fault = sweep.base.faults["churn"]
    assert isinstance(fault, Churn) and fault.nodes == "all"
    assert {one.kind for one in sweep.base.protocols.values()} == {"braintorrent", "fedavg"}
    assert reloaded(sweep, tmp_path) == sweep


def test_the_shipped_sweep_of_skew_has_more_of_labels_of_features_and_of_both() -> None:
    sweep = grid("synthetic")
    skews = [tuple(point.values.values()) for point in sweep.points]
    assert skews == [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)]
    for point in sweep.points:
        # A mean of all weights alike would be no skew.
        assert isinstance(point.scenario.task, SyntheticSettings)
        assert point.scenario.task.means == "class"
    assert sweep.base.question is not None and sweep.base.question.endswith("?")


def test_nothing_varied_is_one_point() -> None:
    (point,) = grid("churn").points
    assert (point.name, point.values, point.scenario) == ("base", {}, load("churn"))


def test_the_file_s_sweep_is_merged_with_the_options(tmp_path: Path) -> None:
    path = with_sweep(tmp_path, f"  {RATE}: 0:4:2 / h\n  clients.count: [2, 4, ..., 8]\n")
    assert grid(path).vary == {RATE: ("0 / h", "2 / h", "4 / h"), "clients.count": tuple("2468")}
    merged = grid(path, vary=["clients.count=3", "network.packet_loss=0,0.5"])
    assert list(merged.vary.items())[1:] == [
        *(("clients.count", ("3",)), ("network.packet_loss", ("0", "0.5")))
    ]
    assert len(merged.points) == 6
    assert merged.base.sweep is None and load(path).sweep is not None
    assert load(path).model_copy(update={"sweep": None}) == load("churn")


@pytest.mark.parametrize(
    "vary",
    [
        [],
        [f"{RATE}=0:4:2 / h", "clients.count=2,4"],
        ["model={name: mlp},{name: cnn}"],
        ["model.hidden=[32],[32, 64]", "network.packet_loss=0.10,0.2"],
        ["faults.churn.loses_storage=true,false", "faults.churn.nodes=all,[client_1]"],
        ["evaluation.target=null,{metric: loss, value: 1}"],
        ["task.partition.kind=dirichlet,quantity"],
    ],
)
def test_what_is_written_reads_back_as_an_equal_sweep(vary: list[str], tmp_path: Path) -> None:
    sweep = grid("churn", ["duration=7 min"], vary, seeds=2, protocols=["fedavg"], only_seeds=[1])
    again = reloaded(sweep, tmp_path)
    assert again == sweep
    assert dump_sweep(again) == dump_sweep(sweep)
    assert sweep.base.seeds == (1,) and list(sweep.base.protocols) == ["fedavg"]


def test_a_sweep_file_reads_well() -> None:
    text = dump_sweep(grid("churn", vary=[f"{RATE}=0:4:2 / h", "network.packet_loss=0:0.2:0.1"]))
    assert text.endswith(
        "sweep:\n"
        "  faults.churn.failure_rate: [0 / h, 2 / h, 4 / h]\n"
        "  network.packet_loss: [0, 0.1, 0.2]\n"
    )


def test_data_mistakes_of_a_point_name_the_option() -> None:
    point = grid("churn", vary=["clients.count=2,9999"]).points[1]
    mistake = point.scenario.mistake(("task", "partition"), "no", "yes")
    assert str(mistake) == "--vary clients.count=9999: task.partition: no; allowed: yes"


SETTINGS = (
    "duration, task, model, training, clients, network, server, failure_detection, topology, "
    "faults, protocols, evaluation, stop_when, output"
)
MISTAKES = [
    (["x"], "--vary x: varies nothing; allowed: PATH=V1,V2,..."),
    (["=1"], "--vary =1: varies nothing"),
    (["a..b=1"], "--vary a..b=1: varies nothing"),
    (["duration="], "--vary duration=: duration: has no values; allowed: a list of values"),
    (["duration=1 h,"], "--vary duration=1 h,: duration: has an empty value"),
    (["duration=1:2:0"], "--vary duration=1:2:0: duration: '1:2:0' has a step of zero"),
    (["dur=1 s"], f"--vary dur: dur: no such setting, did you mean duration?; allowed: {SETTINGS}"),
    (["durations=1 s"], "--vary durations: durations: no such setting, did you mean duration?"),
    (["faults.x.at=1 s"], "--vary faults.x.at: faults.x: no such setting; allowed: churn"),
    (
        ["faults.churn.rate=1"],
        "--vary faults.churn.rate: faults.churn.rate: no such setting, did you mean failure_rate?; "
        "allowed: kind, nodes, groups, preset, failure_rate, mean_time_to_failure, ",
    ),
    (["model.hidden.1=3"], "--vary model.hidden.1: model.hidden.1: no such setting; allowed: 0"),
    (["seeds" + "9" * 5000 + "=1"], "--vary seeds9999"),
    (["model.hidden." + "9" * 5000 + "=1"], "--vary model.hidden.9999"),
    (["duration.x=1"], "--vary duration.x: duration.x: leads into a single value; allowed"),
    (
        ["stop_when.value=1"],
        "--vary stop_when.value: stop_when.value: the scenario has no stop_when; allowed: what",
    ),
    (["name=a,b"], f"--vary name: name: is not varied; allowed: {SETTINGS}"),
    (["seeds.0=1"], f"--vary seeds.0: seeds: is not varied; allowed: --seeds N, or {SETTINGS}"),
    (["sweep={}"], "--vary sweep: sweep: is not varied"),
    (["question=why"], "--vary question: question: is not varied"),
    (
        ["output.trace=all,none"],
        "--vary output.trace: output.trace: changes what tables tell, and nothing that happens; "
        "allowed: the same at all points",
    ),
    (["output={trace: rounds},{}"], "--vary output: output.trace: changes what tables tell, and"),
    (["evaluation.clients=3,all"], "--vary evaluation.clients: evaluation.clients: changes what"),
    (
        ["duration=1 h,5"],
        "--vary duration=5: duration: 5 needs a unit; allowed: ns, us, ",
    ),
    (["duration=*a"], "--vary duration=*a: duration: '*a' is no YAML value"),
    (
        ["network.packet_loss=0:1:0.5"],
        "--vary network.packet_loss=1: network.packet_loss: 1 is too large; allowed: less than 1",
    ),
    (
        ["clients.count=1", "duration=1 s,0 s"],
        "--vary duration=0 s: duration: is zero; allowed: more than zero",
    ),
    (
        ["clients.count=1", "evaluation.every=1 ms"],
        "--vary evaluation.every=1 ms: evaluation.every: evaluates too often for this duration; ",
    ),
    (
        ["faults.churn.mean_time_to_failure=1 h"],
        "--vary faults.churn.mean_time_to_failure=1 h: faults.churn: needs one time to failure",
    ),
    (
        ["task.partition.kind=iid"],
        "--vary task.partition.kind=iid: task.partition.alpha: unknown key; allowed: kind",
    ),
    (
        ["clients.count=3", "network.uplink=[1 kB/s, 2 kB/s]"],
        "--vary network.uplink=[1 kB/s, 2 kB/s]: network.uplink: lists 2 values; allowed: 3, one",
    ),
    (
        ["faults.churn.nodes=[client_3]", "clients.count=4,3"],
        "--vary faults.churn.nodes=[client_3]: faults.churn.nodes.0: client_3 does not exist; "
        "allowed: client_0 to client_2, or server",
    ),
    (
        ["duration=60 min,1 h"],
        "--vary duration: duration: '60 min' and '1 h' are the same value; allowed: each",
    ),
    (["clients.count=1,1"], "--vary clients.count: clients.count: '1' and '1' are the same value"),
    (
        ["duration=1 h", " duration =2 h"],
        "--vary duration: duration: is varied twice; allowed: each path once, with all its values",
    ),
    (
        ["model.hidden.0=1", "model={name: cnn}"],
        "--vary model.hidden.0: model.hidden.0: lies inside model, which is varied too",
    ),
    (
        ["clients.count=1:101:1", f"{RATE}=1:100:1 / h"],
        "sweep: has 10100 points; allowed: at most 10000 in one sweep",
    ),
]


@pytest.mark.parametrize(("vary", "start"), MISTAKES)
def test_a_mistaken_option_is_refused_in_one_line(vary: list[str], start: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        grid("churn", vary=vary)
    text = str(caught.value)
    assert text.startswith(start)
    assert "\n" not in text and "; allowed: " in text and not text.endswith("; allowed: ")


IN_FILES = [
    ("  clients.count: 1:5:0\n", ":18: sweep.clients.count: '1:5:0' has a step of zero"),
    ("  clients.count: []\n", ":18: sweep.clients.count: has no values"),
    ("  clients.count: {}\n", ":3: sweep.clients.count: is a mapping"),
    ("  clients.count: 0\n", ":18: sweep clients.count=0: clients.count: 0 is too small"),
    (
        "  dur: [1 s]\n",
        ":8: sweep dur: dur: no such setting, did you mean duration?; allowed: duration, task",
    ),
    ("  name: [a]\n", ":9: sweep name: name: is not varied"),
    ("  duration: [1 h, 60 min]\n", ":13: sweep duration: duration: '1 h' and '60 min' are the"),
    ("  [1]\n", ":3: sweep: a list is not a mapping"),
]


@pytest.mark.parametrize(("section", "what"), IN_FILES)
def test_a_mistaken_sweep_in_a_file_is_refused_with_its_line(
    section: str, what: str, tmp_path: Path
) -> None:
    path = with_sweep(tmp_path, section)
    line = Path(path).read_text(encoding="utf-8").splitlines().index("sweep:") + 2
    with pytest.raises(ScenarioError) as caught:
        grid(path)
    assert str(caught.value).startswith(f"{path}:{line}{what}")


def test_a_mistake_elsewhere_names_all_values_of_the_point() -> None:
    with pytest.raises(ScenarioError) as caught:
        grid("partition", vary=["duration=1 h,2 h", "clients.count=10,4"])
    assert str(caught.value) == (
        "--vary duration=1 h --vary clients.count=4: faults.partition.groups.0.4: "
        "client_4 does not exist; allowed: client_0 to client_3, or server"
    )


@pytest.mark.parametrize("seeds", [0, -1, 10**9])
def test_seeds_are_a_number_of_seeds(seeds: int) -> None:
    with pytest.raises(ScenarioError, match="is no number of seeds; allowed: 1 to 10000"):
        grid("churn", seeds=seeds)


def test_names_are_unique_portable_and_no_partitions() -> None:
    paths = ["faults.a.nodes", "faults.b.nodes"]
    texts = ["[client_1, client_2]", "[client_1,client_2]", "a=b/c\\d:e*", "A=B/c\\d:e*", "x" * 300]
    names = point_names(paths, list(itertools.product(texts, texts)))
    assert len({name.casefold() for name in names}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.,+-]{0,119}", name) for name in names)
    assert names == point_names(paths, list(itertools.product(texts, texts)))


@pytest.mark.parametrize(
    ("paths", "texts", "name"),
    [
        ([], [], "base"),
        (["duration"], ["1.5 h"], "duration-1.5h"),
        (["faults.server_crash.at"], ["3 min"], "server_crash.at-3min"),
        (["faults.churn.failure_rate"], ["0.5 / h"], "churn.failure_rate-0.5perh"),
        (["network.uplink"], ["20 Mbit/s"], "network.uplink-20Mbitpers"),
        (["a.b.c", "x.b.c"], ["1", "2"], "a.b.c-1,x.b.c-2"),
        (["a.b.c", "b.c"], ["-1", "1e-3"], "a.b.c--1,b.c-1e-3"),
    ],
)
def test_a_name_says_what_is_varied(paths: list[str], texts: list[str], name: str) -> None:
    assert point_names(paths, [texts]) == [name]


RATES = "training.learning_rate=0.1,0.2"


def test_what_is_tuned_comes_from_the_file_and_the_options(tmp_path: Path) -> None:
    path = with_sweep(tmp_path, "  training.learning_rate: [0.1, 0.2]\n  clients.count: [2, 3]\n")
    with open(path, "a", encoding="utf-8") as file:
        file.write("tune: [training.learning_rate]\n")
    assert grid(path).base.tune == ("training.learning_rate",)
    tuned = grid(path, tune=["clients . count", "training.learning_rate"])
    assert tuned.base.tune == ("training.learning_rate", "clients.count")
    assert reloaded(tuned, tmp_path) == tuned
    assert grid("churn", vary=[RATES], tune=["training.learning_rate"]).base.tune is not None
    assert load(path).tune == ("training.learning_rate",)


def test_every_point_of_a_tuned_sweep_scores_the_validation_data_at_all_evaluated_stages() -> None:
    changes = ["evaluation.target.stage=trained"]
    for tune, stages in ((["training.learning_rate"], ("received", "trained")), ([], ("trained",))):
        sweep = grid("churn", changes, [RATES], tune=tune)
        assert {point.scenario.validated_stages for point in sweep.points} == {stages}


@pytest.mark.parametrize(
    ("sweep", "tune", "what"),
    [
        ("", "[training.learning_rate]", "a path that sweep or --vary gives several values"),
        (
            "sweep: {clients.count: [2, 3], duration: [1 h, 2 h]}\n",
            "[clients.count, training.learning_rat]",
            "clients.count, duration",
        ),
    ],
)
def test_what_is_not_varied_is_not_tuned(sweep: str, tune: str, what: str, tmp_path: Path) -> None:
    path, text = tmp_path / "tuned.yaml", dump(load("churn"))
    path.write_text(f"{text}{sweep}tune: {tune}\n", encoding="utf-8")
    line, wrong = len(f"{text}{sweep}".splitlines()) + 1, tune.strip("[]").split(", ")[-1]
    column = len("tune: ") + tune.index(wrong) + 1
    with pytest.raises(ScenarioError) as caught:
        grid(str(path))
    place = f"{path}:{line}:{column}: tune"
    assert str(caught.value) == f"{place}: {wrong!r} is not varied; allowed: {what}"


def test_a_mistaken_option_to_tune_names_the_axes() -> None:
    with pytest.raises(ScenarioError) as caught:
        grid("churn", vary=[RATES], tune=["clients.count"])
    assert str(caught.value) == (
        "--tune clients.count: tune: 'clients.count' is not varied; allowed: training.learning_rate"
    )
    with pytest.raises(ScenarioError, match="tune: is not varied; allowed: duration"):
        grid("churn", vary=["tune=[a],[b]"])


def test_who_asks_hears_how_many_points_have_been_looked_at() -> None:
    heard: list[tuple[int, int]] = []
    sweep = ["clients.count=2,3", "duration=1 min,2 min"]
    grid("no_faults", vary=sweep, checked=lambda points, of: heard.append((points, of)))
    assert heard == [(1, 4), (2, 4), (3, 4), (4, 4)]
