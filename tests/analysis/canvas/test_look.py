"""The look: protocols keep their style, nobody else's settings change, axes have units."""

from pathlib import Path

import matplotlib
import pytest

from analysis.canvas.look import REFERENCE_STYLES, STYLES, panels, styles
from analysis.canvas.scale import Scale, path_name, size_scale, time_scale
from analysis.figures import FIGURES
from tests.analysis.figures.looked_at import a_run

PROTOCOLS = (
    "protocols={a: {kind: fedavg, deadline: 2 min}, local: {}, b: {kind: fedavg, deadline: 1 min}}"
)


def test_what_is_compared_and_references_have_their_own_styles(tmp_path: Path) -> None:
    found = styles(a_run(tmp_path, changes=[PROTOCOLS]))
    assert found == {"a": STYLES[0], "local": REFERENCE_STYLES[0], "b": STYLES[1]}


def test_all_styles_differ_in_each_way() -> None:
    known = [*STYLES, *REFERENCE_STYLES]
    for name in ("color", "marker", "line"):
        assert len({getattr(style, name) for style in known}) == len(known)


@pytest.mark.parametrize(("count", "grid"), [(1, (1, 1)), (2, (1, 2)), (4, (2, 2)), (5, (2, 3))])
def test_panels(count: int, grid: tuple[int, int]) -> None:
    _, axes = panels(count)
    place = axes[0].get_subplotspec()
    assert place is not None and place.get_gridspec().get_geometry() == grid
    assert len(axes) == count


def test_settings_of_others_stay(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    FIGURES["convergence"](a_run(tmp_path))
    assert dict(matplotlib.rcParams) == before


def test_scales_follow_the_largest() -> None:
    assert [time_scale(s).unit for s in (30.0, 600.0, 1e5)] == ["s", "min", "h"]
    assert [size_scale(b).unit for b in (3, 3e3, 3e6, 3e9)] == ["B", "kB", "MB", "GB"]


def test_labels() -> None:
    assert Scale(3600.0, "per hour").label("rate") == "rate (per hour)"
    assert Scale(1.0, "").label("alpha") == "alpha"
    assert path_name("faults.churn.failure_rate") == "churn failure rate"
