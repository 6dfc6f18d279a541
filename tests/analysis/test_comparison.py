"""What runs come to, on folders of rows made by hand, and how it is written."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from analysis.comparison import (
    NONE,
    Arrival,
    Comparison,
    Contrast,
    chance_text,
    compared,
    cost_text,
    count_text,
    crossing_text,
    difference_text,
    holding,
    overtaking,
    score_text,
    share_text,
)
from analysis.loading import load
from analysis.metrics import SCORES, SHARES
from analysis.statistics import Crossing, Interval, mean_interval
from sim.record.rows import ScoreRow, TraceRow
from tests.analysis.folders import (
    RATE,
    Run,
    described,
    score,
    swept,
    trace,
    two_looks,
    write_run,
    write_sweep,
)

NAN = math.nan
VALIDATION = "accuracy_validation"
TARGET = "evaluation.target={metric: accuracy, value: 0.8}"

Looks = Mapping[float, Mapping[str, float]]
"""By time in seconds, the score of each node."""


def clients(*values: float) -> dict[str, float]:
    return {f"client_{index}": value for index, value in enumerate(values)}


def compared_runs(
    folder: Path,
    looks: Mapping[tuple[str, int], Looks],
    *changes: str,
    metric: str = "accuracy",
    events: Mapping[tuple[str, int], Sequence[TraceRow]] | None = None,
    failed: Sequence[Run] = (),
) -> Comparison:
    """The protocols and seeds of `looks`, with other nodes' rows where they are named."""
    protocols = ", ".join(
        f"{name}: {'{deadline: 1 min}' if name == 'fedavg' else '{}'}"
        for name in dict.fromkeys(name for name, _ in looks)
    )
    seeds = sorted({seed for _, seed in looks})
    scenario = described(f"seeds={seeds}", *changes, protocols=f"{{{protocols}}}")

    def rows(run: Run) -> tuple[Sequence[ScoreRow], Sequence[TraceRow]]:
        scores = [
            score(run, time_s, node, value, metric=name)
            for time_s, nodes in looks[run[1], run[2]].items()
            for node, value in nodes.items()
            for name in (metric, f"{metric}_validation")
        ]
        return scores, (events or {}).get((run[1], run[2]), [])

    return compared(load(write_run(folder, scenario, rows, failed=failed)))


def mean(found: Comparison, column: str, protocol: str) -> float:
    return found.means[column]["base", protocol].mean


def test_final_scores_are_of_the_last_look_with_student_s_interval_over_seeds(
    tmp_path: Path,
) -> None:
    looks = {
        ("local", 0): {0.0: clients(0.1, 0.1), 60.0: clients(0.5, 0.7) | {"server": 0.9}},
        ("local", 1): {0.0: clients(0.1, 0.1), 30.0: clients(0.55, 0.75)},
        ("local", 2): {0.0: clients(0.6, 0.8)},
    }
    found = compared_runs(tmp_path, looks)
    one = found.means["mean"]["base", "local"]
    # The tables' quantile for 2 degrees of freedom times the standard error of 0.6, 0.65 and 0.7.
    half_width = 4.302653 * 0.05 / math.sqrt(3)
    assert (one.mean, one.high - one.mean) == pytest.approx((0.65, half_width), rel=1e-5)
    assert one.count == 3
    assert mean(found, "worst", "local") == pytest.approx(0.55)
    assert found.means["aggregate"]["base", "local"].count == 0


def test_aggregate_is_its_own_row_and_the_pooled_model_the_only_client(tmp_path: Path) -> None:
    looks = {
        ("braintorrent", 0): {0.0: clients(0.2, 0.4) | {"aggregate": 0.6}},
        ("pooled", 0): {0.0: {"pooled": 0.9}},
    }
    found = compared_runs(tmp_path, looks)
    assert mean(found, "mean", "braintorrent") == pytest.approx(0.3)
    assert mean(found, "aggregate", "braintorrent") == 0.6
    for column in ("mean", "worst"):
        one = found.means[column]["base", "pooled"]
        assert (one.mean, one.count, math.isnan(one.low)) == (0.9, 1, True)


