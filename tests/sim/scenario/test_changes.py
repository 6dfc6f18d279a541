"""What was changed: one readable line per setting."""

import pytest

from sim.scenario import dump, dump_sweep, grid, load
from sim.scenario.changes import changes

CASES = [
    (["duration=20 min"], ["duration: 1200.0 s was 1800.0 s"]),
    (["seeds=[0, 1]"], ["seeds: [0, 1] was [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"]),
    (["faults.server_crash.node=client_1"], ["faults.server_crash.node: client_1 was server"]),
    (["faults={}"], ["faults.server_crash: {kind: crash, node: server, at: 600.0... is gone"]),
    (
        ["evaluation.target=null"],
        ["evaluation.target: {metric: accuracy, value: 0.9, of: me... is gone"],
    ),
    (
        ["faults.server_crash.recovers_after=1 min"],
        ["faults.server_crash.recovers_after: 60.0 s is new"],
    ),
    (
        ["clients.count=5", "duration=1 min"],
        ["duration: 60.0 s was 1800.0 s", "clients.count: 5 was 10"],
    ),
]


@pytest.mark.parametrize(("overrides", "lines"), CASES)
def test_a_change_is_named_by_its_path(overrides: list[str], lines: list[str]) -> None:
    kept = dump(load("server_crash"))
    assert changes(kept, dump(load("server_crash", overrides))) == lines
    assert changes(kept, kept) == []


def test_the_values_of_a_sweep_are_compared_too() -> None:
    one, two = (grid("churn", vary=[f"clients.count=1,{last}"]) for last in (2, 3))
    assert changes(dump_sweep(one), dump_sweep(two)) == ["sweep.clients.count: [1, 3] was [1, 2]"]
    assert changes(dump(one.base), dump_sweep(one)) == ["sweep: {clients.count: [1, 2]} is new"]


def test_many_changes_are_cut_short_and_what_is_unreadable_is_said() -> None:
    old = "".join(f"key_{index}: 1\n" for index in range(9))
    lines = changes(old, old.replace("1\n", "2\n"))
    assert lines == [*(f"key_{index}: 2 was 1" for index in range(4)), "5 more"]
    assert changes("a: [", old) == ["what it holds cannot be read"]
    assert changes("a: 1", "a: true") == ["a: true was 1"]
