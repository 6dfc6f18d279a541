"""The page as a reader meets it: it opens quietly, its controls do what they say, it fits."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from analysis.report.page import report
from sim.record.rows import TraceRow
from tests.analysis.evil import HTML, an_evil_run
from tests.analysis.figures.looked_at import a_run, a_sweep
from tests.analysis.figures.test_timeline_figure import lives
from tests.analysis.folders import Run, trace
from tests.analysis.report.browser import CHROMIUM, NO_CHROMIUM, Page, browser

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)]

PLOT = "document.querySelector('#{} .plot')"
SHOWN = PLOT + ".data.filter(one => one.meta === '{}').map(one => one.visible)"
RANGE = PLOT + "._fullLayout.xaxis.range"
CRASH = "faults={server_crash: {kind: crash, node: server, at: 30 s}}"


def happens(run: Run) -> Sequence[TraceRow]:
    """Client 0 trains; fedavg's client 1 loses a round."""
    lost = trace(run, 5.0, "client_1", "train_lost", round=0, attempt=0, cause="churn")
    return [trace(run, 1.0, "client_0", "train"), *([lost] if run[1] == "fedavg" else [])]


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(scope="module")
def run_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    a_run(folder, events=happens, changes=[CRASH])
    return report(folder)


@pytest.fixture(scope="module")
def sweep_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    a_sweep(folder, events=happens)
    return report(folder)


def click(window: Page, selector: str) -> None:
    window.value(f'document.querySelector("{selector}").click()')


def choose(window: Page, figure: str, number: int, value: str) -> None:
    select = f"document.querySelectorAll('#{figure} select')[{number}]"
    window.value(f"{select}.value = '{value}'; {select}.dispatchEvent(new Event('change'))")


@pytest.fixture(scope="module")
def lives_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lives")
    a_run(folder, events=lives)
    return report(folder)


@pytest.mark.parametrize("name", ["run_page", "sweep_page", "lives_page"])
def test_it_opens_quietly_and_asks_for_nothing(
    window: Page, name: str, request: pytest.FixtureRequest
) -> None:
    file: Path = request.getfixturevalue(name)
    asked, complaints = len(window.asked), len(window.complaints)
    window.open(file)
    assert window.asked[asked:] == [file.as_uri()]
    assert window.complaints[complaints:] == []
    figures = "[...document.querySelectorAll('.plot')]"
    assert window.value(f"{figures}.every(one => one.querySelector('svg.main-svg'))") is True


def test_what_the_policy_forbids_would_be_noticed(window: Page, run_page: Path) -> None:
    window.open(run_page)
    before = len(window.complaints)
    window.value("fetch('http://127.0.0.1:9/').catch(() => null).then(() => null)")
    assert "Content Security Policy" in "".join(window.complaints[before:])


def test_a_switch_hides_all_of_a_protocol_and_shows_it_again(
    window: Page, sweep_page: Path
) -> None:
    window.open(sweep_page)
    for figure, count in (("end", 1), ("time", 4)):
        button = f"#{figure} .switch[data-name=local]"
        pressed = f"document.querySelector('{button}').getAttribute('aria-pressed')"
        assert window.value(SHOWN.format(figure, "local")) == [True] * count
        click(window, button)
        assert window.value(SHOWN.format(figure, "local")) == [False] * count
        assert window.value(SHOWN.format(figure, "fedavg")) == [True] * count
        assert window.value(pressed) == "false"
        click(window, button)
        assert window.value(SHOWN.format(figure, "local")) == [True] * count
        assert window.value(pressed) == "true"


def test_suspicions_of_every_shade_have_one_switch(window: Page, lives_page: Path) -> None:
    window.open(lives_page)
    for name, count in (("wrongly suspected", 1), ("joins", 1), ("fail together", 1)):
        assert window.value(SHOWN.format("nodes", name)) == [True] * count
        click(window, f"#nodes .switch[data-name='{name}']")
        assert window.value(SHOWN.format("nodes", name)) == [False] * count


def test_what_is_hidden_stays_hidden_at_another_point(window: Page, sweep_page: Path) -> None:
    window.open(sweep_page)
    click(window, "#time .switch[data-name=local]")
    choose(window, "time", 0, "churn failure rate 3 / h")
    assert window.value(SHOWN.format("time", "local")) == [False] * 4
    assert window.value(SHOWN.format("time", "fedavg")) == [True] * 4


def test_buttons_zoom(window: Page, run_page: Path) -> None:
    window.open(run_page)
    whole = window.value(RANGE.format("nodes"))
    assert whole == [0, 60]
    click(window, "#nodes [aria-label='Zoom in']")
    assert window.value(RANGE.format("nodes")) == [15, 45]
    click(window, "#nodes [aria-label='Zoom out']")
    assert window.value(RANGE.format("nodes")) == whole
    click(window, "#nodes [data-from]")
    assert window.value(RANGE.format("nodes")) == [0, 90]
    click(window, "#nodes [data-zoom=all]")
    assert window.value(RANGE.format("nodes")) == whole


