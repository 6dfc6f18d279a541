"""What is kept of real runs is all that is compared."""

import gzip
from pathlib import Path

import numpy as np

from tests.reality.compare import compared
from tests.reality.predict import predicted
from tests.reality.recorded import HERE, keep, kept
from tests.reality.worlds import every_world

NAME = "swarm:client_crash:0"


def test_a_kept_run_compares_as_the_run_itself(tmp_path: Path) -> None:
    rows = predicted(every_world()[NAME], "fluid")
    keep({NAME: rows}, tmp_path / "runs.csv.gz")
    found = compared(kept(tmp_path / "runs.csv.gz")[NAME], rows)
    assert len(found.transfers) > 20
    for errors in (found.transfers, found.rounds, found.detections_s):
        assert np.abs(errors).max() < 1e-3
    merges = found.merges
    assert merges.real == merges.predicted == merges.in_order == merges.alike == 3


def test_what_is_kept_is_kept_again_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "again.csv.gz"
    keep(kept(), path)
    assert gzip.decompress(path.read_bytes()) == gzip.decompress(HERE.read_bytes())
