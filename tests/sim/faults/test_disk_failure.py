"""Disks that fail by themselves: by hand, in one instant with crashes, and with common luck."""

import itertools
import math
from typing import Any

import pytest

from braintorrent.testing import Played, check_fault, play
from sim.faults import FAULTS

DISK = {"kind": "disk_failure", "nodes": "client_0", "replaced_after": "2 s"}
KINDS = ("crash", "recover", "storage_lost", "train", "train_lost")


def played(faults: dict[str, Any], until_s: float = 14.0, **more: Any) -> Played:
    return play("local", until_s=until_s, round_s=[4.0], faults=faults, **more)


def told(found: Played) -> list[tuple[float, str, str | None]]:
    """When each ended, what it was, and its cause."""
    return [(row.time_s + row.duration_s, row.kind, row.cause) for row in found.rows]


def test_a_disk_fails_at_a_time() -> None:
    # The first round is stored and lost; from 7 on client 0 begins from the initial model.
    found = played({"disk": {**DISK, "at": "5 s"}})
    assert told(found) == [
        (4.0, "train", None),
        (5.0, "crash", "disk"),
        (5.0, "storage_lost", "disk"),
        (5.0, "train_lost", "disk"),
        (7.0, "recover", "disk"),
        (11.0, "train", None),
    ]
    (client,) = found.world.clients
    assert (client.storage.incarnation, client.storage.rounds, client.rounds) == (1, 1, 2)
    assert found.rounds("client_0") == [1.0]


def test_a_disk_lives_by_its_law_again_and_again() -> None:
    # Each works for 3 s: they fail at 3, 8 and 13, whatever its node is doing.
    found = played({"disk": {**DISK, "time_to_failure": "3 s"}})
    times = [(3.0, "crash"), (3.0, "storage_lost"), (3.0, "train_lost"), (5.0, "recover")]
    expected = [(time_s + 5.0 * k, kind) for k in range(3) for time_s, kind in times]
    assert [(time_s, kind) for time_s, kind, _ in told(found)] == expected[:-1]


def test_the_disk_of_a_node_that_is_down_fails_too() -> None:
    # Down from 5 to 10; its disk fails at 6 and is there again at 8: nobody comes up before 10.
    blow = {"kind": "crash", "node": "client_0", "at": "5 s", "recovers_after": "5 s"}
    found = played({"blow": blow, "disk": {**DISK, "at": "6 s"}})
    assert told(found) == [
        (4.0, "train", None),
        (5.0, "crash", "blow"),
        (5.0, "train_lost", "blow"),
        (6.0, "storage_lost", "disk"),
        (10.0, "recover", "blow"),
        (14.0, "train", None),
    ]
    assert found.rounds("client_0") == [1.0]


@pytest.mark.parametrize("order", [("blow", "disk"), ("disk", "blow")])
def test_in_one_instant_with_a_crash(order: tuple[str, str]) -> None:
    # The round that ends at 4 is stored, and lost at once; the first of both is told as the cause.
    blow = {"kind": "crash", "node": "client_0", "at": "4 s", "recovers_after": "3 s"}
    faults = {"blow": blow, "disk": {**DISK, "at": "4 s"}}
    found = played({name: faults[name] for name in order}, until_s=8.0)
    first = [(4.0, "crash", order[0]), (4.0, "storage_lost", "disk")]
    assert [row for row in told(found) if row[1] != "train_lost"] == [
        (4.0, "train", None),
        *first,
        (7.0, "recover", "blow"),
    ]
    assert found.rounds("client_0") == [0.0]


def test_who_has_left_keeps_the_last_model() -> None:
    end = {"kind": "leave", "nodes": "client_0", "at": "5 s"}
    found = played({"end": end, "disk": {**DISK, "at": "6 s"}})
    assert found.of(*KINDS, "leave")[1:3] == [
        (5.0, "client_0", "leave"),
        (5.0, "client_0", "train_lost"),
    ]
    assert found.of("storage_lost") == [] and found.rounds("client_0") == [1.0]


def test_half_of_the_sites_lose_their_disks_at_one_instant() -> None:
    fault = {**DISK, "nodes": ["client_0..client_1", "client_3"], "at": "1 s"}
    found = play("local", until_s=2.0, round_s=[4.0] * 4, faults={"disk": fault})
    struck = [(1.0, f"client_{k}", "storage_lost") for k in (0, 1, 3)]
    assert found.of("storage_lost") == struck


def failures(rate: str, protocol: str = "local", count: int = 3, **more: Any) -> list[list[float]]:
    """When each client's disks fail in 1000 s."""
    fault = {**DISK, "nodes": "clients", **more, **({"failure_rate": rate} if rate else {})}
    found = play(protocol, until_s=1e3, round_s=[2e3] * count, faults={"disk": fault})
    clients = (f"client_{k}" for k in range(count))
    lost = found.of("storage_lost")
    return [[time_s for time_s, node, _ in lost if node == name] for name in clients]


def test_a_higher_rate_brings_each_failure_no_later() -> None:
    for rare, often in itertools.pairwise(failures(f"{rate} / min") for rate in (0.5, 1, 4)):
        for few, many in zip(rare, often, strict=True):
            assert len(many) >= len(few) > 0
            assert all(early <= late for early, late in zip(many, few, strict=False))
    assert failures("0 / h") == [[], [], []]


def test_a_shorter_life_brings_each_failure_no_later() -> None:
    law = {"distribution": "lognormal", "sigma": 1.0}
    lives = [{**law, "median": f"{median} s"} for median in (100, 50, 25)]
    for rare, often in itertools.pairwise(failures("", time_to_failure=life) for life in lives):
        for few, many in zip(rare, often, strict=True):
            assert len(many) >= len(few) > 0
            assert all(early <= late for early, late in zip(many, few, strict=False))


def test_a_node_s_disks_are_its_own() -> None:
    usual = failures("1 / min")
    assert failures("1 / min", "braintorrent") == usual
    assert failures("1 / min", count=4)[:3] == usual
    assert failures("1 / min", nodes="client_1") == [[], usual[1], []]
    assert failures("1 / min", seed=1) != usual


def test_a_rate_is_an_exponential_law() -> None:
    life = {"distribution": "exponential", "mean": "60 s"}
    for one, other in zip(failures("", time_to_failure=life), failures("1 / min"), strict=True):
        assert one == pytest.approx(other)


def test_disks_fail_as_often_as_is_foreseen() -> None:
    fault = FAULTS["disk_failure"].model_validate(
        {**DISK, "nodes": "clients", "failure_rate": "1 / min"}
    )
    expected = fault.events(1e3, ("client_0", "client_1", "client_2", "server"))
    assert expected == pytest.approx(2 * 3 * 1e3 / 62)
    found = 2 * sum(map(len, failures("1 / min")))
    assert abs(found - expected) < 4 * 2 * math.sqrt(expected / 2)


def test_when_it_is_fixed_it_says_so() -> None:
    kind = FAULTS["disk_failure"]
    once = kind.model_validate({**DISK, "at": "5 s"})
    assert (once.crash_s, once.window_s, once.events(9.0, ("client_0",))) == (5.0, (5.0, 7.0), 0)
    ever = kind.model_validate({**DISK, "failure_rate": "1 / h"})
    assert (ever.crash_s, ever.window_s) == (None, (0.0, math.inf))
    assert ever.strikes(("client_0", "client_1")) == ["client_0"]


@pytest.mark.slow
def test_it_keeps_what_faults_promise() -> None:
    assert check_fault("disk_failure", {**DISK, "failure_rate": "0.2 / s"}, worlds=2)["crash"] > 0
