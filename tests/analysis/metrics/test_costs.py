"""Energy and costs of hand-made runs, worked out by hand."""

import math
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import analysis
from analysis.comparison import compared
from analysis.metrics import costs
from analysis.report.tables import tables_of, words
from analysis.results import Results
from analysis.tables.closing import closing_table
from sim.cli.summary import as_dict
from sim.cli.tables import closing_tables
from sim.record.errors import ResultError
from sim.scenario import grid
from tests.analysis.folders import described, write_run, write_sweep
from tests.analysis.made import (
    Event,
    crash,
    event,
    lost,
    plain,
    recover,
    scores,
    sent,
    together,
    trace,
    train,
)

TWO = {"client_0": [0.0, 0.5, 1.0], "client_1": [0.0, 0.5, 1.0], "aggregate": [0.0, 0.5, 1.0]}
SERVED = {**TWO, "server": [0.0, 0.5, 1.0]}
POWERS = {"computing_power": "10 W", "idle_power": "2 W"}
KWH = 3.6e6


def settings(clients: int = 2, /, **priced: Any) -> dict[str, Any]:
    server = {"aggregation_time": "5 s"}
    return {"costs": priced, "clients": {"count": clients, "groups": {}}, "server": server}


def merge(time_s: float, duration_s: float, node: str) -> Event:
    return event(time_s, duration_s, node, "merge", peers=("client_1",))


def served(node: str, time_s: float, updates: int) -> Event:
    return event(time_s, 20.0, node, "round", round=0, updates=updates)


HAPPENED = (
    train(0.0, 40.0, "client_0"),
    merge(40.0, 5.0, "client_0"),
    lost(60.0, 20.0, "client_0"),
    crash(80.0, "client_0"),
    recover(100.0, "client_0"),
    sent(45.0, 10.0, "client_0", "client_1", 1000),
    sent(60.0, 10.0, "client_1", "client_0", 500),
    sent(70.0, 10.0, "client_1", "client_0", 9999, "receiver_down"),
)


def test_energy_is_what_was_drawn_computing_and_idling_while_up() -> None:
    found = costs(trace(*HAPPENED), scores(TWO), settings(**POWERS))
    # Of 120 s client 0 computes 65 s and is down 20 s; client 1 only idles.
    joules = 65 * 10 + 35 * 2 + 120 * 2
    assert plain(found, "energy_kwh") == [pytest.approx(joules / KWH)]
    assert math.isnan(found["cost"][0])


def test_costs_are_of_energy_and_of_bytes_that_arrived() -> None:
    prices = {"traffic": "0.09 / kB", "energy_price": "0.25 / Wh"}
    found = costs(trace(*HAPPENED), scores(TWO), settings(**POWERS, **prices))
    assert plain(found, "cost") == [pytest.approx(0.09 * 1.5 + 0.25 * 960 / 3600)]
    found = costs(trace(*HAPPENED), scores(TWO), settings(traffic="0.09 / kB"))
    assert plain(found, "cost") == [pytest.approx(0.09 * 1.5)]
    assert math.isnan(found["energy_kwh"][0])


def test_groups_draw_otherwise() -> None:
    groups = {"far": {"nodes": ["client_0"]}, "near": {"count": 1}}
    own = {"far": {"computing_power": "100 W"}, "near": {"idle_power": "1 W"}}
    priced = settings(**POWERS, groups=own)
    priced["clients"]["groups"] = groups
    found = costs(trace(*HAPPENED), scores(TWO), priced)
    assert plain(found, "energy_kwh") == [pytest.approx((65 * 100 + 35 * 2 + 120 * 1) / KWH)]


def test_a_server_draws_for_each_update_and_standbys_while_they_are_up() -> None:
    happened = trace(
        served("server", 0.0, 2),
        sent(20.0, 5.0, "server", "standby_1", 100),
        crash(60.0, "server"),
        event(65.0, 5.0, "standby_1", "lead", asked=2, answered=2),
        served("standby_1", 70.0, 1),
    )
    powers = {"server_computing_power": "100 W", "server_idle_power": "10 W"}
    found = costs(happened, scores(SERVED), settings(**powers))
    # The server is up for 60 s and averages 2 x 5 s, the standby for 120 s and 5 s.
    joules = 10 * 100 + 50 * 10 + 5 * 100 + 115 * 10
    assert plain(found, "energy_kwh") == [pytest.approx(joules / KWH)]


def test_the_pooled_machine_draws_what_all_clients_would() -> None:
    pooled = scores({"pooled": [0.0, 0.5, 1.0]})
    found = costs(trace(train(0.0, 90.0, "pooled")), pooled, settings(3, **POWERS))
    assert plain(found, "energy_kwh") == [pytest.approx(3 * (90 * 10 + 30 * 2) / KWH)]


def test_each_run_has_its_own_and_one_without_events_idles() -> None:
    both = together(scores(TWO), scores(TWO, seed=1))
    found = costs(trace(*HAPPENED), both, settings(**POWERS))
    assert plain(found, "seed", "energy_kwh") == [
        (0, pytest.approx(960 / KWH)),
        (1, pytest.approx(480 / KWH)),
    ]


def test_without_prices_and_powers_nothing_is_told() -> None:
    for told in ({}, {"costs": None}):
        found = costs(trace(*HAPPENED), scores(TWO), told)
        assert found[["energy_kwh", "cost"]].isna().all(axis=None)
    with pytest.raises(ResultError, match="costs: can't be read: "):
        costs(trace(*HAPPENED), scores(TWO), settings(traffic="cheap"))


# -- in tables -----------------------------------------------------------------------------------

PRICED = "costs={computing_power: 36 kW, energy_price: 0.5 / kWh, traffic: 1 / MB}"
"""Each client trains for a second: 10 Wh."""


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return analysis.load(write_run(tmp_path_factory.mktemp("priced"), described(PRICED)))


def test_the_closing_table_has_the_mean_and_its_interval_over_seeds(priced: Results) -> None:
    local = closing_table(priced).to_dict("records")[0]
    assert (local["energy_kwh"], local["cost"]) == (pytest.approx(0.02), pytest.approx(0.01))
    assert (local["energy_kwh_low"], local["energy_kwh_n"]) == (pytest.approx(0.02), 2)
    told = as_dict(priced, compared(priced))["protocols"][0]["costs"]
    assert told["cost"]["mean"] == pytest.approx(0.01)


def test_people_read_energy_and_costs(priced: Results) -> None:
    found = compared(priced)
    console = Console(width=200)
    with console.capture() as capture:
        console.print(closing_tables(priced, found))
    assert "energy, cost: of all machines" in capture.get()
    work = tables_of(priced, found)["work"]
    cells = dict(zip(work.columns, work.rows[0], strict=True))
    assert (cells["energy, kWh"], cells["cost"]) == ("0.0200", "0.0100")
    assert "energy, cost" in dict(words(found))


@pytest.mark.slow
def test_what_is_varied_costs_what_it_costs_at_each_point(tmp_path: Path) -> None:
    base = ["clients.count=2", "duration=1 min", "protocols={local: {}}", PRICED]
    sweep = grid("churn", base, ["costs.computing_power=36 kW,72 kW"], 1)
    found = closing_table(analysis.load(write_sweep(tmp_path, sweep)))
    assert found["energy_kwh"].tolist() == pytest.approx([0.02, 0.04])