@pytest.mark.parametrize(
    ("arrivals_s", "expected"),
    [
        ((60.0, None), Arrival(60.0, 2, 1)),
        ((60.0, 30.0, 30.0, 60.0), Arrival(30.0, 4, 4)),
        # The mean of those that got there would be 30 s.
        ((None, 30.0, None, None), Arrival(NAN, 4, 1)),
        ((None,), Arrival(NAN, 1, 0)),
    ],
)
def test_the_time_to_target_is_the_median_of_all_seeds(
    tmp_path: Path, arrivals_s: Sequence[float | None], expected: Arrival
) -> None:
    """From the first look that reaches it, even if a later one falls back."""
    looks = {
        ("local", seed): {
            time_s: clients(0.8 if time_s == at else 0.7) for time_s in (0.0, 30.0, 60.0, 90.0)
        }
        for seed, at in enumerate(arrivals_s)
    }
    arrival = compared_runs(tmp_path, looks, TARGET).arrivals["base", "local"]
    assert arrival.median_s == pytest.approx(expected.median_s, nan_ok=True)
    assert (arrival.count, arrival.reached) == (expected.count, expected.reached)


def test_a_loss_is_better_when_lower(tmp_path: Path) -> None:
    looks = {("local", 0): {0.0: clients(2.0, 2.2), 60.0: clients(0.4, 1.0)}}
    changes = (
        "evaluation.target={metric: loss, value: 0.75}",
        "faults={first: {kind: crash, node: client_1, at: 10 s}}",
    )
    found = compared_runs(tmp_path, looks, *changes, metric="loss")
    assert mean(found, "worst", "local") == 1.0
    assert found.arrivals["base", "local"] == Arrival(60.0, 1, 1)
    assert mean(found, "progress", "local") == pytest.approx(1.4)


@pytest.mark.parametrize(
    ("crash_s", "expected"), [(29, 0.6), (30, 0.4), (45, 0.4), (60, NAN), (500, NAN)]
)
def test_progress_after_the_crash_starts_at_the_last_look_before_it(
    tmp_path: Path, crash_s: int, expected: float
) -> None:
    looks = {("local", 0): {0.0: clients(0.1), 30.0: clients(0.3), 60.0: clients(0.7)}}
    faults = f"a: {{kind: crash, node: client_1, at: {crash_s} s}}"
    late = "b: {kind: crash, node: client_1, at: 900 s}"
    found = compared_runs(tmp_path, looks, f"faults={{{late}, {faults}}}")
    assert mean(found, "progress", "local") == pytest.approx(expected, nan_ok=True)


def test_work_is_counted_per_protocol_and_averaged_over_seeds(tmp_path: Path) -> None:
    run = ("base", "fedavg", 0)
    busy = [
        *[trace(run, 1.0, "client_0", "train")] * 3,
        trace(run, 1.0, "client_0", "train_lost"),
        trace(run, 1.0, "client_0", "transfer")._replace(bytes=1000),
        trace(run, 1.0, "client_0", "transfer_lost")._replace(bytes=500),
    ]
    looks = {(name, seed): {0.0: clients(0.1)} for name in ("fedavg", "local") for seed in (0, 1)}
    found = compared_runs(tmp_path, looks, events={("fedavg", 0): busy})
    columns = ("local_rounds", "local_rounds_lost", "bytes_received")
    assert [mean(found, column, "fedavg") for column in columns] == [1.5, 0.5, 500.0]
    assert [mean(found, column, "local") for column in columns] == [0.0, 0.0, 0.0]


