"""What was changed: one readable line per setting, and whether results can grow by it."""

import pytest

from sim.scenario import dump, dump_sweep, grid, load
from sim.scenario.changes import Changes, changes

CASES = [
    (["duration=20 min"], ["duration: 1200.0 s was 1800.0 s"]),
    (["evaluation.every=40 s"], ["evaluation.every: 40.0 s was 60.0 s"]),
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


GROWN = [
    ("duration=40 min", "duration: 2400.0 s was 1800.0 s", True),
    ("evaluation.every=20 s", "evaluation.every: 20.0 s was 60.0 s", True),
    (
        "seeds=[9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 10]",
        "seeds: [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 10] was [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]",
        False,
    ),
    (
        "protocols.gossip={kind: gossip, period: 1 min}",
        "protocols.gossip: {kind: gossip, training: {}, period: ... is new",
        False,
    ),
]


@pytest.mark.parametrize(("overrides", "lines"), CASES)
def test_a_change_is_named_by_its_path(overrides: list[str], lines: list[str]) -> None:
    kept = dump(load("server_crash"))
    found = changes(kept, dump(load("server_crash", overrides)))
    assert (found.grown, found.others) == ((), tuple(lines))
    assert changes(kept, kept) == Changes((), (), looks=False)


@pytest.mark.parametrize(("override", "line", "looks"), GROWN)
def test_what_is_still_there_has_grown(override: str, line: str, looks: bool) -> None:
    kept = dump(load("server_crash"))
    assert changes(kept, dump(load("server_crash", [override]))) == Changes((line,), (), looks)


def test_beside_what_has_grown_all_else_is_told() -> None:
    wanted = dump(load("server_crash", ["duration=40 min", "clients.count=5"]))
    found = changes(dump(load("server_crash")), wanted)
    assert found.grown == ("duration: 2400.0 s was 1800.0 s",)
    assert found.others == ("clients.count: 5 was 10",)


def text(*axes: str) -> str:
    return dump_sweep(grid("churn", vary=axes))


def test_a_sweep_grows_by_values_and_by_paths_that_have_the_value_that_was() -> None:
    one, more = "clients.count=1,2", "clients.count=3,2,1"
    grown = changes(text(one), text(more))
    assert grown == Changes(("sweep.clients.count: [3, 2, 1] was [1, 2]",), (), looks=False)
    assert changes(text(more), text(one)).others == ("sweep.clients.count: [1, 2] was [3, 2, 1]",)
    for seconds, is_more in (("0.1 s,1 s", True), ("1 s,100 ms", True), ("1 s,2 s", False)):
        found = changes(text(one), text(one, f"clients.merge_time={seconds}"))
        assert bool(found.grown) == is_more != bool(found.others)
    gone = changes(text(one, "clients.merge_time=1 s,2 s"), text(one))
    assert gone.others == ("sweep.clients.merge_time: [1 s, 2 s] is gone",)


def test_a_run_is_no_sweep() -> None:
    one = grid("churn", vary=["clients.count=1,2"])
    found = changes(dump(one.base), dump_sweep(one))
    assert found.others == ("sweep: {clients.count: [1, 2]} is new",)


def test_many_changes_are_cut_short_and_what_is_unreadable_is_said() -> None:
    old = "".join(f"key_{index}: 1\n" for index in range(9))
    lines = changes(old, old.replace("1\n", "2\n")).others
    assert lines == (*(f"key_{index}: 2 was 1" for index in range(4)), "5 more")
    assert changes("a: [", old).others == ("what it holds cannot be read",)
    assert changes("a: 1", "a: true").others == ("a: true was 1",)
    for nonsense in ("duration: soon\nseeds: 3", "duration: []\nseeds: {}", "seeds: a"):
        assert changes(nonsense, dump(load("server_crash"))).grown == ()
