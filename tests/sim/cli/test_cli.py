"""The command line, with a fake simulation behind it: what it prints, writes and exits with."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from analysis import figures, trackers
from analysis.results import Results
from sim.cli import app
from sim.cli.reading import FIGURES
from sim.record.errors import ResultError, ScenarioError
from sim.record.rows import Operations, RunRecord, ScoreRow, TraceRow
from sim.results import folder as results
from sim.runs.playing import RunProgress
from sim.runs.session import Done, PointFolder, Progress, Session
from sim.scenario import Scenario
from sim.scenario.catalogue import SECTIONS, TEXTS, catalogue
from tests.analysis.folders import described, write_run
from tests.tables import traced

SCENARIO = """\
# Does the command line work?
name: tiny
duration: 10 min
seeds: [3, 5]
task: {name: digits, partition: {kind: iid}}
model: {name: mlp}
training: {optimizer: sgd, learning_rate: 0.05, batch_size: 32, local_epochs: 1}
clients: {count: 2, step_time: 1 s}
network: {latency: 20 ms, uplink: 20 Mbit/s, downlink: 100 Mbit/s, sharing: none}
faults:
  first: {kind: crash, node: client_1, at: 5 min}
protocols: {braintorrent: {}, local: {}}
evaluation: {every: 1 min, target: {metric: accuracy, value: 0.6}}
"""


ROOT = Path(__file__).parents[3]


class FakeWork:
    """Stands in for `sim.runs.session`: remembers its calls, learns at once, fails when told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[tuple[str, ...], tuple[int, ...], int | str]] = []
        self.failure: BaseException | None = None
        self.interrupts = False

    def check_data(self, scenarios: Iterable[Scenario], report: object = None) -> None:
        if self.failure:
            raise self.failure

    async def run_points(self, places: Sequence[PointFolder], session: Session, data: None) -> Done:
        await asyncio.sleep(0)
        if self.interrupts:
            raise KeyboardInterrupt
        for place in places:
            protocols, seeds = tuple(place.scenario.protocols), place.scenario.seeds
            self.calls.append((protocols, seeds, session.workers))
            pairs = [(protocol, seed) for protocol in protocols for seed in seeds]
            runs = [learned(protocol, seed) for protocol, seed in pairs]
            for number in range(1, len(pairs) + 1):
                counts = (number, number, len(pairs), 14, 14, 28, 28, 3.0, 0.0, True)
                latest = RunProgress("local seed 5", 600.0, 600.0, 7, 1, 1)
                session.progress(Progress(latest, *counts))
            results.write(
                place.folder, place.scenario, runs, wall_s=1.0, workers=0, operations=OPERATIONS
            )
        return Done(OPERATIONS)


OPERATIONS = Operations(3, 2, 1, 0, 30, 20, 20)


def learned(protocol: str, seed: int) -> results.RunTables:
    scores = [
        ScoreRow(protocol, seed, time_s, "client_0", "received", 1, 1, 0.0, metric, value, True)
        for time_s, value in ((0.0, 0.1), (300.0, 0.5), (600.0, 0.75))
        for metric in ("accuracy", "accuracy_validation")
    ]
    traces = [TraceRow(protocol, seed, 0.0, 2.0, "client_0", "train", "", 0)]
    return results.run_tables(RunRecord(protocol, seed, 600.0, 42, {}), scores, traced(traces))


@pytest.fixture
def simulation(monkeypatch: pytest.MonkeyPatch) -> FakeWork:
    fake = FakeWork()
    monkeypatch.setattr("sim.runs.session.check_data", fake.check_data)
    monkeypatch.setattr("sim.runs.sweep.prepared", lambda scenarios, _: fake.check_data(scenarios))
    monkeypatch.setattr("sim.runs.sweep.run_points", fake.run_points)
    return fake


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(SCENARIO)
    return "tiny.yaml"


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_run_writes_the_folder_and_prints_the_table(scenario: str, simulation: FakeWork) -> None:
    result = invoke("run", scenario, "--workers", "0")
    assert result.exit_code == 0, result.output
    assert simulation.calls == [(("braintorrent", "local"), (3, 5), 0)]
    assert "0.750" in result.stdout and "10 min" in result.stdout
    assert "+0.000" in result.stdout and "+0.250" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert "4/4 runs, 14 of 14 trainings and 28 of 28 evaluations done" in result.stderr
    assert "results in results/tiny" in result.stderr
    assert sorted(path.name for path in Path("results/tiny").iterdir()) == [
        *(".lock", "run.json", "scenario.yaml", "scores.parquet", "trace.parquet")
    ]


