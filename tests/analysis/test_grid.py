"""A sweep's points: the simulator's own, worked out from its file alone."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.errors import ResultError
from analysis.files import read_settings
from analysis.grid import Point, point_names, points_of
from sim.record.points import point_names as simulator_s_names
from sim.results import folder as results
from sim.scenario import Sweep, dump_sweep
from tests.analysis.folders import RATE, swept


def points_from_file(folder: Path, sweep: Sweep) -> tuple[Point, ...]:
    results.claim(folder, results.SWEEP_FILE, dump_sweep(sweep))
    settings = read_settings(folder / results.SWEEP_FILE)
    return points_of(settings, settings.get("sweep", {}))


@pytest.mark.parametrize(
    "vary",
    [
        [],
        [f"{RATE}=0 / h,0.5 / h,...,2 / h"],
        [f"{RATE}=0 / h,1 / min", "network.message_loss=0:0.5:0.25"],
        ["network.sharing=max_min,none", "clients.count=2,3", "training.learning_rate=1e-5,0.1"],
        ["faults.churn.loses_storage=true,false"],
        ["faults.churn.nodes=clients,[client_0]", "network.uplink=1 Mbit/s,3 KiB/s"],
        ["faults.churn.nodes=[client_0,server],[client_0 , server , client_1]"],
        # A name that would be too long.
        [f"clients.step_time=[1 s,{'2' * 50}{'0' * 10} s],[1 s,{'2' * 50}{'1' * 9} s]"],
        # The tail alone would not tell these paths apart.
        ["network.latency.low=1 ms,2 ms", "clients.step_time.median=1 s,2 s"],
    ],
)
def test_points_are_the_simulator_s(tmp_path: Path, vary: list[str]) -> None:
    sweep = swept(*vary)
    found = points_from_file(tmp_path, sweep)
    assert [point.name for point in found] == [point.name for point in sweep.points]
    for own, theirs in zip(found, sweep.points, strict=True):
        assert own.written == theirs.written
        for path, value in theirs.values.items():
            # Truth values are text to a reader, as they are in the sweep's own tables.
            expected = theirs.written[path] if isinstance(value, bool) else value
            assert own.values[path] == expected


@given(
    st.lists(st.sampled_from(["a.b.c", "a.x.c", "d.b.c", "name"]), unique=True).flatmap(
        lambda paths: st.tuples(
            st.just(paths),
            st.lists(
                st.lists(
                    st.text(alphabet="aA1 ./_,", max_size=60),
                    min_size=len(paths),
                    max_size=len(paths),
                ),
                min_size=1,
                max_size=5,
            ),
        )
    )
)
def test_names_are_the_simulator_s(case: tuple[list[str], list[list[str]]]) -> None:
    assert point_names(*case) == simulator_s_names(*case)


def test_a_column_is_text_unless_all_its_values_are_numbers(tmp_path: Path) -> None:
    sweep = swept(
        "protocols.braintorrent.peers=all,1", protocols="{braintorrent: {}, local: {}}", seeds=1
    )
    found = points_from_file(tmp_path, sweep)
    assert [point.values["protocols.braintorrent.peers"] for point in found] == ["all", "1"]
    assert found[1].settings["protocols"]["braintorrent"]["peers"] == 1


def test_settings_are_a_point_s_own_and_the_others_stay(tmp_path: Path) -> None:
    path = "faults.server_crash"
    settings = {"faults": {"server_crash": {"at": "600.0 s"}}, "list": [{"a": 1}, {"a": 2}]}
    first, second = points_of(settings, {f"{path}.at": ["1 min", "2 min"]})
    assert first.settings["faults"]["server_crash"]["at"] == "1 min"
    assert second.settings["faults"]["server_crash"]["at"] == "2 min"
    assert settings["faults"] == {"server_crash": {"at": "600.0 s"}}
    (third,) = points_of(settings, {"list.1.a": [3]})
    assert third.settings["list"] == [{"a": 1}, {"a": 3}]


def test_a_path_through_a_plain_value_is_an_error() -> None:
    with pytest.raises(ResultError, match="sweep: name.x: is no setting of the scenario"):
        points_of({"name": "a"}, {"name.x": [1]})
    with pytest.raises(ResultError, match="'{' is not YAML"):
        points_of({"name": "a"}, {"name": ["{"]})
