"""FedAsync: each update is mixed in when it comes, and what crashes make of that.

The world is that of `serving.py`: a model that the server sends at t is trained by client 0 until
t + 3.25 and its update is there at t + 5.5; by client 1 until t + 3.75 and t + 6.25. Mixing takes
0.25 s. Of the two, client 0 is drawn first.
"""

import pytest

from braintorrent.testing import check_protocol
from sim.compute import ModelRef
from sim.protocols.fedasync import FedAsync
from sim.protocols.shared.asynchronous import Constant, Hinge, Polynomial
from sim.record.errors import Refusal
from sim.world.world import World
from tests.sim import tiny
from tests.sim.protocols.serving import (
    DOWNLOADS,
    TRAININGS,
    UPLOADS,
    crash,
    outage,
    rounds,
    under,
)

ONE = {"concurrency": 1}
FRESH, STALE = 0.6, 0.6 * 2**-0.5


def mixed(world: World, model: ModelRef, update: ModelRef, share: float) -> ModelRef:
    return world.lineage.combined((model, update), (1 - share, share))


def taken(world: World) -> list[tuple[float, str]]:
    """When each update was in the global model, and whose it was."""
    rows = (row for row in world.trace.rows if row.kind == "round")
    return [(row.time_s + row.duration_s, " ".join(row.peers or ())) for row in rows]


def test_updates_are_mixed_in_one_by_one() -> None:
    world, running = under("fedasync")
    tiny.run(world.clock, 6.75)
    assert tiny.events(world.trace) == [
        *DOWNLOADS,
        *TRAININGS,
        UPLOADS[0],
        (0.0, 5.75, "server", "round", "", "round=0 peers=('client_0',) updates=1"),
        UPLOADS[1],
        (5.75, 0.75, "server", "round", "", "round=1 peers=('client_1',) updates=1"),
    ]
    lineage = world.lineage
    initial = lineage.initial()
    first = mixed(world, initial, lineage.trained(initial, 0, 0), FRESH)
    second = mixed(world, first, lineage.trained(initial, 1, 0), STALE)
    assert running.global_model is second
    assert running.server_round == 2
    # Who has answered trains what came of it: client 0 has been sent it at 5.75, and the model that
    # is there at 11.5 has client 1's update, too.
    tiny.run(world.clock, 11.5)
    assert running.global_model is mixed(world, second, lineage.trained(first, 0, 1), STALE)


def test_updates_that_come_together_wait_for_each_other() -> None:
    world, _ = under("fedasync", server={"aggregation_time": "2 s"})
    tiny.run(world.clock, 10.0)
    assert taken(world) == [(7.5, "client_0"), (9.5, "client_1")]
    orders = [e for e in tiny.events(world.trace, "transfer") if e[2] == "server"]
    assert orders[2:] == [(7.5, 1.25, "server", "transfer", "client_0", "")]


def test_one_at_a_time_and_nothing_of_the_old_model_is_sequential_training() -> None:
    lot = tiny.scripted(lucks={("next_client", 2, 1): 0.0})  # The third order goes to client 1.
    world, running = under("fedasync", settings=ONE | {"mixing": 1.0}, streams=lot)
    tiny.run(world.clock, 5.75 * 3 + 6.5 + 0.5)
    model, trained = world.lineage.initial(), [0, 0]
    for _, name in taken(world):
        client = int(name[-1])
        model = world.lineage.trained(model, client, trained[client])
        trained[client] += 1
    assert trained == [3, 1]
    assert running.global_model is model


def test_dead_client_leaves_its_place_when_it_is_suspected() -> None:
    # Its last heartbeat was there at 0.25. Client 1 has the model from 15.25 on.
    world, _ = under("fedasync", settings=ONE, faults=crash("client_0", "2 s"))
    tiny.run(world.clock, 29.0)
    assert taken(world) == [(21.75, "client_1"), (28.25, "client_1")]


def test_client_that_starts_anew_has_lost_its_order() -> None:
    # It crashes while it trains; at 3.25 the server hears that it has come back.
    world, _ = under("fedasync", faults=outage("client_0", 2.0, 3.0))
    tiny.run(world.clock, 10.0)
    assert taken(world) == [(6.5, "client_1"), (9.0, "client_0")]


def test_finished_update_survives_its_client_and_counts_for_less() -> None:
    # Client 0's update is finished at 3.25, and on its way when it crashes. At 15.25 its place goes
    # to client 1, whose first update is there at 21.5; at 26.25 its own is, sent at 24.
    world, running = under("fedasync", settings=ONE, faults=outage("client_0", 4.0, 24.0))
    tiny.run(world.clock, 26.75)
    assert taken(world) == [(21.75, "client_1"), (26.5, "client_0")]
    lineage = world.lineage
    initial = lineage.initial()
    first = mixed(world, initial, lineage.trained(initial, 1, 0), FRESH)
    assert running.global_model is mixed(world, first, lineage.trained(initial, 0, 0), STALE)


def test_servers_crash_takes_the_updates_since_its_checkpoint() -> None:
    # The first update is in a model that no checkpoint has; client 1's is on its way. When the
    # server is back client 1 hears of it at 8.5, tries again at 9.5, and is as fresh as can be.
    world, running = under(
        "fedasync", server={"checkpoint_every": 2}, faults=outage("server", 6.125, 8.0)
    )
    tiny.run(world.clock, 7.0)
    assert running.server.storage.rounds == 0
    tiny.run(world.clock, 12.25)
    assert taken(world) == [(5.75, "client_0"), (12.25, "client_1")]
    initial = world.lineage.initial()
    update = world.lineage.trained(initial, 1, 0)
    assert running.global_model is mixed(world, initial, update, FRESH)
    assert running.server_round == 1


