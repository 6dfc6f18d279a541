"""What fits into clients' memories, which bounds what a merge takes. A model has 1,024 B."""

from collections.abc import Sequence
from typing import Any

import pytest

from braintorrent.testing import Played, play
from braintorrent.testing.tiny import MODEL_BYTES
from sim.record.errors import ScenarioError
from sim.runs.session import check_data
from sim.scenario import Scenario, load
from tests.worlds import played, trial

QUARTERS = {"links": {"uplink": "1 GB/s", "downlink": "1024 B/s", "sharing": "equal"}}


def bounded(
    kind: str,
    settings: dict[str, Any],
    memory: str | None,
    until_s: float,
    round_s: Sequence[float],
    **more: Any,
) -> Played:
    clients: dict[str, Any] = {
        "count": len(round_s),
        "step_time": [f"{each} s" for each in round_s],
        "merge_time": "0.25 s",
    }
    clients |= {} if memory is None else {"memory": memory}
    return play(kind, settings, until_s=until_s, round_s=round_s, clients=clients, **more)


@pytest.mark.parametrize(
    ("memory", "fetched"), [("2048 B", 1), ("3071 B", 1), ("4 KiB", 3), ("6 KiB", 5), ("1 GB", 5)]
)
def test_braintorrent_asks_for_as_many_models_as_fit_beside_its_own(
    memory: str, fetched: int
) -> None:
    # Client 0 has trained at 3, and asks at 3.5; the first bytes are there at 4, a second a model.
    run = bounded("braintorrent", {}, memory, 12.0, [3.0] + [2.0] * 5, latency_s=0.25, **QUARTERS)
    first = next(merge for merge in run.merges if merge.node == "client_0")
    assert (len(first.weights), first.time_s) == (fetched + 1, 4 + fetched + 0.25 * (fetched + 1))


def test_max_senders_may_be_fewer_than_fit() -> None:
    run = bounded("braintorrent", {"max_senders": 2}, "4 KiB", 9.0, [3.0] + [2.0] * 5)
    assert {len(merge.weights) for merge in run.merges} == {3}


def test_of_pushes_those_are_kept_that_come_first() -> None:
    # All push to all. Client 0 has the three others' models at 5, 6 and 7, and looks at 10.
    settings = {"peers": "all", "round_time": "10 s"}
    came: dict[str, list[float]] = {"2 KiB": [2.0], "3 KiB": [2.0, 3.0], "4 KiB": [2.0, 3.0, 4.0]}
    for memory, kept in came.items():
        run = bounded("epidemic", settings, memory, 11.0, [1.0, 2.0, 3.0, 4.0])
        merge = next(merge for merge in run.merges if merge.node == "client_0")
        own, *others = sorted(merge.weights)
        assert own == "client_0.0"
        assert others == [f"client_{int(round_s) - 1}.0" for round_s in kept]
        # What isn't kept has been sent all the same, and is told of.
        assert sum(event == "transfer" for _, _, event in run.events) == 4 * 3
        refused = [row.peer for row in run.rows if row[4:6] == ("client_0", "not_kept")]
        assert len(refused) == 3 - len(kept)


def test_a_share_that_is_not_kept_is_lost_with_its_weight() -> None:
    # Clients 1 and 2 push a third of their weight to each other and to client 0, which trains on.
    for memory, shares in (("2 KiB", [1 / 3]), ("3 KiB", [1 / 3] * 2)):
        run = bounded("push_sum", {"peers": "all"}, memory, 5.0, [9.0, 2.0, 2.0])
        inbox = run.world.clients[0].inbox
        assert [push.payload.weight for push in inbox] == shares
        assert sum(event == "transfer" for _, _, event in run.events) == 4


def test_a_blocking_exchange_waits_for_no_more_than_fit() -> None:
    # Without a bound all wait for all, and for client 3 longest; with room for one nobody does.
    run = bounded("d_psgd", {}, "2 KiB", 40.0, [1.0, 1.0, 1.0, 20.0])
    assert {len(merge.weights) for merge in run.merges} == {2}
    early = [merge for merge in run.merges if merge.time_s < 20.0]
    assert {merge.node for merge in early} == {"client_0", "client_1", "client_2"}
    assert not [merge for merge in bounded("d_psgd", {}, None, 19.0, [1.0, 1.0, 20.0]).merges]


