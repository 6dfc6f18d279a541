"""The lines below a closing table: one a caution, with the seeds and the points it holds for."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from analysis.loading import load
from analysis.results import Results
from sim.cli.cautions import MOST_LINES, caution_lines
from tests.analysis.folders import described, swept, write_run, write_sweep


def told(results: Results, *cautions: dict[str, Any]) -> list[str]:
    return list(caution_lines(replace(results, cautions=cautions)))


def caution(point: str, kind: str = "late", **more: Any) -> dict[str, Any]:
    known = {"point": point, "kind": kind, "protocol": "local", "text": kind, "seeds": [0, 1]}
    return known | more


def test_a_run_says_which_seeds_unless_it_is_all_of_them(tmp_path: Path) -> None:
    results = load(write_run(tmp_path, described()))
    assert told(results) == []
    one = caution("base", seeds=[1])
    assert told(results, caution("base"), one | {"protocol": "fedavg"}) == [
        "caution: late",
        "caution: late (seed 1)",
    ]
    both = caution("base", text="too late"), caution("base", text="too early")
    assert told(results, *both) == ["caution: too late", "caution: too early"]


def test_a_sweep_says_each_once_and_where(tmp_path: Path) -> None:
    results = load(write_sweep(tmp_path, swept("clients.count=2,3,4")))
    names = [f"clients.count-{number}" for number in (2, 3, 4)]
    few = caution(names[1], "few", seeds=[0])
    assert told(results, *map(caution, names), few) == [
        "caution: late (at clients.count-2 and 2 more points)",
        "caution: few (seed 0; at clients.count-3)",
    ]
    assert told(results, *map(caution, names[1:])) == [
        "caution: late (at clients.count-3 and 1 more point)"
    ]


def test_numbers_of_one_point_are_not_said_of_others(tmp_path: Path) -> None:
    results = load(write_sweep(tmp_path, swept("clients.count=2,3,4")))
    late = [
        caution(f"clients.count-{number}", text=f"{number} late") | {"kind": "late"}
        for number in (2, 3, 4)
    ]
    assert told(results, *late) == [
        "caution: 2 late (at clients.count-2; at 2 more points with other numbers)"
    ]


def test_they_are_not_more_than_can_be_read(tmp_path: Path) -> None:
    results = load(write_run(tmp_path, described()))
    lines = told(results, *(caution("base", str(i)) for i in range(MOST_LINES + 2)))
    assert len(lines) == MOST_LINES + 1
    assert lines[-1] == "and 2 more cautions: see run.json"