def test_update_that_was_lost_with_its_round_counts_when_it_is_sent_again() -> None:
    # Client 0 has crashed before it heard, at 5.75, that its update was there at 5.5; the server
    # crashes with the model that had it, and no checkpoint. Sent again at 7, it is there at 9.25.
    faults = outage("server", 6.0, 6.5) | {"other": outage("client_0", 5.625, 7.0)["blow"]}
    world, _ = under("fedasync", server={"checkpoint_every": 2}, faults=faults)
    tiny.run(world.clock, 9.5)
    assert taken(world) == [(5.75, "client_0"), (9.5, "client_0")]


def test_lost_storage_of_the_server_begins_with_the_initial_model() -> None:
    fault = crash("server", "7 s", recovers_after="1 s", loses_storage=True)
    world, running = under("fedasync", faults=fault)
    tiny.run(world.clock, 8.5)
    assert running.server_round == 0
    assert running.global_model is world.lineage.initial()


def test_failed_round_is_reported_and_its_place_is_free() -> None:
    # Both fail each time; the report takes the latency alone.
    faults = {"luck": {"kind": "client_dropout", "nodes": "clients", "probability": 1.0}}
    world, _ = under("fedasync", settings=ONE, faults=faults)
    tiny.run(world.clock, 30.0)
    lost = tiny.events(world.trace, "train_lost")
    orders = tiny.events(world.trace, "transfer")
    latency_s = {"client_0": 0.25, "client_1": 0.5}
    assert len(lost) > 3
    for (start_s, duration_s, client, *_), order in zip(lost, orders[1:], strict=False):
        assert order[0] == pytest.approx(start_s + duration_s + latency_s[client], abs=1e-12)


def test_slow_client_leaves_its_place_at_the_deadline_and_still_counts() -> None:
    # Client 0 would be done at 1.25 + 16, client 1 has its place from 10 on; what client 0 has
    # trained is there at 19.5.
    settings, lot = ONE | {"deadline": "10 s"}, tiny.scripted(lucks={("next_client", 1, 1): 0.0})
    world, _ = under("fedasync", step_s=(8.0, 2.25), settings=settings, streams=lot)
    tiny.run(world.clock, 20.0)
    assert taken(world) == [(16.5, "client_1"), (19.75, "client_0")]


def test_order_that_takes_too_long_is_cut_short() -> None:
    # Client 0's downlink takes 8 s for a model.
    world, _ = under(
        "fedasync",
        settings=ONE | {"transfer_timeout": "4 s"},
        links={"downlink": ["128 B/s", "1024 B/s"]},
    )
    tiny.run(world.clock, 12.0)
    lost = tiny.events(world.trace, "transfer_lost")
    assert lost[0] == (0.0, 4.0, "server", "transfer_lost", "client_0", "timeout")
    # The place is free at once.
    assert 4.0 in [e[0] for e in tiny.events(world.trace, "transfer", "transfer_lost")]


def test_order_that_is_still_on_its_way_at_the_deadline_is_cut_off() -> None:
    links = {"downlink": ["128 B/s", "1024 B/s"]}
    world, _ = under("fedasync", settings={"deadline": "6 s"}, links=links)
    tiny.run(world.clock, 6.25)
    lost = (0.0, 6.0, "server", "transfer_lost", "client_0", "abandoned")
    assert lost in tiny.events(world.trace, "transfer_lost")


def test_late_update_leaves_the_place_to_the_newer_order() -> None:
    # Client 0 is sent a model at 0, and another when the deadline has passed; what it has trained
    # of the first is there at 19.5, and the second order still holds.
    world, _ = under("fedasync", step_s=(8.0, 2.25), settings={"deadline": "10 s"})
    tiny.run(world.clock, 25.0)
    assert (19.75, "client_0") in taken(world)
    orders = [e[0] for e in tiny.events(world.trace, "transfer") if e[4] == "client_0"]
    assert orders == [0.0, 10.0, 20.0]


def test_nobody_is_at_work_while_all_are_suspected() -> None:
    faults = {
        "one": {"kind": "crash", "node": "client_0", "at": "2 s", "recovers_after": "20 s"},
        "other": {"kind": "crash", "node": "client_1", "at": "2 s"},
    }
    world, _ = under("fedasync", faults=faults)
    tiny.run(world.clock, 28.0)
    orders = [e[0] for e in tiny.events(world.trace, "transfer") if e[2] == "server"]
    assert orders == [0.0, 0.0, 22.25]
    assert rounds(world) == [(0.0, 28.0)]


def test_weights_by_staleness() -> None:
    lags = (0, 3, 4, 5, 8)
    constant, polynomial, hinge = Constant(kind="constant"), Polynomial(), Hinge(kind="hinge")
    assert [constant.of(lag) for lag in lags] == [1.0] * 5
    assert [polynomial.of(lag) for lag in lags] == pytest.approx(
        [1.0, 0.5, 5**-0.5, 6**-0.5, 1 / 3]
    )
    assert [hinge.of(lag) for lag in lags] == [1.0, 1.0, 1.0, 1 / 11, 1 / 41]


def test_world_in_which_something_fails_needs_a_deadline() -> None:
    FedAsync().check(unreliable=False)
    with pytest.raises(Refusal, match="is missing") as refused:
        FedAsync().check(unreliable=True)
    assert refused.value.path == ("deadline",)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"concurrency": 1, "mixing": 1.0, "staleness_weight": {"kind": "hinge", "after": 1}},
        {"concurrency": 3, "transfer_timeout": "3 s", "retry_initial": "0.5 s"},
    ],
)
def test_every_world_keeps_its_promises(settings: dict[str, object]) -> None:
    assert check_protocol("fedasync", {"deadline": "10 s"} | settings, worlds=20)["round"] > 0