def test_dragging_zooms(window: Page, run_page: Path) -> None:
    window.open(run_page)
    box: dict[str, float] = window.value(
        "(() => {const one = document.querySelector('#time .nsewdrag');"
        " one.scrollIntoView({block: 'center'}); return one.getBoundingClientRect().toJSON()})()"
    )
    before: list[float] = window.value(RANGE.format("time"))
    at = [box["left"] + share * box["width"] for share in (0.25, 0.5)]
    middle = box["top"] + box["height"] / 2
    window.drag((at[0], middle), (at[1], middle))
    after: list[float] = window.value(RANGE.format("time"))
    span = before[1] - before[0]
    expected = [before[0] + span / 4, before[0] + span / 2]
    assert after == pytest.approx(expected, abs=span / 50)


def test_another_run_s_timeline_is_chosen(window: Page, run_page: Path) -> None:
    window.open(run_page)
    lost = PLOT.format("nodes") + ".data.find(one => one.meta === 'trains in vain')?.x"
    assert window.value(f"{lost} === undefined") is True
    choose(window, "nodes", 0, "fedavg")
    choose(window, "nodes", 1, "1")
    assert window.value(lost) == [5, 5, 6, 6, 5, None]
    assert window.value(PLOT.format("nodes") + ".getAttribute('aria-label')").startswith(
        "Timeline of fedavg, seed 1: 2 nodes over 60 s; 1 local rounds finished, 1 lost"
    )


def test_runs_are_compared_through_the_same_window(window: Page, run_page: Path) -> None:
    window.open(run_page)
    click(window, "#nodes [aria-label='Zoom in']")
    choose(window, "nodes", 0, "fedavg")
    assert window.value(RANGE.format("nodes")) == [15, 45]
    click(window, "#nodes [data-zoom=all]")
    choose(window, "nodes", 0, "local")
    assert window.value(RANGE.format("nodes")) == [0, 60]


def test_a_run_that_is_not_there_says_so(window: Page, tmp_path: Path) -> None:
    window.open(report(an_evil_run(tmp_path)))
    absent = "document.querySelector('#nodes .absent').hidden"
    assert window.value(absent) is True
    choose(window, "nodes", 1, "1")
    assert (window.value(absent), window.value(PLOT.format("nodes") + ".hidden")) == (False, True)


@pytest.mark.parametrize("name", ["run_page", "sweep_page", "lives_page"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_the_window(
    window: Page, name: str, width: int, request: pytest.FixtureRequest
) -> None:
    window.open(request.getfixturevalue(name), width=width, height=844)
    assert window.value("document.documentElement.scrollWidth") == width
    outside = (
        "[...document.querySelectorAll('body *')].filter(one => !one.closest('.scroll, svg')"
        " && one.getBoundingClientRect().right > innerWidth + 1).map(one => one.outerHTML)"
    )
    assert window.value(outside) == []


def test_a_wide_table_scrolls_in_its_box(window: Page, run_page: Path) -> None:
    window.open(run_page, width=390, height=844)
    table = "document.querySelector('#comparison ~ .scroll')"
    assert window.value(f"{table}.scrollWidth > {table}.clientWidth") is True
    window.value(f"{table}.scrollLeft = 20")
    assert window.value(f"{table}.scrollLeft") == 20


def test_a_finger_scrolls_the_page_and_draws_no_box(window: Page, run_page: Path) -> None:
    window.call("Emulation.setTouchEmulationEnabled", enabled=True)
    try:
        window.open(run_page, width=390, height=844)
        assert window.value(PLOT.format("time") + "._fullLayout.dragmode") is False
    finally:
        window.call("Emulation.setTouchEmulationEnabled", enabled=False)


def test_the_keyboard_reaches_all_controls(window: Page, sweep_page: Path) -> None:
    window.open(sweep_page)
    controls = "[...document.querySelectorAll('button, select, summary, .scroll')]"
    window.value(f"window.wanted = {controls}.filter(one => one.checkVisibility())")
    count: int = window.value("wanted.length")
    reached: set[Any] = set()
    for _ in range(count):
        window.press("Tab")
        reached.add(window.value("wanted.indexOf(document.activeElement)"))
    assert reached == set(range(count))
    window.value("document.querySelector('#end .switch[data-name=local]').focus()")
    window.press("Enter")
    assert window.value(SHOWN.format("end", "local")) == [False]


def test_a_printed_figure_fits_its_sheet(window: Page, run_page: Path) -> None:
    window.open(run_page)
    width = PLOT.format("time") + "._fullLayout.width"
    before = window.value(width)
    window.value("dispatchEvent(new Event('beforeprint'))")
    assert window.value(width) == 660
    window.value("dispatchEvent(new Event('afterprint'))")
    assert window.value(width) == before > 660


def test_names_are_shown_as_they_are(window: Page, tmp_path: Path) -> None:
    asked, complaints = len(window.asked), len(window.complaints)
    file = report(an_evil_run(tmp_path))
    window.open(file)
    assert (window.asked[asked:], window.complaints[complaints:]) == ([file.as_uri()], [])
    assert window.value("document.querySelectorAll('b, i, img, a').length") == 0
    names = "[...document.querySelectorAll('#time .switch')].map(one => one.textContent.trim())"
    assert window.value(names) == list(HTML)
    # What plotly.js says of a point when asked; the first protocol has one seed, hence no band.
    plot = PLOT.format("time")
    window.value(f"Plotly.Fx.hover({plot}, [{{curveNumber: 0, pointNumber: 0}}])")
    label = window.value("document.querySelector('#time .hoverlayer').textContent")
    assert label.startswith(f"{HTML[0]} 0.125 at 0 s")
