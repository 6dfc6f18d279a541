"""Worlds in which nobody learns, and what they tell of how many clients in which rows."""

import asyncio
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from analysis import load
from analysis.comparison import compared
from analysis.figures.timeline import timeline
from analysis.trace_export import export
from sim.compute import Unlearned
from sim.record.errors import ResultError, ScenarioError
from sim.record.rows import LEFT_OUT, LOOK
from sim.results.folder import finished_record
from sim.runs.session import Session, check_data
from sim.runs.sweep import run_one
from sim.scenario import Scenario
from sim.scenario import load as load_scenario
from tests.tables import read_scores, read_traces

LINKS = {"latency": "10 ms", "uplink": "10 Mbit/s", "downlink": "10 Mbit/s"}
CHURN = {
    "kind": "churn",
    "nodes": "clients",
    "failure_rate": "6 / h",
    "mean_time_to_repair": "1 min",
}
SERVER = {"uplink": "50 Mbit/s", "downlink": "50 Mbit/s", "aggregation_time": "0.1 s"}


def described(**changes: Any) -> Scenario:
    """Twelve clients for ten minutes."""
    return Scenario(
        **{
            "name": "world",
            "duration": "10 min",
            "seeds": [0],
            "task": {"name": "none", "model": "1 MB", "steps": 20},
            "clients": {"count": 12, "step_time": "1 s"},
            "network": LINKS,
            "server": SERVER,
            "faults": {"churn": CHURN},
            "protocols": {
                "braintorrent": {"peers": 4},
                "fedavg": {"deadline": "1 min"},
                "pooled": {},
            },
            "evaluation": {"every": "2 min"},
            **changes,
        }
    )


def ran(folder: Path, **changes: Any) -> Path:
    run_one(described(**changes), Session(folder, 0, 10**9, print, lambda _: None))
    return folder


def test_an_average_has_the_mean_of_the_rounds_that_went_into_it() -> None:
    lineage = Unlearned("rounds")
    once = lineage.trained(lineage.initial(), 0, 0)
    twice = lineage.trained(once, 0, 1)
    mixed = lineage.combined((once, twice), (0.75, 0.25))
    delta = lineage.direction((twice, lineage.initial()), (1.0, -1.0))
    stepped = lineage.combined((mixed, delta), (1.0, 0.5))

    async def rounds() -> list[float]:
        found = [await lineage.scored(one) for one in (once, twice, mixed, stepped)]
        return [each["rounds"] for each in found]

    assert asyncio.run(rounds()) == [1.0, 2.0, 1.25, 2.25]
    assert delta.is_direction and not mixed.is_direction
    assert mixed.inputs == ()  # So the past takes no memory.


def test_a_thinner_trace_has_fewer_rows_and_says_the_same_of_what_it_has(tmp_path: Path) -> None:
    folders = {
        detail: ran(tmp_path / detail, output={"trace": detail})
        for detail in ("all", "rounds", "none")
    }
    rows = {detail: read_traces(folder) for detail, folder in folders.items()}
    rounds = [row for row in rows["rounds"] if row.kind != LOOK]
    assert rounds == [row for row in rows["all"] if row.kind not in LEFT_OUT["rounds"]]
    looks = [row for row in rows["rounds"] if row.kind == LOOK]
    assert rows["none"] == looks and len(looks) == 3 * 6
    assert len({repr(read_scores(folder)) for folder in folders.values()}) == 1
    counters = [finished_record(folder)["runs"] for folder in folders.values()]
    assert counters[0] == counters[1] == counters[2]


@pytest.mark.slow
def test_tables_of_thinner_traces_are_the_same_but_for_what_they_lack(tmp_path: Path) -> None:
    folders = [ran(tmp_path / one, output={"trace": one}) for one in ("all", "rounds", "none")]
    whole, thin, thinnest = (compared(load(folder)) for folder in folders)
    told = ["local_rounds", "local_rounds_lost", "bytes_received"]
    assert whole.runs[told].equals(thin.runs[told]) and thin.runs[told].equals(thinnest.runs[told])
    assert whole.contrasts == thin.contrasts == thinnest.contrasts
    assert thin.runs["lost_share"].to_list() == pytest.approx(whole.runs["lost_share"].to_list())
    assert thin.runs["communicating"].isna().all()


def test_no_caution_is_drawn_from_what_a_trace_leaves_out(tmp_path: Path) -> None:
    (thin,) = (
        one["text"]
        for one in finished_record(ran(tmp_path, output={"trace": "none"}))["cautions"]
        if one["kind"] != "few seeds"
    )
    assert thin.startswith("the tables are thinned: nobody looked for never merged, aborted")


def told(folder: Path, clients: int, faults: dict[str, Any]) -> list[str]:
    """The cautions of so many clients."""
    few = {"count": clients, "step_time": "1 s"}
    ran(folder, clients=few, faults=faults, protocols={"braintorrent": {"peers": 4}})
    return [one["text"] for one in finished_record(folder)["cautions"]]


def test_cautions_speak_of_no_learning_where_there_is_none(tmp_path: Path) -> None:
    cut = {"kind": "partition", "groups": [["client_0"]], "at": "0 s", "heals_after": "1 h"}
    unheard, *_, seeds = told(tmp_path / "three", 3, {"cut": cut})
    assert unheard == "braintorrent: client_0 trained but took part in no merge"
    # Who is alone receives nothing, which is no matter of chance.
    assert told(tmp_path / "one", 1, {}) == [seeds]


