"""Settings as a person would write them."""

from pathlib import Path

import pytest

from analysis.report.tables import readable, settings_tables
from analysis.results import Results
from tests.analysis.figures.looked_at import a_run, a_sweep
from tests.analysis.folders import RATE


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("1800.0 s", "30 min"),
        ("7200.0 s", "2 h"),
        ("90.0 s", "90 s"),
        ("2.5 s", "2.5 s"),
        ("0.02 s", "20 ms"),
        ("0.0 s", "0 s"),
        ("2500000.0 B/s", "20 Mbit/s"),
        ("125000000.0 B/s", "1 Gbit/s"),
        ("4000000.0 B", "4 MB"),
        ("0.0002777777777777778 / s", "1 per hour"),
        ("digits", "digits"),
        ([64, 32], "64, 32"),
        ([], "none"),
        ({}, "none"),
        (None, "none"),
        (True, "true"),
        (0.05, "0.05"),
    ],
)
def test_values(stored: object, shown: str) -> None:
    assert readable(stored) == shown


def rows(results: Results) -> dict[str, dict[str, str]]:
    """The values by part and name."""
    return {
        table.caption: {name: value for name, value in table.rows}
        for table in settings_tables(results)
    }


def test_every_setting_has_its_row_in_its_part(tmp_path: Path) -> None:
    results = a_run(tmp_path)
    parts = rows(results)
    assert parts["run"] == {"duration": "1 min", "seeds": "0, 1"}
    assert parts["clients"]["step_time.distribution"] == "lognormal"
    assert parts["protocols"]["fedavg.deadline"] == "1 min"
    assert parts["faults"]["churn.kind"] == "churn"
    assert "question" not in parts["run"] and "name" not in parts["run"]


def test_what_a_sweep_varies_says_so(tmp_path: Path) -> None:
    parts = rows(a_sweep(tmp_path))
    assert parts["faults"][RATE.removeprefix("faults.")] == "varied: 1 / h, 3 / h"
