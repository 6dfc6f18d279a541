"""The look: protocols keep their style, and nobody else's settings change."""

from pathlib import Path

import matplotlib
import pytest

from analysis.figures import FIGURES
from analysis.figures.look import REFERENCE_STYLES, STYLES, panels, styles
from tests.analysis.figures.looked_at import a_run

PROTOCOLS = (
    "protocols={a: {kind: fedavg, deadline: 2 min}, local: {}, b: {kind: fedavg, deadline: 1 min}}"
)


def test_what_is_compared_and_references_have_their_own_styles(
    tmp_path: Path,
) -> None:
    found = styles(a_run(tmp_path, changes=[PROTOCOLS]))
    assert found == {
        "a": STYLES[0],
        "local": REFERENCE_STYLES[0],
        "b": STYLES[1],
    }


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
