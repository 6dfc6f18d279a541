"""Tables of comparisons made up by hand, and the page that they are put into."""

from pathlib import Path

import numpy as np

from tests.reality.compare import Comparison, Merges
from tests.reality.report import events, fill, markdown, tables_of, times
from tests.reality.worlds import every_world

ONE = Comparison(
    np.array([-0.1, -0.3, 0.2]),
    np.array([0.02]),
    np.array([10.0]),
    np.array([-0.5, 0.25, 1.5]),
    2,
    (1, 0),
    Merges(real=5, predicted=4, both=4, in_order=3, alike=2, pairs=6, pairs_in_order=5),
)
"""Off by 10, 30 and 20 per cent of transfers, 2 of a round; one of three detections by too much."""


def test_errors_are_told_by_size_and_with_their_sign() -> None:
    line = times({"fluid": ONE})
    assert line == {
        "transfers": "3",
        "fluid, transfers": "20.0 / 29 (-10.0)",
        "rounds": "1",
        "fluid, rounds": "2.0 / 2 (+2.0)",
    }


def test_what_was_suspected_and_merged_is_counted() -> None:
    assert events({"fluid": ONE}) == {
        "detections": "3",
        "off by, s": "0.50 / 1.50",
        "on one side alone": "2",
        "wrong": "1 / 0",
        "merges": "5 / 4",
        "fluid, in order": "75 / 83",
        "fluid, alike": "50.0 % of 4",
    }


def test_the_goal_is_about_worlds_in_its_scope() -> None:
    worlds = every_world()
    found = {worlds["gossip:none:0"]: {"fluid": ONE}, worlds["gossip:loss:0"]: {"fluid": ONE}}
    tables = tables_of(found)
    told = [line["fluid"] for line in tables["goal"]]
    assert told == ["2.0 %", "2 of 3", "75.0 % of 4", "83.3 % of 6"]
    assert [line["transfers"] for line in tables["times_by_protocol"]] == ["3"]
    assert [line[""] for line in tables["times"]] == ["gossip:none", "gossip:loss"]
    assert "goal" not in tables_of({worlds["gossip:loss:0"]: {"fluid": ONE}})


def test_a_pages_tables_are_renewed_in_place(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- table t -->\n<!-- end of t -->\nb\n", encoding="utf-8")
    for value in ("1", "2"):
        fill(page, {"t": [{"x": value}], "not there": []})
        table = markdown([{"x": value}])
        said = f"a\n<!-- table t -->\n\n{table}\n<!-- end of t -->\nb\n"
        assert page.read_text(encoding="utf-8") == said
