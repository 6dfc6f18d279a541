"""Metrics of real runs: they agree with the counters, with the command line, and with the clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.loading import load
from analysis.metrics.clients import of_model, over_clients
from analysis.metrics.losses import work_lost
from analysis.metrics.progress import final, progress_after_crash
from analysis.metrics.recovery import recovery_of_nodes
from analysis.metrics.states import outages, time_by_state
from analysis.metrics.targets import to_target
from analysis.metrics.work import cumulated
from analysis.results import KINDS, Results
from sim.cli.summary import ProtocolSummary, Spread, summarise
from sim.results import folder as written
from sim.runs.session import Session
from sim.runs.sweep import run_one
from sim.scenario import Scenario
from sim.scenario import load as scenario_of

CHANGES = (
    "clients.count=3",
    "duration=10 min",
    "seeds=[0, 1]",
    "evaluation.target.value=0.6",
    "faults={crash: {kind: crash, node: server, at: 4 min},"
    " churn: {kind: churn, nodes: clients, failure_rate: 20 / h, mean_time_to_repair: 1 min},"
    " dropout: {kind: client_dropout, probability: 0.1}}",
    "network.message_loss=0.05",
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
    assert kinds <= set(KINDS) and {"crash", "recover", "train_lost", "transfer_lost"} <= kinds


def test_work_is_what_the_counters_say(found: Results) -> None:
    scores, trace = found.scores(), found.trace()
    last = final(cumulated(trace, scores).assign(metric="none"))
    lost = work_lost(trace, scores)
    for own in (last, lost):
        for name in ("local_rounds", "local_rounds_lost"):
            assert own[name].tolist() == found.runs[name].tolist()
        assert own["bytes_received"].tolist() == found.runs["bytes_delivered"].tolist()


def test_scores_are_what_the_command_line_says(found: Results, scenario: Scenario) -> None:
    summary = summarise(
        scenario, written.read_scores(found.folder), written.read_traces(found.folder)
    )
    scores = found.scores(metric=found.metric)
    curves = over_clients(scores)
    last, gains = final(curves), progress_after_crash(curves, found.conditions["crash_s"])
    arrivals = to_target(curves, found.conditions["target"])
    assert found.crash_s == summary.crash_s and found.target == summary.target
    for line in summary.protocols:
        mine = {
            "mean_client": last.query("protocol == @line.protocol")["mean"],
            "worst_client": last.query("protocol == @line.protocol")["worst"],
            "aggregate": final(of_model(scores, "aggregate")).query("protocol == @line.protocol")[
                "value"
            ],
            "progress_after_crash": gains.query("protocol == @line.protocol")["value"],
            "time_to_target_s": arrivals.query("protocol == @line.protocol and reached")["value"],
        }
        for name, values in mine.items():
            assert spread(line, name) == pytest.approx((values.mean(), len(values)), nan_ok=True)


def spread(line: ProtocolSummary, name: str) -> tuple[float, int]:
    one: Spread | None = getattr(line, name)
    return (float("nan"), 0) if one is None else (one.mean, one.count)


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