def test_a_figure_of_what_a_trace_leaves_out_says_what_it_needs(tmp_path: Path) -> None:
    results = load(ran(tmp_path / "rounds", output={"trace": "rounds"}))
    with pytest.raises(ResultError, match=r"leave out transfer; needed: output: \{trace: all\}"):
        results.trace(kinds=["train", "transfer"])
    assert LOOK in results.trace()["kind"].to_list()
    export(results.folder, protocol="braintorrent")
    nothing = ran(tmp_path / "none", output={"trace": "none"})
    with pytest.raises(ResultError, match=r"leave out train, .*; needed: output: \{trace: all\}"):
        export(nothing, protocol="braintorrent")


def test_a_timeline_has_rows_of_those_that_are_scored(tmp_path: Path) -> None:
    results = load(ran(tmp_path, evaluation={"every": "2 min", "clients": 2}))
    (axis, *_) = timeline(results, protocol="braintorrent", until_s=120.0).axes
    assert len(axis.get_yticks()) == 2


def test_some_clients_are_scored_and_more_are_those_and_others(tmp_path: Path) -> None:
    all_rows = read_scores(ran(tmp_path / "all"))
    few, more = (
        read_scores(ran(tmp_path / str(count), evaluation={"every": "2 min", "clients": count}))
        for count in (3, 5)
    )
    names = [{row.node for row in rows if row.node.startswith("client")} for rows in (few, more)]
    assert (len(names[0]), len(names[1])) == (3, 5) and names[0] < names[1]
    assert {row.node for row in few} - names[0] == {"aggregate", "server", "pooled"}
    assert few == [row for row in all_rows if row.node in {one.node for one in few}]
    assert load(tmp_path / "3").sample_text == ", 3 of 12 clients scored"


@pytest.mark.slow
def test_the_work_of_all_clients_is_told_where_some_are_scored(tmp_path: Path) -> None:
    ran(tmp_path / "all")
    ran(tmp_path / "few", evaluation={"every": "2 min", "clients": 3})
    told, whole = (compared(load(tmp_path / name)).runs for name in ("few", "all"))
    for name in ("local_rounds", "bytes_received", "aggregate"):
        assert told[name].to_list() == whole[name].to_list()


def test_who_is_scored_is_drawn_anew_for_each_seed_and_is_all_if_there_are_few() -> None:
    drawn = described(evaluation={"every": "2 min", "clients": 4})
    assert Counter(len(drawn.scored(seed)) for seed in range(9)) == {4: 9}
    assert len({drawn.scored(seed) for seed in range(9)}) > 5
    few = described(evaluation={"every": "2 min", "clients": 40})
    assert few.scored(0) == frozenset(few.client_names)


def test_a_goal_is_that_of_the_clients_that_are_scored(tmp_path: Path) -> None:
    goal = {"metric": "rounds", "value": 5.0, "of": "worst", "stage": "trained"}
    evaluation = {"every": "30 s", "clients": 3}
    folder = ran(tmp_path, stop_when=goal, evaluation=evaluation, protocols={"braintorrent": {}})
    rows = [row for row in read_scores(folder) if row.metric == "rounds" and row.stage == "trained"]
    worst = {row.time_s: 1e9 for row in rows}
    for row in rows:
        worst[row.time_s] = min(worst[row.time_s], row.value)
    *before, last = worst.values()
    assert last >= 5.0 > max(before)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"model": {"name": "cnn"}}, "model: nothing is learned in task none; allowed: no section"),
        ({"output": {"keep_models": "final"}}, "output.keep_models: task none makes no models"),
        (
            {"protocols": {"local": {"training": {"local_steps": 3}}}},
            "protocols.local.training: nothing is learned in task none; allowed: no training",
        ),
        ({"task": {"name": "none", "model": "3 B", "steps": 1}}, "task.model: 3 B; allowed: 4 B"),
        (
            {"output": {"trace": "rounds"}, "costs": {"traffic": "0.1 / GB"}},
            "output.trace: rounds leaves out what costs count",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        described(**changes)
    assert complaint in str(refused.value)


def test_who_learns_says_in_what_and_how() -> None:
    digits = {"name": "digits", "partition": {"kind": "iid"}}
    with pytest.raises(ScenarioError) as refused:
        described(task=digits)
    assert [line.split("; ")[0] for line in str(refused.value).splitlines()] == [
        "Scenario: model: is missing",
        "Scenario: training: is missing",
    ]


def test_a_clients_local_round_takes_the_steps_of_the_task() -> None:
    facts = check_data([described()], print).facts(described(), "braintorrent", 0)
    assert facts.steps == (20,) * 12 and facts.samples == (1,) * 12
    assert 4 * facts.vector_length == 1_000_000


@pytest.mark.slow
def test_nothing_of_it_needs_the_libraries_that_learn(tmp_path: Path) -> None:
    file = tmp_path / "world.json"
    file.write_text(described(seeds=[0, 1]).model_dump_json(exclude_none=True))
    code = (
        "import sys; from sim.cli import app\n"
        f"app(['run', {str(file)!r}, '--out', {str(tmp_path / 'out')!r}], standalone_mode=False)\n"
        "sys.exit(', '.join({'torch', 'sklearn'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr.splitlines()[-1][:10]) == (0, "results in")


@pytest.mark.slow
def test_the_internet_in_small_tells_rounds_and_lags_of_those_it_scores(tmp_path: Path) -> None:
    world = load_scenario("internet", ["clients.count=40", "duration=3 h", "evaluation.clients=10"])
    run_one(world, Session(tmp_path, 0, 10**9, print, lambda _: None))
    rows = read_scores(tmp_path)
    assert len({row.node for row in rows}) == 11
    assert max(row.staleness for row in rows) > 0 and max(row.value for row in rows) > 1
    kinds = {row.kind for row in read_traces(tmp_path)}
    assert {"train", "merge", "crash", "recover", LOOK} <= kinds and not kinds & {
        "ping",
        "transfer",
    }
