"""Push-sum in worlds of a few clients, against times, weights and sums worked out by hand."""

from typing import Any

import numpy as np
import pytest

from braintorrent.testing import Played, check_protocol, play, scripted
from braintorrent.testing.counters import Counters
from sim.protocols.push_sum import Share
from sim.world import Transfer, World
from tests.sim import tiny
from tests.sim.protocols.merging import until
from tests.sim.protocols.serving import crash


def push_sum(until_s: float, round_s: list[float], faults: Any = None, **settings: Any) -> Played:
    """A model takes a second on each link, and a merge a quarter for each model."""
    return play(
        "push_sum", settings, until_s=until_s, round_s=round_s, merge_time="0.25 s", faults=faults
    )


def weights(world: World) -> list[float]:
    return [node.storage.notes["weight"] for node in world.clients]


def total(world: World) -> tuple[float, list[float]]:
    """The sum of w, and of w z in local rounds of each client: stored, in inboxes, on their way."""
    lineage = world.lineage
    assert isinstance(lineage, Counters)
    under_way = {each: None for some in vars(world.network)["_open"] for each in some}
    transfers = [*under_way, *(each for node in world.clients for each in node.inbox)]
    shares = [(each.payload.model, each.payload.weight) for each in transfers if each.payload]
    shares += [
        (node.storage.newest, node.storage.notes.get("weight", 1.0)) for node in world.clients
    ]
    sums = sum(weight * lineage.rounds(model) for model, weight in shares)
    return sum(weight for _, weight in shares), np.asarray(sums).tolist()


def test_who_pushes_keeps_half_of_its_weight_and_sums_up_what_comes() -> None:
    played = push_sum(6.875, [2.0, 3.0])
    assert played.events == [
        (2.0, "client_0", "train"),
        (3.0, "client_1", "train"),
        (3.0, "client_0", "transfer"),
        (4.0, "client_0", "train"),
        (4.0, "client_1", "transfer"),
        (5.0, "client_0", "transfer"),
        (6.0, "client_1", "train"),
        (6.0, "client_0", "train"),
        (6.5, "client_0", "merge"),
        (6.75, "client_1", "merge"),
    ]
    # Client 0 has 1/2 from 2 on, 1/4 from 4 and 1/8 from 6, and gets 1/2. Client 1 has 1/2 from 3
    # on and 1/4 from 6, and gets 1/2 and 1/4: three models.
    assert weights(played.world) == [5 / 8, 1.0]
    steps = [merge.weights for merge in played.merges if min(merge.weights.values()) < 0]
    sums = [merge.weights for merge in played.merges if min(merge.weights.values()) > 0]
    # A second round at a weight of 1/2 counts twice: 2 (z + 1) - z; at 1/4 four times.
    assert [sorted(step.values()) for step in steps] == [[-1, 2], [-1, 2], [-3, 4]]
    assert [sorted(each.values()) for each in sums] == [[1 / 5, 4 / 5], [1 / 4, 1 / 4, 1 / 2]]


def test_without_loss_nothing_of_what_was_learned_is_lost() -> None:
    # Also on its way, and however fast each is: the sum of w is n, and of w z all local rounds.
    played = play("push_sum", until_s=0.0, round_s=[1.0, 1.25, 2.0, 3.0, 5.5], latency_s=0.25)
    world = played.world
    for end_s in range(1, 81):
        tiny.run(world.clock, end_s / 2)
        weight, rounds = total(world)
        assert weight == pytest.approx(5.0, rel=1e-12)
        assert rounds == pytest.approx([node.rounds for node in world.clients], rel=1e-12)


@pytest.mark.parametrize("local_round", ["biased", "debiased"])
def test_what_is_lost_is_missing(local_round: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"local_round": local_round, "peers": 2}
    links = {"uplink": "1024 B/s", "downlink": "1024 B/s", "transfer_loss": 0.25}
    played = play(
        "push_sum", settings, until_s=0.0, round_s=[1.0, 2.0, 3.0], links=links,
        streams=scripted(lucks={("transfer_loss", 1, 2, 0): 0.0, ("transfer_loss", 0, 1, 3): 0.0}),
    )  # fmt: skip
    lost: list[Share] = []
    lose = played.world.network._lose

    def losing(transfer: Transfer, *cause: Any) -> None:
        lost.append(transfer.payload)
        lose(transfer, *cause)

    monkeypatch.setattr(played.world.network, "_lose", losing)
    until(played.world, lambda: len(lost) == 2)
    weight, rounds = total(played.world)
    gone = [share.weight for share in lost]
    assert weight == pytest.approx(3.0 - sum(gone), rel=1e-12)
    if local_round == "biased":
        lineage = played.world.lineage
        assert isinstance(lineage, Counters)
        rounds_gone = sum(share.weight * lineage.rounds(share.model) for share in lost)
        done = np.array([node.rounds for node in played.world.clients])
        assert rounds == pytest.approx((done - rounds_gone).tolist(), rel=1e-12)


