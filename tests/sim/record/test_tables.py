"""The one reader of tables: what it leaves out, and that it never takes the program down."""

import subprocess
import sys
from pathlib import Path

import pytest

from sim.record import tables
from sim.record.rows import TraceRow
from tests.analysis.folders import described, two_looks, write_run

READS = """
import sys
from pathlib import Path
from sim.record import tables
from sim.record.points import read_points
from sim.record.rows import ScoreRow
folder = Path(sys.argv[1])
known, _ = read_points(folder / "run.json")
schema = tables.schema_of(ScoreRow)
table = tables.read(folder / "scores.parquet", schema, {"metric": [known.metric]})
sys.exit(0 if table.num_rows == 24 else "lost rows")
"""


@pytest.mark.slow
def test_a_short_program_that_reads_ends_as_it_should(tmp_path: Path) -> None:
    folder = write_run(tmp_path, described(), two_looks)
    codes = []
    for _ in range(25):
        # Several at once, since it was seen on busy machines.
        command = [sys.executable, "-c", READS, str(folder)]
        codes += [each.wait() for each in [subprocess.Popen(command) for _ in range(8)]]
    assert codes == [0] * 200


def test_rows_are_chosen_by_any_column_whether_it_is_read_or_not(tmp_path: Path) -> None:
    rows = [
        TraceRow("p", seed, 0.0, 0.0, node, "merge", "", 0, peers=(node,), cause=cause)
        for seed in (0, 1, 2)
        for node, cause in (("client_0", None), ("client_1", "churn"))
    ]
    schema = tables.schema_of(TraceRow)
    assert tables.write(tmp_path / "t", schema, [tables.table(schema, rows)], "name: x") == 6
    few = tables.schema_of(TraceRow, ["peers", "seed", "cause"])
    found = tables.read(tmp_path / "t", few, {"seed": [2, 0], "node": ["client_1"]})
    assert found.to_pylist() == [
        {"seed": 0, "cause": "churn", "peers": ["client_1"]},
        {"seed": 2, "cause": "churn", "peers": ["client_1"]},
    ]
    assert tables.read(tmp_path / "t", few, {"cause": ["none"]}).num_rows == 0