def test_a_finished_folder_is_shown_and_not_run_again(scenario: str, simulation: FakeWork) -> None:
    first = invoke("run", scenario, "--json")
    again = invoke("run", scenario, "--json")
    assert (again.exit_code, again.stdout) == (0, first.stdout)
    assert "finished already" in again.stderr
    assert len(simulation.calls) == 1


def test_an_unfinished_folder_is_done_again(scenario: str, simulation: FakeWork) -> None:
    invoke("run", scenario)
    Path("results/tiny/run.json").unlink()
    assert invoke("run", scenario).exit_code == 0
    assert len(simulation.calls) == 2


def test_the_kept_scenario_gives_the_same_tables(scenario: str, simulation: FakeWork) -> None:
    invoke("run", scenario, "--set", "clients.count=3", "--seed", "5")
    kept = Path("results/tiny")
    result = invoke("run", str(kept / "scenario.yaml"), "--out", "copy")
    assert result.exit_code == 0, result.output
    for name in ("scenario.yaml", "scores.parquet", "trace.parquet"):
        assert (kept / name).read_bytes() == Path("copy", name).read_bytes()


def test_out_may_begin_with_the_home(
    scenario: str, simulation: FakeWork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    assert f"results in {home / 'x'}\n" in invoke("run", scenario, "--out=~/x").stderr
    assert f"table in {home / 't.csv'}\n" in (
        invoke("table", str(home / "x"), "--format=csv", "--out=~/t.csv").stderr
    )
    assert not Path("~").exists()
    # Nobody's home: a folder of that name, and nothing beside it.
    assert "results in ~nobody-here/x\n" in invoke("run", scenario, "--out=~nobody-here/x").stderr
    assert len(list(Path("~nobody-here/x").glob("*.parquet"))) == 2


def test_where_results_are_is_told_in_one_line(scenario: str, simulation: FakeWork) -> None:
    told = invoke("run", scenario, "--out", "n\n\x1bl")
    assert "results in n\\n\\x1bl\n" in told.stderr
    assert invoke("status", "n\n\x1bl").stdout.startswith("n\\n\\x1bl: run of tiny\n")
    assert Path("n\n\x1bl", "run.json").exists()


def test_json_is_all_that_standard_output_holds(scenario: str, simulation: FakeWork) -> None:
    summary = json.loads(invoke("run", scenario, "--json").stdout)
    target = {"metric": "accuracy", "value": 0.6, "of": "mean", "stage": "received"}
    assert (summary["scenario"], summary["crash_s"], summary["target"]) == ("tiny", 300.0, target)
    line = summary["protocols"][0]
    assert line["protocol"] == "braintorrent"
    assert line["scores"]["mean"] == {"mean": 0.75, "low": 0.75, "high": 0.75, "count": 2}
    assert line["time_to_target_s"] == {"median_s": 600.0, "count": 2, "reached": 2}


def test_chosen_protocols_and_seeds_run_in_the_scenario_s_order(
    scenario: str, simulation: FakeWork
) -> None:
    chosen = ("--seed", "5", "--seed", "3", "--protocol", "local", "--workers", "2")
    assert invoke("run", scenario, *chosen).exit_code == 0
    assert simulation.calls == [(("local",), (3, 5), 2)]
    refused = invoke("run", scenario, "--seed", "3")
    assert refused.exit_code == 2
    assert "different scenario (protocols.braintorrent: " not in refused.stderr
    assert "different scenario (seeds: [3] was [3, 5]); allowed: " in refused.stderr
    assert "different scenario (seeds: " in invoke("run", scenario, "--seeds", "2").stderr
    grown = invoke("run", scenario)
    assert grown.exit_code == 0
    assert "what is there grows (protocols.braintorrent: " in grown.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--protocol", "fedavg"),
            "--protocol fedavg: not in the scenario; allowed: braintorrent, local",
        ),
        (("--seed", "4"), "--seed 4: not in the scenario; allowed: 3, 5"),
        (("--out", "tiny.yaml"), "--out tiny.yaml: is a file; allowed: a new or an empty folder"),
        (("--out", "."), "--out .: holds other files; allowed: a new or an empty folder"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    scenario: str, simulation: FakeWork, arguments: tuple[str, ...], message: str
) -> None:
    result = invoke("run", scenario, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == message + "\n"
    assert not simulation.calls and not Path("results").exists()


@pytest.mark.parametrize(
    "option", [("--seed", "x"), ("--workers", "x"), ("--workers", "-1"), ("--nonsense",)]
)
def test_a_malformed_option_exits_with_2(
    scenario: str, simulation: FakeWork, option: tuple[str, ...]
) -> None:
    result = invoke("run", scenario, *option)
    assert result.exit_code == 2
    assert option[0] in result.stderr and "Traceback" not in result.output


def test_mistaken_data_leaves_the_folder_to_the_corrected_scenario(
    scenario: str, simulation: FakeWork
) -> None:
    simulation.failure = ScenarioError("tiny.yaml:5:1: task: too few samples; allowed: more")
    result = invoke("run", scenario)
    assert (result.exit_code, result.stderr) == (2, f"{simulation.failure}\n")
    assert not Path("results/tiny").exists()
    simulation.failure = None
    assert invoke("run", scenario, "--set", "clients.count=3").exit_code == 0


def test_ctrl_c_exits_with_130_and_says_what_is_kept(scenario: str, simulation: FakeWork) -> None:
    simulation.interrupts = True
    result = invoke("run", scenario)
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr == (
        "interrupted: what is done is kept in results/tiny; the same command continues\n"
    )
    assert sorted(path.name for path in Path("results/tiny").iterdir()) == [
        *(".lock", "scenario.yaml")
    ]
    simulation.interrupts = False
    assert invoke("run", scenario).exit_code == 0


def test_ctrl_c_before_anything_was_written_says_so(scenario: str, simulation: FakeWork) -> None:
    simulation.failure = KeyboardInterrupt()
    for command in (("run", scenario), ("sweep", scenario, "--vary", "clients.count=2,3")):
        result = invoke(*command)
        assert (result.exit_code, result.stdout) == (130, "")
        assert result.stderr == "interrupted before anything was written\n"
    assert not Path("results").exists()


def test_check_goes_through_all_scenarios_and_reports_each_mistake(
    scenario: str, tmp_path: Path
) -> None:
    (tmp_path / "bad.yaml").write_text(SCENARIO.replace("10 min", "10"))
    result = invoke("check", "bad.yaml", "missing.yaml", scenario)
    assert result.exit_code == 2
    assert result.stdout == "tiny.yaml: ok, 2 clients, 2 protocols x 2 seeds\n"
    first, second = result.stderr.splitlines()
    assert first.startswith("bad.yaml:3:11: duration: ")
    assert second.startswith("missing.yaml:")


def test_check_says_in_which_regions_clients_stand(scenario: str) -> None:
    regions = "{table: simblock2019, clients: [japan, europe], server: japan}"
    result = invoke("check", scenario, "--set", f"network.regions={regions}")
    said = "tiny.yaml: ok, 2 clients, 2 protocols x 2 seeds; with seed 3: 1 in japan, 1 in europe\n"
    assert (result.exit_code, result.stdout) == (0, said)
    assert "caution: network.regions changes no link" in result.stderr


def test_check_tells_all_mistakes_of_all_scenarios_as_they_are_set(
    scenario: str, tmp_path: Path
) -> None:
    (tmp_path / "other.yaml").write_text(SCENARIO.replace("name: tiny", "name: other"))
    wrong = ("--set", "clients.count=0", "--set", "protocols.locl.x=1", "--set", "seeds=3")
    result = invoke("check", scenario, "other.yaml", *wrong)
    assert (result.exit_code, result.stdout) == (2, "")
    paths = [line.split(": ")[1] for line in result.stderr.splitlines()]
    assert paths == ["seeds", "clients.count", "protocols.locl"] * 2
    result = invoke("check", scenario, "other.yaml", "--set", "clients.count=3")
    assert (result.exit_code, result.stderr) == (0, "")
    assert [line.split(", ")[1] for line in result.stdout.splitlines()] == ["3 clients"] * 2


@pytest.mark.parametrize("command", ["run", "sweep"])
def test_a_run_is_refused_with_all_its_mistakes_and_writes_nothing(
    command: str, scenario: str, tmp_path: Path
) -> None:
    wrong = [f"faults.f{n}={{kind: crash, node: client_9, at: 1 s}}" for n in range(12)]
    result = invoke(command, scenario, *(part for one in wrong for part in ("--set", one)))
    lines = result.stderr.splitlines()
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(lines) == 11 and lines[10] == "and 2 more"
    assert "Traceback" not in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


def test_check_says_what_can_come_to_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    late = SCENARIO.replace("at: 5 min", "at: 10 min")
    Path("late.yaml").write_text(late, encoding="utf-8")
    result = invoke("check", "late.yaml")
    assert (result.exit_code, result.stderr) == (
        0,
        "late.yaml: caution: faults.first begins at 10 min, when the run of 10 min is over: "
        "it changes nothing\n",
    )


def test_check_reads_the_files_of_faults(scenario: str) -> None:
    away = "faults.away={kind: availability, file: /gone.csv, lists: up, unit: s}"
    result = invoke("check", scenario, "--set", away)
    assert result.exit_code == 2
    assert "faults.away.file: /gone.csv: no such file; allowed: " in result.stderr


def test_check_looks_at_the_data_only_when_asked(scenario: str, simulation: FakeWork) -> None:
    simulation.failure = ScenarioError("tiny.yaml:5:1: task: too few samples; allowed: more")
    assert invoke("check", scenario).exit_code == 0
    result = invoke("check", "--data", scenario)
    assert (result.exit_code, result.stderr) == (2, f"{simulation.failure}\n")


def test_list_names_every_choice_within_a_hundred_columns() -> None:
    lines = invoke("list").stdout.splitlines()
    assert max(map(len, lines)) <= 100
    sections = [line for line in lines if line and not line.startswith(" ")]
    assert sections == [*SECTIONS, *TEXTS]
    words = {line.split()[0] for line in lines if line.startswith("  ")}
    assert {"braintorrent", "fedavg", "churn", "digits", "cnn", "dirichlet"} <= words
    assert {"server", "training", "output", "lognormal", "server_crash"} <= words
    assert any("retry_initial" in line and "default 1.0 s" in line for line in lines)


def test_list_shows_one_kind_or_one_section() -> None:
    kind, question = invoke("list", "churn").stdout.split("\n\nshipped scenarios\n")
    assert question.startswith("  churn ")
    churn = kind.splitlines()
    assert churn[0] == "faults" and churn[1].startswith("  churn ")
    assert all(line.startswith("    ") for line in churn[2:])
    assert any(line.split()[0] == "mean_time_to_repair" for line in churn)
    faults = invoke("list", "faults").stdout.splitlines()
    assert set(churn) <= set(faults) and "protocols" not in faults
    assert invoke("list", "clients").stdout.startswith("parts of a scenario\n  clients ")
    assert "server_crash" in invoke("list", "shipped scenarios").stdout
    assert invoke("list", "cloud2024").stdout.startswith("tables of regions\n  cloud2024 ")


@pytest.mark.parametrize(("name", "near"), [("chrun", "churn"), ("protocol", "protocols")])
def test_list_says_what_may_have_been_meant(name: str, near: str) -> None:
    done = invoke("list", name)
    assert (done.exit_code, done.stdout) == (2, "")
    said = f"{name}: nothing is called so, did you mean {near}?; allowed: protocols, "
    assert done.stderr.startswith(said) and done.stderr.count("\n") == 1


def test_list_is_as_wide_as_the_terminal() -> None:
    lines = list(catalogue(width=72))
    assert 60 < max(map(len, lines)) <= 72
    wide = catalogue(width=100)
    assert "".join("".join(lines).split()) == "".join("".join(wide).split())


@pytest.mark.parametrize("command", ["list", "--help", "schema"])
def test_a_reader_who_goes_ends_it_without_a_word(command: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    arguments = [sys.executable, "-m", "braintorrent", command]
    done = subprocess.run(arguments, stdout=writer, stderr=subprocess.PIPE, cwd=ROOT, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b"")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("braintorrent run server_", ["server_crash", "server_recovers"]),
        ("braintorrent list chu", ["churn"]),
        ("braintorrent plot x --figure time", ["time_to_target", "timeline"]),
        ("braintorrent tab", ["table"]),
    ],
)
def test_a_shell_completes_names(words: str, found: list[str]) -> None:
    # What the script that --install-completion writes asks for.
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    asked["_BRAINTORRENT_COMPLETE"] = "complete_bash"
    done = CliRunner().invoke(app, prog_name="braintorrent", env=asked)
    assert done.stdout.split() == found


