"""What struck the world: each beginning with its end, once for all protocols that met it."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis.disturbances import disturbances, struck_text
from analysis.loading import load
from sim.record.rows import ScoreRow, TraceRow
from tests.analysis.figures.looked_at import a_run, a_sweep, linear
from tests.analysis.folders import Run, described, score, trace, write_run


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
    rows = found(tmp_path).query("seed == 0").drop(columns=["seed", "factor"]).astype("object")
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
    assert struck_text(results, "base") == "client_0 leaves at 20 s"


def test_who_joins(tmp_path: Path) -> None:
    """Client 0 at a fixed time, client 1 drawn for each seed; under seed 1 never."""

    def joining(run: Run) -> Sequence[TraceRow]:
        fixed = trace(run, 20.0, "client_0", "join", cause="late")
        return [
            fixed,
            *([trace(run, 40.0, "client_1", "join", cause="drawn")] if not run[2] else []),
        ]

    def there(run: Run) -> Sequence[ScoreRow]:
        came_s = {"client_0": 20.0, "client_1": 70.0 if run[2] else 40.0}
        return [
            score(run, time_s, node, 0.5)._replace(member=time_s >= came_s[node])
            for time_s in (0.0, 30.0, 60.0)
            for node in came_s
        ]

    results = load(write_run(tmp_path, described(), lambda run: (there(run), joining(run))))
    rows = disturbances(results, "base").drop(columns="factor").astype("object")
    assert rows.where(rows.notna(), None).values.tolist() == [
        [0, "absent", "client_0", "late", 0.0, 20.0, True],
        [0, "absent", "client_1", "drawn", 0.0, 40.0, False],
        [1, "absent", "client_0", "late", 0.0, 20.0, True],
        [1, "absent", "client_1", None, 0.0, None, False],
    ]
    assert struck_text(results, "base") == (
        "client_0 joins at 20 s; client_1 joins at 40 s; client_1 never joins"
    )


def test_several_that_come_and_go(tmp_path: Path) -> None:
    def moving(run: Run) -> Sequence[TraceRow]:
        return [
            *(
                trace(run, 3.0 + 9.0 * (n + run[2]), f"client_{n}", "join", cause="in")
                for n in (0, 1)
            ),
            *(trace(run, 40.0 + 9.0 * n, f"client_{n}", "leave", cause="out") for n in (0, 1)),
        ]

    assert struck_text(a_run(tmp_path, events=moving), "base") == (
        "2 clients join from 3 to 21 s; 2 clients leave at 40 s and 49 s"
    )


def test_degraded_links(tmp_path: Path) -> None:
    """Twice as long, then, of both, only later, which no factor tells."""

    def slower(run: Run) -> Sequence[TraceRow]:
        return [
            trace(run, 10.0, "client_0", "degrade", cause="night", factor=2.0),
            trace(run, 20.0, "client_0", "degrade", cause="night", factor=1.0),
            *(trace(run, 30.0, f"client_{n}", "degrade", cause="far") for n in (0, 1)),
            *(trace(run, 50.0, f"client_{n}", "degrade", cause="far", factor=1.0) for n in (0, 1)),
        ]

    results = a_run(tmp_path, events=slower)
    rows = disturbances(results, "base").query("seed == 0")
    assert rows[["kind", "node", "start_s", "stop_s", "factor"]].values.tolist() == [
        ["degraded", "client_0", 10.0, 20.0, 2.0],
        ["degraded", "client_0", 30.0, 50.0, 1.0],
        ["degraded", "client_1", 30.0, 50.0, 1.0],
    ]
    assert struck_text(results, "base") == (
        "links of client_0 2 times slower 10 to 20 s; links of 2 clients slower 30 to 50 s"
    )


def test_what_fails_together(tmp_path: Path) -> None:
    def once(run: Run) -> Sequence[TraceRow]:
        return [trace(run, 9.0, f"client_{n}", "crash", cause="power") for n in (0, 1)]

    def often(run: Run) -> Sequence[TraceRow]:
        return [
            trace(run, 9.0 * k + 3.0 * back, f"client_{n}", kind, cause="power")
            for k in range(6)
            for back, kind in enumerate(("crash", "recover"))
            for n in ((0, 1) if k in (0, 2) else (0,))
        ]

    for name, events, text in (
        ("once", once, "2 clients down together 9 s to 1 min"),
        # That both are down at the start says nothing of why.
        ("often", often, "power: clients down 20 % of the time, up to 2 together"),
    ):
        assert struck_text(a_run(tmp_path / name, events=events), "base") == text


BOOM = "faults.boom={kind: crash, node: client_0, at: 50 s, of: process}"


def test_that_a_process_alone_was_down_is_told(tmp_path: Path) -> None:
    def ended(run: Run) -> Sequence[TraceRow]:
        return [
            trace(run, 20.0, "client_1", "crash", cause="churn"),
            trace(run, 50.0, "client_0", "crash", cause="boom"),
        ]

    assert struck_text(a_run(tmp_path, events=ended, changes=[BOOM]), "base") == (
        "client_1 down 20 s to 1 min; client_0 down 50 s to 1 min (process alone)"
    )


def test_whose_end_it_was_may_be_varied(tmp_path: Path) -> None:
    def ended(run: Run) -> Sequence[TraceRow]:
        return [trace(run, 50.0, "client_0", "crash", cause="boom")]

    results = a_sweep(tmp_path, "faults.boom.of=host,process", events=ended, changes=[BOOM])
    assert [struck_text(results, str(point)) for point in results.points["point"]] == [
        "client_0 down 50 s to 1 min",
        "client_0 down 50 s to 1 min (process alone)",
    ]


def test_nothing_has_struck(tmp_path: Path) -> None:
    results = a_run(tmp_path)
    assert disturbances(results, "base").empty
    assert struck_text(results, "base") == ""
