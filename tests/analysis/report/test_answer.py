"""The page's answer: who is ahead, by how much, and whether the seeds can tell."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from analysis.comparison import compared
from analysis.report.answer import answer
from analysis.report.tables import table
from analysis.results import Results
from tests.analysis.figures.looked_at import a_run, a_sweep
from tests.analysis.folders import RATE, Run

PEERS = "{braintorrent: {}, fedavg: {deadline: 1 min}, local: {}}"
SEEDS = "seeds=[0, 1, 2]"


def said(results: Results) -> str:
    return answer(results, compared(results))


def turning(run: Run) -> Mapping[str, Sequence[float]]:
    """Braintorrent is 0.1 behind at 1 / h, 0.1 ahead at 3 / h, and unsure at 5 / h."""
    ahead = {"1perh": -0.1, "3perh": 0.1, "5perh": (run[2] - 0.4) / 10}.get(run[0][-5:], 0.1)
    return {"client_0": [0.0, 0.0, 0.5 + ahead * (run[1] == "braintorrent")]}


def test_a_run_that_tells(tmp_path: Path) -> None:
    results = a_run(tmp_path, turning, changes=[f"protocols={PEERS}", SEEDS])
    assert said(results) == (
        "At the end, the accuracy of braintorrent's mean client is better than fedavg's: at equal "
        "time +0.100 ±0.000, which holds; at equal epochs +0.100 ±0.000, which holds (models as "
        "received, 3 seeds; what holds does so beside the 3 other differences of the tables)."
    )


def test_a_run_that_does_not(tmp_path: Path) -> None:
    def values(run: Run) -> Mapping[str, Sequence[float]]:
        return {"client_0": [0.5 + (run[2] - 1) / 10 * (run[1] == "braintorrent")] * 3}

    results = a_run(tmp_path, values, changes=[f"protocols={PEERS}", SEEDS])
    text = said(results)
    assert "is not told apart from fedavg's: at equal time +0.000 ±0.248; at equal epochs" in text


def test_what_does_not_hold_beside_the_others_is_not_better(tmp_path: Path) -> None:
    """The interval leaves out zero, but its p-value of 0.03 is more than a quarter of 0.05."""

    def values(run: Run) -> Mapping[str, Sequence[float]]:
        more = (0.12, 0.16, 0.22)[run[2]] * (run[1] == "braintorrent")
        return {"client_0": [0.5 + more] * 3}

    results = a_run(tmp_path, values, changes=[f"protocols={PEERS}", SEEDS])
    text = said(results)
    assert (
        "is not told apart from fedavg's: at equal time +0.167 ±0.125, which doesn't hold" in text
    )
    assert "(better)" not in str(table(results, compared(results)))


def test_a_sweep_names_its_points(tmp_path: Path) -> None:
    results = a_sweep(tmp_path, f"{RATE}=1 / h,3 / h,5 / h", values=turning, protocols=PEERS)
    sides = (
        "ahead of fedavg at churn failure rate 3 / h, behind fedavg at churn failure rate 1 / h, "
        "not told apart from fedavg at churn failure rate 5 / h"
    )
    assert said(results) == (
        f"At the end, by the accuracy of its mean client, braintorrent is at equal time {sides}; "
        f"at equal epochs {sides} (models as received, 2 seeds; what holds does so beside the 11 "
        "other differences of the tables)."
    )


def test_references_only_where_there_is_nothing_else(tmp_path: Path) -> None:
    assert said(a_run(tmp_path)).startswith("At the end, the accuracy of local's mean client is wo")


def test_nothing_to_compare(tmp_path: Path) -> None:
    results = a_run(tmp_path, changes=["protocols={local: {}}"])
    assert said(results) == ("Only one protocol has finished runs, so there is nothing to compare.")