def test_figures_are_those_that_there_are() -> None:
    assert tuple(figures.FIGURES) == FIGURES


def test_trackers_are_told_after_the_results_are_written(
    scenario: str, simulation: FakeWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Results] = []

    def tell(found: Results) -> str:
        sys.stdout.write("a library that prints\n")
        told.append(found)
        return "somewhere"

    monkeypatch.setitem(trackers.TRACKERS, "mlflow", trackers.Tracker((), tell))
    plain = invoke("run", scenario, "--json")
    both = ("--track", "mlflow", "--track", "tensorboard", "--track", "mlflow")
    result = invoke("run", scenario, "--json", *both)
    assert (result.exit_code, result.stdout) == (0, plain.stdout)
    assert result.stderr.splitlines() == [
        "results in results/tiny",
        "a library that prints",
        "logged to mlflow: somewhere",
        "logged to tensorboard: results/tiny/tensorboard",
        "finished already; --seeds N, more values or a longer duration go on from there",
    ]
    assert [found.seeds for found in told] == [(3, 5)]


def test_what_trackers_leave_in_a_folder_does_not_block_it(
    scenario: str, simulation: FakeWork
) -> None:
    assert invoke("run", scenario, "--track", "tensorboard").exit_code == 0
    folder = Path("results/tiny")
    (folder / "mlruns").mkdir()
    tables = [(folder / name).read_bytes() for name in ("scores.parquet", "trace.parquet")]
    assert "finished already" in invoke("run", scenario).stderr
    # What is unfinished is continued, too.
    (folder / "run.json").unlink()
    assert invoke("run", scenario).exit_code == 0
    assert len(simulation.calls) == 2
    assert tables == [(folder / name).read_bytes() for name in ("scores.parquet", "trace.parquet")]
    assert {"mlruns", "tensorboard"} <= {path.name for path in folder.iterdir()}