def test_differences_are_taken_in_pairs_of_one_seed(tmp_path: Path) -> None:
    finals = {"braintorrent": (0.2, 0.6, 0.0), "fedavg": (0.1, 0.5, 0.9)}
    looks = {
        (name, seed): {0.0: clients(value)}
        for name, values in finals.items()
        for seed, value in enumerate(values)
    }
    failed = [("base", "braintorrent", 2)]
    found = compared_runs(tmp_path, looks, failed=failed)
    assert found.baseline == "fedavg" and set(found.differences) == {("base", "braintorrent")}
    one = found.differences["base", "braintorrent"]
    assert one.count == 2 and one.mean == pytest.approx(0.1)
    assert one.high - one.low == pytest.approx(0.0, abs=1e-12)


def test_a_diverged_client_leaves_its_seed_out_and_is_counted(tmp_path: Path) -> None:
    looks = {("local", 0): {0.0: clients(1.0, NAN)}, ("local", 1): {0.0: clients(0.5, 0.25)}}
    found = compared_runs(tmp_path, looks)
    for column, value in (("mean", 0.375), ("worst", 0.25)):
        one = found.means[column]["base", "local"]
        assert (one.mean, one.count, one.left_out) == (value, 1, 1)


def staged(folder: Path, protocols: str, rows: Callable[[Run], Sequence[ScoreRow]]) -> Comparison:
    return compared(
        load(write_run(folder, described(protocols=protocols), lambda run: (rows(run), [])))
    )


def both_stages(run: Run) -> list[ScoreRow]:
    """Each client's two models, on all data and on its own kind; a reference has one model."""
    more = 0.01 * run[2]
    if run[1] == "local":
        return [score(run, 60.0, "client_0", 0.2 + more, stage=None)]
    served, found = run[1] == "fedavg", []
    for node, received, trained in (("client_0", 0.5, 0.3), ("client_1", 0.7, 0.4)):
        for stage, value in (("received", received - served / 4), ("trained", trained)):
            found += [
                score(run, 60.0, node, value + more, stage=stage),
                score(run, 60.0, node, value + 0.1, stage=stage, metric="accuracy_own_site"),
            ]
    found.append(score(run, 60.0, "aggregate", 0.8))
    return [*found, score(run, 60.0, "server", 0.6)] if served else found


def test_scores_of_equal_stages_are_compared(tmp_path: Path) -> None:
    protocols = "{braintorrent: {}, fedavg: {deadline: 1 min}, local: {}}"
    found = staged(tmp_path, protocols, both_stages)
    assert (found.stages, found.headline) == (("received", "trained"), "mean")
    assert {name: round(mean(found, name, "braintorrent"), 3) for name in SCORES[:3]} == {
        **{"mean": 0.605, "worst": 0.505, "own_site": 0.7}
    }
    assert [round(mean(found, name, "fedavg"), 3) for name in SCORES] == [
        *(0.355, 0.255, 0.45, 0.8, 0.6, 0.6),
        *(0.355, 0.305, 0.45),
    ]
    told = {key[1:]: round(one.mean, 3) for key, one in found.contrasts.items()}
    assert {
        score: told["braintorrent", "time", score] for score in SCORES if score != "server"
    } == {
        **{"mean": 0.25, "worst": 0.25, "own_site": 0.25, "aggregate": 0.0, "global_model": 0.2},
        **{"mean_trained": 0.0, "worst_trained": 0.0, "own_site_trained": 0.0},
    }
    # The reference's only stage is subtracted from either; it has no own site, and no server.
    own = {key[2]: value for key, value in told.items() if key[:2] == ("local", "time")}
    assert own == {"mean": -0.15, "worst": -0.05, "mean_trained": -0.15, "worst_trained": -0.1}
    assert found.differences == {
        ("base", name): found.contrasts[Contrast("base", name, "time", "mean")]
        for name in ("braintorrent", "local")
    }


