"""What struck the world: each beginning with its end, once for all protocols that met it."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis.disturbances import disturbances, struck_text
from sim.record.rows import TraceRow
from tests.analysis.figures.looked_at import a_run, linear
from tests.analysis.folders import Run, trace


def struck(run: Run) -> Sequence[TraceRow]:
    """Client 0 is slow, then down; the network is in parts; only fedavg has a server to lose."""
    later = run[2] * 5.0
    rows = [
        trace(run, 5.0, "client_0", "slowdown", cause="slow", factor=3.0),
        trace(run, 8.0, "client_0", "slowdown", cause="slow", factor=1.0),
        trace(run, 10.0 + later, "client_0", "crash", cause="churn"),
        trace(run, 10.0 + later, "client_0", "storage_lost", cause="churn"),
        trace(run, 20.0 + later, "client_0", "recover", cause="churn"),
        trace(run, 30.0, "", "partition", cause="cut"),
    ]
    heals = trace(run, 40.0, "", "heal", cause="cut")
    lost = trace(run, 50.0, "server", "crash", cause="boom")
    # As if local had been stopped before the network was whole again.
    return [*rows, heals, lost] if run[1] == "fedavg" else rows


def found(tmp_path: Path) -> pd.DataFrame:
    values = {**linear(("base", "local", 0)), "server": [0.0] * 3}
    results = a_run(tmp_path, lambda run: values, struck)
    return disturbances(results, "base")


def test_each_beginning_has_its_end(tmp_path: Path) -> None:
    rows = found(tmp_path).query("seed == 0").drop(columns="seed").astype("object")
    assert rows.where(rows.notna(), None).values.tolist() == [
        ["slow", "client_0", "slow", 5.0, 8.0, True],
        ["client_down", "client_0", "churn", 10.0, 20.0, False],
        ["storage_lost", "client_0", "churn", 10.0, 10.0, False],
        ["partition", None, "cut", 30.0, 40.0, True],
        ["server_down", "server", "boom", 50.0, None, True],
    ]


def test_each_seed_has_its_own(tmp_path: Path) -> None:
    down = found(tmp_path).query("kind == 'client_down'")
    assert down[["seed", "start_s"]].values.tolist() == [[0, 10.0], [1, 15.0]]


def test_a_line_tells_of_all_of_it(tmp_path: Path) -> None:
    """Of two clients over a minute: one is down for 10 s under either seed, not at equal times."""
    values = {**linear(("base", "local", 0)), "server": [0.0] * 3}
    results = a_run(tmp_path, lambda run: values, struck)
    assert struck_text(results, "base") == (
        "client_0 slow 5 to 8 s; churn: clients down 8 % of the time, storage lost; "
        "network in parts 30 to 40 s; server down 50 s to 1 min"
    )


def test_what_strikes_often_is_told_as_a_share(tmp_path: Path) -> None:
    def often(run: Run) -> Sequence[TraceRow]:
        return [
            trace(run, 10.0 * place + 3.0 * down, "", kind, cause="cut")
            for place in range(5)
            for down, kind in enumerate(("partition", "heal"))
        ]

    text = struck_text(a_run(tmp_path, events=often), "base")
    assert text == "cut: network in parts 25 % of the time"


def test_who_has_left_is_not_called_down(tmp_path: Path) -> None:
    def leaving(run: Run) -> Sequence[TraceRow]:
        # Client 1 leaves after its rounds: not at the same time under both protocols.
        later_s = 5.0 * (run[1] == "fedavg")
        return [
            trace(run, 20.0, "client_0", "leave", cause="end"),
            trace(run, 30.0 + later_s, "client_1", "leave", cause="done"),
        ]

    results = a_run(tmp_path, events=leaving)
    rows = disturbances(results, "base").query("seed == 0")
    assert rows[["kind", "node", "cause", "start_s"]].values.tolist() == [
        ["left", "client_0", "end", 20.0]
    ]
    assert struck_text(results, "base") == "client_0 gone 20 s to 1 min"


def test_nothing_has_struck(tmp_path: Path) -> None:
    results = a_run(tmp_path)
    assert disturbances(results, "base").empty
    assert struck_text(results, "base") == ""
