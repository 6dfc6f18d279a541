"""The closing table as numbers: a row for each folder, point and protocol."""

import math
from pathlib import Path

import pandas as pd
import pytest
from scipy.special import stdtrit

import analysis
from analysis.tables.closing import closing_table
from tests.analysis.figures.looked_at import a_run, a_sweep
from tests.analysis.folders import RATE, described, swept, write_run, write_sweep


def test_a_run_has_a_row_for_each_protocol(tmp_path: Path) -> None:
    found = closing_table(a_run(tmp_path / "run", changes=["seeds=[0, 1, 2]"]))
    assert list(found["protocol"]) == ["local", "fedavg"]
    assert list(found.columns[:8]) == [
        *("scenario", "folder", "protocol", "metric", "baseline", "seeds", "finished", "mean")
    ]
    local, fedavg = found.to_dict("records")
    assert (local["scenario"], local["folder"]) == ("churn", str(tmp_path / "run"))
    assert (local["metric"], local["baseline"]) == ("accuracy", "fedavg")
    assert (local["seeds"], local["finished"], local["mean_n"]) == (3, 3, 3)
    # Client 0 never learns, client 1 ends at 0.6, 0.7 and 0.8; fedavg's 0.2 higher.
    assert local["mean"] == pytest.approx(0.35) and fedavg["mean"] == pytest.approx(0.45)
    half = stdtrit(2, 0.975) * 0.05 / math.sqrt(3)
    assert (local["mean_low"], local["mean_high"]) == (
        pytest.approx(0.35 - half),
        pytest.approx(0.35 + half),
    )
    assert local["mean_difference_time"] == pytest.approx(-0.1)
    assert math.isnan(fedavg["mean_difference_time"])
    # What nobody has is no column.
    assert "server" not in found and "time_to_target_s" not in found and "cost" not in found


def test_varied_values_are_columns_as_written_and_as_numbers(tmp_path: Path) -> None:
    a_sweep(tmp_path, f"{RATE}=1 / h,36 / h", "clients.count=2,3")
    found = closing_table(analysis.load(tmp_path))
    columns = [RATE, f"{RATE} (1/s)", "clients.count", "protocol"]
    assert list(found.columns[2:6]) == columns
    assert found[columns].iloc[-1].tolist() == ["36 / h", 0.01, "3", "fedavg"]
    assert len(found) == 8


def test_what_is_not_finished_has_a_row_without_numbers(tmp_path: Path) -> None:
    wanted = swept(f"{RATE}=1 / h,2 / h")
    lost = wanted.points[1].name
    write_sweep(tmp_path, wanted, unfinished=[lost])
    found = closing_table(analysis.load(tmp_path))
    assert found["finished"].tolist() == [2, 2, 0, 0]
    assert found["seeds"].tolist() == [2, 2, 2, 2]
    assert found["mean"].isna().tolist() == [False, False, True, True]


def test_several_folders_are_one_below_the_other(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", described("name=one"))
    sweep = write_sweep(tmp_path / "sweep", swept(f"{RATE}=1 / h,2 / h"))
    found = closing_table([analysis.load(run), analysis.load(sweep)])
    assert found["scenario"].tolist() == ["one"] * 2 + ["churn"] * 4
    assert list(found.columns[:5]) == ["scenario", "folder", RATE, f"{RATE} (1/s)", "protocol"]
    assert found[RATE].isna().tolist() == [True] * 2 + [False] * 4


def test_counts_are_whole_numbers_in_a_file(tmp_path: Path) -> None:
    one = closing_table(a_run(tmp_path / "run"))
    one.to_csv(tmp_path / "it.csv", index=False)
    read = pd.read_csv(tmp_path / "it.csv")
    assert read["mean_n"].dtype == "int64" and read["mean"].tolist() == one["mean"].tolist()