def test_a_stage_that_was_not_evaluated_is_not_made_up(tmp_path: Path) -> None:
    protocols = "{braintorrent: {}, fedavg: {deadline: 1 min}, local: {}}"
    found = staged(
        tmp_path,
        protocols,
        lambda run: [row for row in both_stages(run) if row.stage != "received"],
    )
    assert (found.stages, found.headline) == (("trained",), "mean_trained")
    assert found.means["mean"]["base", "local"].count == 0
    assert found.differences["base", "braintorrent"].mean == pytest.approx(0.0)


def rising(rounds: int, each_bytes: int) -> Callable[[Run], tuple[Looks, list[TraceRow]]]:
    """Two clients' scores grow by 0.1 every 10 s, as do their rounds and bytes."""

    def made(run: Run) -> tuple[Looks, list[TraceRow]]:
        looks = {10.0 * look: clients(0.1 * look, 0.1 * look) for look in range(7)}
        happened = [
            row
            for look in range(6)
            for row in (
                *[trace(run, 10.0 * look, f"client_{n % 2}", "train") for n in range(rounds)],
                trace(run, 10.0 * look, "client_0", "transfer")._replace(
                    bytes=each_bytes, peer="client_1"
                ),
            )
        ]
        return looks, happened

    return made


def test_protocols_are_compared_at_equal_time_rounds_and_bytes(tmp_path: Path) -> None:
    # By 60 s braintorrent has done 12 rounds for 600 B, and fedavg 24 for 200 B.
    makers = {"braintorrent": rising(2, 100), "fedavg": rising(4, 34), "local": rising(1, 0)}
    runs = {(name, seed): makers[name](("base", name, seed)) for name in makers for seed in (0, 1)}
    found = compared_runs(
        tmp_path,
        {key: looks for key, (looks, _) in runs.items()},
        events={key: happened for key, (_, happened) in runs.items()},
    )
    told = {key[1:3]: one.mean for key, one in found.contrasts.items() if key.score == "mean"}
    # All that braintorrent does in rounds fedavg has done after 30 s; the reference has done less.
    # All that fedavg receives (204 B), braintorrent has received at 20 s.
    assert told == pytest.approx(
        {
            ("braintorrent", "time"): 0.0,
            ("braintorrent", "local_epochs"): 0.3,
            ("braintorrent", "bytes"): -0.4,
            ("local", "time"): 0.0,
            ("local", "local_epochs"): 0.3,
        }
    )
    assert found.amounts == {("base", "local_epochs"): 12.0, ("base", "bytes"): 204.0}
    assert found.effort == "local epochs"


def test_equal_time_ends_with_the_run_that_was_stopped_first(tmp_path: Path) -> None:
    looks = {
        ("braintorrent", 0): {0.0: clients(0.1), 30.0: clients(0.5)},
        ("fedavg", 0): {0.0: clients(0.1), 30.0: clients(0.2), 60.0: clients(0.9)},
    }
    found = compared_runs(tmp_path, looks)
    assert found.differences["base", "braintorrent"].mean == pytest.approx(0.3)
    assert mean(found, "mean", "fedavg") == 0.9


def test_epochs_are_those_of_each_protocol_s_own_rounds(tmp_path: Path) -> None:
    # By 60 s braintorrent has done 12 rounds of 2 epochs, and fedavg 24 rounds of 4.
    makers = {"braintorrent": rising(2, 1), "fedavg": rising(4, 1)}
    runs = {(name, 0): make(("base", name, 0)) for name, make in makers.items()}
    found = compared_runs(
        tmp_path,
        {key: looks for key, (looks, _) in runs.items()},
        "protocols.fedavg.training.local_epochs=4",
        events={key: happened for key, (_, happened) in runs.items()},
    )
    # Of its 8 epochs a client and look, fedavg has done no more than 12 after one look.
    one = found.contrasts[Contrast("base", "braintorrent", "local_epochs", "mean")]
    assert one.mean == pytest.approx(0.5)
    assert found.amounts["base", "local_epochs"] == 12.0


