"""The map of two varied numbers: signs, doubts, and sweeps that have none."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from analysis.figures import difference_map
from analysis.figures.map import map_data
from analysis.results import Results
from sim.record.errors import ResultError
from tests.analysis.figures.looked_at import a_sweep, drawn, keys
from tests.analysis.folders import RATE, Run

ALPHA, SHARING = "task.partition.alpha", "network.sharing"
TWO = (f"{RATE}=1 / h,3 / h,9 / h", f"{ALPHA}=0.1,0.5")
PEERS = "{braintorrent: {}, local: {}, fedavg: {deadline: 1 min}}"


def values(run: Run) -> Mapping[str, Sequence[float]]:
    """Braintorrent is 0.2 behind at the lowest rate, else 0.1 ahead; at alpha 0.1 unsure."""
    ahead = -0.2 if "rate-1per" in run[0] else 0.1
    unsure = (run[2] - 0.5) * ("alpha-0.1" in run[0])
    more = ahead + unsure if run[1] == "braintorrent" else 0.0
    return {"client_0": [0.0, 0.0, 0.5 + more]}


def mapped(tmp_path: Path, **told: str) -> Results:
    return a_sweep(tmp_path, *TWO, values=values, protocols=told.get("protocols", PEERS))


def test_what_is_compared(tmp_path: Path) -> None:
    found = map_data(mapped(tmp_path))
    # Neither the baseline nor the reference.
    assert found["protocol"].unique().tolist() == ["braintorrent"]
    np.testing.assert_allclose(found["across"] * 3600, [1, 1, 3, 3, 9, 9])
    np.testing.assert_allclose(found["up"], [0.1, 0.5] * 3)
    np.testing.assert_allclose(found["mean"], [-0.2, -0.2, 0.1, 0.1, 0.1, 0.1])


def test_signs_and_doubts_are_drawn(tmp_path: Path) -> None:
    figure = drawn(difference_map(mapped(tmp_path)))
    axis = figure.axes[0]
    assert [text.get_text() for text in axis.texts] == ["−0.200", *["+0.100"] * 2] * 2
    hatched = [one.get_xy() for one in axis.patches if isinstance(one, Rectangle)]
    assert hatched == [(-0.5, -0.5), (0.5, -0.5), (1.5, -0.5)]
    (line,) = axis.collections
    corners = [np.asarray(path.vertices).tolist() for path in line.get_paths()]
    assert corners == [[[0.5, -0.5], [0.5, 0.5]], [[0.5, 0.5], [0.5, 1.5]]]
    assert keys(figure) == ["the sign changes", "the seeds disagree"]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["1", "3", "9"]
    title = figure.get_suptitle()
    assert "difference to fedavg at the end, at equal time" in title and "as received" in title


def test_against_any_protocol(tmp_path: Path) -> None:
    figure = drawn(difference_map(mapped(tmp_path), baseline="local"))
    assert [one.get_title() for one in figure.axes[:2]] == [
        "braintorrent minus local",
        "fedavg minus local",
    ]


def test_what_has_no_map(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="two numbers must be varied for a map; allowed: a sweep"):
        difference_map(a_sweep(tmp_path / "one"))
    three = a_sweep(tmp_path / "three", *TWO, f"{SHARING}=none,equal", protocols=PEERS)
    with pytest.raises(ResultError, match=f"choose one value of it; allowed: --where {SHARING}=V"):
        difference_map(three)
    with pytest.raises(ResultError, match="no protocol but fedavg and references has a finished"):
        difference_map(a_sweep(tmp_path / "bounds", *TWO))