def test_a_sweep_tells_trackers_of_all_points(scenario: str, simulation: FakeWork) -> None:
    vary = ("--vary", "clients.count=2,3", "--track", "tensorboard")
    for _ in range(2):
        result = invoke("sweep", scenario, *vary)
        assert result.exit_code == 0, result.output
        assert "logged to tensorboard: results/tiny_sweep/tensorboard" in result.stderr
    assert len(list(Path("results/tiny_sweep/tensorboard").glob("*/local/seed_3/*"))) == 2
    assert len(simulation.calls) == 2


@pytest.mark.parametrize("command", ["run", "sweep"])
def test_a_tracker_that_is_not_there_is_refused_before_any_work(
    scenario: str, simulation: FakeWork, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    unknown = invoke(command, scenario, "--track", "x")
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert unknown.stderr == "--track x: unknown; allowed: mlflow, tensorboard\n"
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    missing = invoke(command, scenario, "--track", "tensorboard")
    assert (missing.exit_code, missing.stdout) == (2, "")
    assert 'pip install ".[tensorboard]"' in missing.stderr
    assert missing.stderr.count("\n") == 1
    assert not simulation.calls and not Path("results").exists()


def test_a_tracker_that_fails_leaves_the_results(
    scenario: str, simulation: FakeWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(found: Results) -> str:
        raise ResultError("--track mlflow: cannot log to x: no")

    monkeypatch.setitem(trackers.TRACKERS, "mlflow", trackers.Tracker((), fail))
    result = invoke("run", scenario, "--track", "mlflow")
    assert result.exit_code == 2 and "0.750" in result.stdout
    assert result.stderr.endswith("--track mlflow: cannot log to x: no\n")
    assert "finished already" in invoke("run", scenario).stderr


def test_ctrl_c_while_a_tracker_is_told_says_where_the_results_are(
    scenario: str, simulation: FakeWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(found: Results) -> str:
        raise KeyboardInterrupt

    monkeypatch.setitem(trackers.TRACKERS, "mlflow", trackers.Tracker((), interrupt))
    result = invoke("run", scenario, "--track", "mlflow")
    assert result.exit_code == 130
    assert result.stderr.endswith(
        "interrupted: the results are in results/tiny; the same command logs them\n"
    )


def test_trace_writes_a_timeline_into_the_folder(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "out", described())
    result = invoke("trace", str(folder), "--protocol", "local", "--seed", "1")
    target = folder / "local-seed1.perfetto.json"
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"timeline in {target}; https://ui.perfetto.dev opens it\n"
    assert json.loads(target.read_text())["otherData"]["protocol"] == "local"
    elsewhere = tmp_path / "new" / "t.json"
    again = ("--seed", "1", "--protocol", "local", "--format", "perfetto", "--out", str(elsewhere))
    assert invoke("trace", str(folder), *again).exit_code == 0
    assert elsewhere.read_bytes() == target.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--protocol", "x"), "--protocol x: not in out; allowed: local, fedavg"),
        (("--protocol", "local"), "--seed: is needed, one of several; allowed: 0, 1"),
        (("--format", "svg"), "--format svg: unknown; allowed: perfetto"),
    ],
)
def test_a_timeline_that_is_not_there_is_one_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "out", described())
    result = invoke("trace", "out", *arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", message + "\n")
    missing = invoke("trace", "nowhere")
    assert missing.exit_code == 2 and missing.stderr.startswith("nowhere: no such folder; allowed")


def test_schema_is_json() -> None:
    schema = json.loads(invoke("schema").stdout)
    assert "protocols" in schema["properties"]


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["list"], ["schema"], ["check", "server_crash"]]
)
def test_quick_commands_import_neither_torch_nor_the_data_libraries(arguments: list[str]) -> None:
    assert imported(arguments).isdisjoint({"torch", "sklearn", "pandas", "pyarrow"})


@pytest.mark.slow
def test_a_run_imports_no_library_that_it_has_no_use_for(scenario: str, tmp_path: Path) -> None:
    found = imported(["run", str(Path(scenario).resolve()), f"--out={tmp_path / 'out'}"])
    unused = {"sklearn", "scipy.stats", "matplotlib", "plotly", "torch._inductor"}
    assert "torch" in found and found.isdisjoint(unused)


def imported(arguments: list[str]) -> set[str]:
    """The modules that a command has in the end."""
    script = (
        "import sys\n"
        "from sim.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "print('\\n', *sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())
