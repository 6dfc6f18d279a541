"""The look: protocols keep their style, nobody else's settings change, axes have units."""

import itertools
from pathlib import Path

import matplotlib
import pytest

from analysis.canvas.look import REFERENCE_STYLES, SCREEN, STYLES, panels, printed, styles
from analysis.canvas.scale import Scale, path_name, size_scale, time_scale
from analysis.canvas.several import labels
from analysis.figures import FIGURES
from tests.analysis.figures.looked_at import a_run, a_sweep, drawn

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


def test_a_narrow_page_has_fewer_columns_and_smaller_letters() -> None:
    with printed(85 / 25.4):
        figure, axes = panels(4)
    place = axes[0].get_subplotspec()
    assert place is not None and place.get_gridspec().get_geometry() == (4, 1)
    assert figure.get_figwidth() == pytest.approx(85 / 25.4) and figure.dpi == 300
    assert panels(1)[0].get_figwidth() == SCREEN.width_in


@pytest.mark.parametrize("width_cm", [8.5, 17.0])
def test_no_text_of_a_printed_figure_lies_over_another_or_outside(
    tmp_path: Path, width_cm: float
) -> None:
    with printed(width_cm / 2.54):
        figure = drawn(FIGURES["failure_rate"](a_sweep(tmp_path)))
    (axis,) = figure.axes
    title, legend = figure.texts[0], figure.legends[0]
    boxes = [one.get_window_extent() for one in (title, legend, axis.yaxis.label, axis.xaxis.label)]
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)
    for one in boxes:
        assert figure.bbox.x0 <= one.x0 and one.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= one.y0 and one.y1 <= figure.bbox.y1


def test_what_folders_are_called_tells_them_apart(tmp_path: Path) -> None:
    one, two = a_run(tmp_path / "a"), a_run(tmp_path / "b")
    assert labels(one) == ["churn"]
    assert labels([one, two]) == ["a", "b"]
    other = a_run(tmp_path / "c" / "a")
    assert labels([one, other]) == [str(tmp_path / "a"), str(tmp_path / "c" / "a")]
    assert labels([one, a_run(tmp_path / "d", changes=["name=other"])]) == ["churn", "other"]