def test_in_synchronous_rounds_over_the_exponential_graph_all_weights_stay_one() -> None:
    played = push_sum(31.0, [2.0 + client / 4 for client in range(8)], round_time="8 s")
    pushes = [row for row in played.rows if row.kind == "transfer"]
    hops = [(int(row.peer[-1]) - int(row.node[-1])) % 8 for row in pushes]
    assert hops == [1] * 8 + [2] * 8 + [4] * 8 + [1] * 8
    assert [merge.weights for merge in played.merges[:1]] == [
        {"client_0.0": 1 / 2, "client_7.0": 1 / 2}
    ]
    assert {tuple(merge.weights.values()) for merge in played.merges} == {(1 / 2, 1 / 2)}
    assert weights(played.world) == [1 / 2] * 8  # The other half came at the end of its pushes.
    tiny.run(played.world.clock, 32.5)
    assert weights(played.world) == [1.0] * 8


def test_over_a_topology_all_neighbours_have_their_turn() -> None:
    # Of a ring of five the next one, and then the one before.
    played = push_sum(16.0, [2.0] * 5, round_time="8 s", topology="ring")
    pushes = [row for row in played.rows if row.kind == "transfer"]
    hops = [(int(row.peer[-1]) - int(row.node[-1])) % 5 for row in pushes]
    assert hops == [1] * 5 + [4] * 5


def test_a_debiased_local_round_counts_once_whatever_the_weight() -> None:
    played = push_sum(5.0, [2.0, 3.0], local_round="debiased")
    assert played.rounds("client_0") == [2.0, 0.0]
    assert push_sum(5.0, [2.0, 3.0]).rounds("client_0") == [3.0, 0.0]


@pytest.mark.parametrize("node", ["client_0", "client_1"])
def test_a_crash_in_the_middle_of_a_push_loses_its_weight(node: str) -> None:
    # Client 0 has pushed half of its weight at 2. Its storage has the other.
    played = push_sum(3.5, [2.0, 16.0], faults=crash(node, "2.5 s", recovers_after="1 s"))
    assert played.of("transfer", "transfer_lost") == [(2.5, "client_0", "transfer_lost")]
    assert total(played.world) == (1 / 2 + 1, [1 / 2, 0.0])


def test_with_its_storage_a_client_loses_its_weight_and_begins_with_one() -> None:
    fault = crash("client_0", "3.5 s", recovers_after="1 s", loses_storage=True)
    played = push_sum(6.0, [2.0, 16.0], faults=fault)
    assert total(played.world) == (2.5, [1 / 2, 0.0])


@pytest.mark.parametrize(
    ("settings", "weight", "gain", "pushes"),
    [({}, 1e-9, 1e6, True), ({"local_round": "debiased"}, 3e-308, 1.0, False)],
)
def test_a_weight_of_next_to_nothing(
    settings: dict[str, Any], weight: float, gain: float, pushes: bool
) -> None:
    played = push_sum(0.0, [2.0, 16.0], **settings)
    node = played.world.clients[0]
    node.storage.notes["weight"] = weight
    tiny.run(played.world.clock, 3.5)
    assert played.rounds("client_0") == [gain, 0.0]
    assert node.storage.notes["weight"] == (weight / 2 if pushes else weight)
    assert len(played.of("transfer")) == pushes


@pytest.mark.slow
@pytest.mark.parametrize("local_round", ["biased", "debiased"])
@pytest.mark.parametrize("round_time", [None, "5 s"])
@pytest.mark.parametrize("peers", [1, 2, "all"])
def test_what_all_protocols_promise_however_it_is_set(
    local_round: str, round_time: str, peers: Any
) -> None:
    settings = {"local_round": local_round, "round_time": round_time, "peers": peers}
    assert check_protocol("push_sum", settings, worlds=15)["merge"] > 0