@pytest.mark.parametrize("counts", ["senders", "messages"])
@pytest.mark.parametrize("room", [1, 2])
def test_a_blocking_exchange_waits_for_nobody_whose_model_found_no_room(
    room: int, counts: str
) -> None:
    # The fast run ahead of who is slow; what that sends comes too late for them, and takes no room.
    round_s = [1.0, 2.0, 2.5, 20.0]
    run = bounded("d_psgd", {"counts": counts}, f"{room + 1} KiB", 150.0, round_s, latency_s=0.25)
    last_s = {node: time_s for time_s, node, event in run.events if event == "train"}
    assert min(last_s.values()) > 125.0
    for number in range(4):
        assert sum(merge.node == f"client_{number}" for merge in run.merges) >= 5


@pytest.mark.parametrize("order", ["merge_then_train", "train_then_merge"])
def test_gossip_merges_as_many_as_fit(order: str) -> None:
    settings = {"period": "1 s", "order": order}
    round_s = [4.0, 1.0, 1.0, 1.0, 1.0]
    links = {"links": {"uplink": "1 GB/s", "downlink": "1 GB/s", "sharing": "none"}}
    most = {
        memory: max(
            len(merge.weights)
            for merge in bounded("gossip", settings, memory, 30.0, round_s, **links).merges
        )
        for memory in ("2 KiB", "3 KiB", "1 GB")
    }
    assert (most["2 KiB"], most["3 KiB"]) == (2, 3)
    assert most["1 GB"] > 3


def test_of_chunks_for_others_a_client_keeps_as_many_as_fit() -> None:
    settings = {"transfer": "chunks", "chunks": 2}
    run = bounded("braintorrent", settings, "3 KiB", 40.0, [3.0, 2.0, 2.5, 2.0, 3.5])
    assert {len(merge.weights) for merge in run.merges} == {2, 3}
    held = run.running.copies._held  # type: ignore[attr-defined]
    assert all(len(set(theirs) - {index}) <= 2 for index, theirs in enumerate(held))
    assert any(theirs for theirs in held)


def test_who_averages_a_round_sums_up_as_updates_come() -> None:
    for kind in ("swarm", "plexus"):
        unbounded = bounded(kind, {}, None, 30.0, [1.0, 2.0, 3.0])
        assert bounded(kind, {}, "2 KiB", 30.0, [1.0, 2.0, 3.0]).events == unbounded.events


def small(path: str, memory: str) -> Scenario:
    return load("no_faults", ["clients.count=4", "seeds=[0]", f"{path}={memory}"])


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("clients.memory", "clients.memory"),
        ("clients.groups.phones", "clients.groups.phones.memory"),
    ],
)
def test_a_memory_without_room_for_another_model_is_refused(path: str, named: str) -> None:
    group = path.startswith("clients.groups")

    def written(memory: str) -> str:
        return f"{{count: 1, memory: {memory}}}" if group else memory

    with pytest.raises(ScenarioError) as caught:
        check_data([small(path, written("20 kB"))], pytest.fail)
    text = str(caught.value)
    assert f": {named}: has no room for two models of " in text
    assert "\n" not in text
    least = int(text.partition("at least ")[2].partition(" B")[0])
    check_data([small(path, written(f"{least} B"))], pytest.fail)
    with pytest.raises(ScenarioError, match="has no room for two models"):
        check_data([small(path, written(f"{least - 1} B"))], pytest.fail)


def test_groups_have_memories_of_their_own() -> None:
    scenario = load(
        "no_faults",
        ["clients.count=3", "clients.memory=4 kB", "clients.groups.far={count: 1, memory: 9 kB}"],
    )
    assert scenario.clients.rooms(1000) == [8, 3, 3]
    assert load("no_faults", ["clients.count=2"]).clients.rooms(1000) == [None, None]


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["braintorrent", "gossip", "epidemic", "d_psgd", "push_sum", "ad_psgd"]
)
def test_nobody_merges_more_than_fit_whatever_happens(kind: str) -> None:
    merged = 0
    for number in range(40):
        made = trial(kind, 16, number, 60.0)
        memory = made.scenario.clients.memory
        if memory is not None:
            room = made.scenario.clients.rooms(MODEL_BYTES)[0]
            sizes = [len(row.peers or ()) for row in played(made) if row.kind == "merge"]
            assert max(sizes, default=0) <= (room or 0)
            merged += len(sizes)
    assert merged > 10
