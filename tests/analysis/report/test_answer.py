"""The page's answer: who is ahead, by how much, and whether the seeds can tell."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from analysis.comparison import compared
from analysis.report.answer import answer
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
        "At the end, the accuracy of braintorrent's mean client is better than fedavg's, by "
        "+0.100 ±0.000 (models as received, equal virtual time, 3 seeds)."
    )


def test_a_run_that_does_not(tmp_path: Path) -> None:
    def values(run: Run) -> Mapping[str, Sequence[float]]:
        return {"client_0": [0.5 + (run[2] - 1) / 10 * (run[1] == "braintorrent")] * 3}

    results = a_run(tmp_path, values, changes=[f"protocols={PEERS}", SEEDS])
    assert "is not told apart from fedavg's: the difference is +0.000 ±0.248 (" in said(results)


def test_a_sweep_names_its_points(tmp_path: Path) -> None:
    results = a_sweep(tmp_path, f"{RATE}=1 / h,3 / h,5 / h", values=turning, protocols=PEERS)
    assert said(results) == (
        "At the end, by the accuracy of its mean client, braintorrent is ahead of fedavg at churn "
        "failure rate 3 / h, behind fedavg at churn failure rate 1 / h, not told apart from fedavg "
        "at churn failure rate 5 / h (models as received, equal virtual time, 2 seeds)."
    )


def test_references_only_where_there_is_nothing_else(tmp_path: Path) -> None:
    assert said(a_run(tmp_path)).startswith("At the end, the accuracy of local's mean client is wo")


def test_nothing_to_compare(tmp_path: Path) -> None:
    results = a_run(tmp_path, changes=["protocols={local: {}}"])
    assert said(results) == ("Only one protocol has finished runs, so there is nothing to compare.")