@pytest.mark.parametrize(
    ("of", "stage", "expected"),
    [("mean", "trained", 60.0), ("worst", "received", NAN), ("aggregate", "received", 0.0)],
)
def test_a_target_looks_at_its_own_score_on_validation_data(
    tmp_path: Path, of: str, stage: str, expected: float
) -> None:
    values = {"received": (0.9, 0.7), "trained": (0.9, 0.7)}

    def rows(run: Run) -> tuple[Sequence[ScoreRow], Sequence[TraceRow]]:
        found = []
        for time_s in (0.0, 60.0):
            for name, pair in values.items():
                late = 0.3 * (name == "trained" and time_s == 0)
                for node, value in clients(*pair).items():
                    value -= late
                    found.append(score(run, time_s, node, value, stage=name, metric=VALIDATION))
                    found.append(score(run, time_s, node, 1.0, stage=name))
            found.append(score(run, time_s, "aggregate", 0.8, metric=VALIDATION))
        return found, []

    target = f"{{metric: accuracy, value: 0.8, of: {of}, stage: {stage}}}"
    scenario = described(f"evaluation.target={target}", protocols="{braintorrent: {}}")
    found = compared(load(write_run(tmp_path, scenario, rows)))
    arrival = found.arrivals["base", "braintorrent"]
    assert arrival.median_s == pytest.approx(expected, nan_ok=True)


def test_shares_of_time_are_means_over_clients(tmp_path: Path) -> None:
    looks = {("local", 0): {0.0: clients(0.1, 0.1), 60.0: clients(0.2, 0.2)}}
    run = ("base", "local", 0)
    events = [trace(run, 0.0, "client_0", "train")._replace(duration_s=30.0),
              trace(run, 30.0, "client_1", "crash")._replace(duration_s=0.0)]  # fmt: skip
    found = compared_runs(tmp_path, looks, events={("local", 0): events})
    shares = {name: mean(found, name, "local") for name in SHARES}
    assert shares == {"computing": 0.25, "communicating": 0.0, "waiting": 0.5, "down": 0.25}


def test_overtaking_in_a_sweep_over_one_number(tmp_path: Path) -> None:
    """Fedavg is 0.2 ahead without failures, and 0.2 behind at 2 per hour."""
    ahead = {"0perh": 0.2, "2perh": -0.2}

    def rows(run: Run) -> tuple[Sequence[ScoreRow], Sequence[TraceRow]]:
        more = ahead[run[0].split("-")[1]] * (run[1] == "fedavg")
        return [score(run, 0.0, "client_0", 0.5 + more + 0.01 * run[2])], []

    results = load(write_sweep(tmp_path, swept(f"{RATE}=2 / h,0 / h", seeds=3), rows))
    ((one,),) = overtaking(results, compared(results)).values()
    assert one.at == pytest.approx(1 / 3600)
    assert crossing_text((one,), "1/s") == "1 / h (not told apart from 1 / h to 1 / h)"
    two = load(
        write_sweep(tmp_path / "two", swept(f"{RATE}=1 / h", "duration=1 min,2 min"), rows_of)
    )
    assert overtaking(two, compared(two)) == {}


def rows_of(run: Run) -> tuple[Sequence[ScoreRow], Sequence[TraceRow]]:
    return [score(run, 0.0, "client_0", 0.5)], []


