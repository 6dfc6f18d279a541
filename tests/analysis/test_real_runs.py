"""Metrics of real runs: they agree with the counters, with the rows, and with the clock."""

from pathlib import Path

import numpy as np
import pytest

from analysis.comparison import EQUALS, compared
from analysis.loading import load
from analysis.metrics.progress import final
from analysis.metrics.states import SHARES, outages, recovery_of_nodes, time_by_state
from analysis.metrics.work import cumulated, work_lost
from analysis.results import Results
from sim.record.rows import TRACE_KINDS
from sim.runs.session import Session
from sim.runs.sweep import run_one
from sim.scenario import Scenario
from sim.scenario import load as scenario_of
from tests.tables import read_scores

CHANGES = (
    "clients.count=3",
    "duration=10 min",
    "seeds=[0, 1]",
    "evaluation.target.value=0.6",
    "faults={crash: {kind: crash, node: server, at: 4 min},"
    " churn: {kind: churn, nodes: clients, failure_rate: 20 / h, mean_time_to_repair: 1 min},"
    " dropout: {kind: client_dropout, probability: 0.1}}",
    "network.packet_loss=0.05",
)


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return scenario_of("server_crash", CHANGES)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, scenario: Scenario) -> Results:
    folder: Path = tmp_path_factory.mktemp("real")
    session = Session(folder, 0, 1 << 30, lambda text: None, lambda progress: None)
    run_one(scenario, session)
    return load(folder)


def test_kinds_are_all_known(found: Results) -> None:
    kinds = set(found.trace()["kind"])
    assert (
        kinds <= set(TRACE_KINDS) and {"crash", "recover", "train_lost", "transfer_lost"} <= kinds
    )


def test_work_is_what_the_counters_say(found: Results) -> None:
    scores, trace = found.scores(), found.trace()
    last = final(cumulated(trace, scores).assign(metric="none"))
    lost = work_lost(trace, scores)
    for own in (last, lost):
        for name in ("local_rounds", "local_rounds_lost"):
            assert own[name].tolist() == found.runs[name].tolist()
        assert own["bytes_received"].tolist() == found.runs["bytes_delivered"].tolist()


def test_what_runs_come_to_is_what_their_rows_say(found: Results) -> None:
    rows = [row for row in read_scores(found.folder) if row.metric == found.metric]
    came_to = compared(found)
    for protocol in found.protocols:
        ends = [
            {row.node: row.value for row in rows if row.stage in ("received", None)
             and (row.protocol, row.seed, row.time_s) == (protocol, seed, found.duration_s)}
            for seed in found.seeds
        ]  # fmt: skip
        learners = [
            [value for node, value in end.items() if node not in ("server", "aggregate")]
            for end in ends
        ]
        for name, values in (
            ("mean", [np.mean(one) for one in learners]),
            ("worst", [min(one) for one in learners]),
            ("aggregate", [end["aggregate"] for end in ends]),
        ):
            one = came_to.means[name]["base", protocol]
            assert one.count == len(found.seeds) and one.mean == pytest.approx(np.mean(values))
    # A round makes another model of what was received.
    means = came_to.means
    assert means["mean"]["base", "fedavg"] != means["mean_trained"]["base", "fedavg"]
    assert means["mean"]["base", "local"] == means["mean_trained"]["base", "local"]
    assert {one.equal for one in came_to.contrasts if one.protocol == "braintorrent"} == {*EQUALS}
    shares = sum(came_to.runs[name] for name in SHARES)
    np.testing.assert_allclose(shares, 1.0)


@pytest.mark.parametrize("until_s", [None, 300.0])
def test_states_add_up_to_the_clock(found: Results, until_s: float | None) -> None:
    scores, trace = found.scores(metric="loss"), found.trace()
    states = time_by_state(trace, scores, until_s=until_s)
    # Three protocols of three clients, one of them with a server; and the pooled machine.
    assert len(states) == len(found.seeds) * (3 * 3 + 1 + 1)
    parts = states[["down_s", "computing_s", "communicating_s", "idle_s"]]
    assert (parts >= 0).all(axis=None)
    np.testing.assert_allclose(parts.sum(axis=1), states["span_s"])
    assert (states["span_s"] == (until_s or found.duration_s)).all()
    # Who learns alone never waits; but for the round that runs at the end, all is told.
    alone = states[states["protocol"] == "local"]
    assert (alone["communicating_s"] == 0).all()
    if until_s is not None:
        np.testing.assert_allclose(alone["idle_s"], 0.0, atol=1e-6)


def test_all_protocols_meet_the_same_failures(found: Results) -> None:
    down = outages(found.trace(), found.scores(metric="loss"))
    clients = down[down["node"] != "server"]
    runs = {
        protocol: rows.drop(columns="protocol").reset_index(drop=True)
        for protocol, rows in clients.groupby("protocol", observed=True)
    }
    assert set(runs) == {"braintorrent", "fedavg", "local"}
    for rows in runs.values():
        assert rows.equals(runs["local"])
    recovered = recovery_of_nodes(found.trace(), found.scores(metric="loss"))
    assert len(recovered) == down["recovered"].sum() and (recovered["value"] >= 0).all()