def test_points_read_at_once_are_compared_as_each_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At some points only clients leave, bytes arrive, or one protocol has finished."""

    def rows(run: Run) -> tuple[Sequence[ScoreRow], Sequence[TraceRow]]:
        scores, happened = two_looks(run)
        more = run[2] + (run[1] == "fedavg")
        scores = [row._replace(value=row.value + 0.1 * more * row.time_s / 60) for row in scores]
        model = trace(run, 3.0 + more, "client_0", "transfer")
        delivered = [model._replace(peer="client_1", bytes=100)] if "1perh" in run[0] else []
        left = [trace(run, 9.0, "client_0", "leave", cause="late")] if "2perh" in run[0] else []
        return scores, [*happened, *delivered, *left]

    sweep = swept(f"{RATE}=1 / h,2 / h,3 / h,4 / h")
    names = [point.name for point in sweep.points]
    results = load(
        write_sweep(
            tmp_path, sweep, rows, failed=[(names[3], "fedavg", seed) for seed in (0, 1)],
            unfinished=[names[2]],
        )
    )  # fmt: skip
    found = compared(results)
    monkeypatch.setattr("analysis.comparison._ROWS_AT_ONCE", 1)
    alone = compared(results)
    assert found.runs.equals(alone.runs)
    for name in ("means", "contrasts", "amounts", "arrivals", "newcomers"):
        assert repr(getattr(found, name)) == repr(getattr(alone, name))
    assert {one.point for one in found.contrasts} == set(names[:2])
    assert [point for point, equal in found.amounts if equal == "bytes"] == names[:1]


NOTHING = Interval(math.nan, math.nan, math.nan, math.nan, 0, 1)
ONE = Interval(0.5, math.nan, math.nan, math.nan, 1, 0)
SURE = Interval(-0.12345, -0.2, -0.0469, 0.1, 5, 0)
CUT = Interval(0.97, 0.89, 1.0, 0.1, 5, 0)
PAIR = Interval(-0.5, -1.0, 1.0, 0.1, 2, 0)


def test_scores_and_differences() -> None:
    assert [score_text(one) for one in (NOTHING, ONE, SURE)] == ["–", "0.500", "-0.123 ±0.077"]
    assert [score_text(one) for one in (CUT, PAIR)] == ["0.970 ±0.080", "-0.500"]
    assert difference_text(PAIR) == "−0.500"
    assert [difference_text(one) for one in (NOTHING, ONE, SURE)] == [
        "–",
        "+0.500",
        "−0.123 ±0.077",
    ]


def test_what_holds_is_told_of_one_table(tmp_path: Path) -> None:
    sure, unsure = Interval(0.5, 0.4, 0.6, 0.1, 5, 0), Interval(0.1, 0.01, 0.19, 0.0725, 5, 0)
    # Alone it has a p-value of 0.037; of two, the larger of which is 0.0004, too.
    assert holding({"a": unsure}) == {"a"}
    assert holding({"a": unsure, "b": sure}) == {"a", "b"}
    assert holding({"a": unsure, "b": unsure}) == frozenset()
    assert holding({"a": ONE}) == frozenset()
    assert chance_text({"a": ONE}) == ""
    text = chance_text(dict.fromkeys(range(20), sure))
    assert text.startswith("of 20 differences 1 would have a 95 % interval without zero by chance")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ((), "nowhere"),
        ((Crossing(120.0, -math.inf, 240.0),), "2 min (not told apart from the lowest to 4 min)"),
        ((Crossing(1.0, NAN, NAN), Crossing(2.0, 1.5, math.inf)),
         "1 s and 2 s (not told apart from 1.5 s to the highest)"),
    ],
)  # fmt: skip
def test_where_protocols_are_level(found: tuple[Crossing, ...], expected: str) -> None:
    assert crossing_text(found, "s") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (count_text(1356.3), "1,356"),
        (count_text(math.nan), "–"),
        (share_text(0.0123), "1.2 %"),
        (share_text(math.nan), "–"),
    ],
)
def test_quantities(text: str, expected: str) -> None:
    assert text == expected


@pytest.mark.parametrize(
    ("amounts", "text"),
    [
        ([0.0158, 0.0162, 0.016], "0.0160 ±0.0005"),
        ([12345.0], "12,345"),
        ([1.0, 2.0], "1.50"),
        ([0.0, 0.0, 0.0], "0 ±0"),
        ([math.nan], NONE),
    ],
)
def test_energy_and_costs_have_three_digits(amounts: list[float], text: str) -> None:
    assert cost_text(mean_interval(amounts)) == text
