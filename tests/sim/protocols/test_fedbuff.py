"""FedBuff: one step for each buffer of deltas, and what crashes make of it.

The world is that of `serving.py`: a model that the server sends at t is trained by client 0 until
t + 3.25 and its update is there at t + 5.5; by client 1 until t + 3.75 and t + 6.25. An update is
in the buffer 0.25 s later.
"""

import pytest

from braintorrent.testing import check_protocol
from sim.protocols.fedbuff import FedBuff
from sim.world.world import World
from tests.sim import tiny
from tests.sim.protocols.serving import DOWNLOADS, TRAININGS, UPLOADS, crash, outage, under

TWO = {"buffer": 2}
STALE = 2**-0.5
FIRST = (0.0, 6.5, "server", "round", "", "round=0 peers=('client_0', 'client_1') updates=2")


def steps(world: World) -> list[tuple[float, tuple[str, ...]]]:
    """When each step was done, and whose updates it took."""
    rows = (row for row in world.trace.rows if row.kind == "round")
    return [(row.time_s + row.duration_s, row.peers or ()) for row in rows]


def test_buffer_moves_the_model_when_it_is_full() -> None:
    world, running = under("fedbuff", settings=TWO)
    tiny.run(world.clock, 6.75)
    assert tiny.events(world.trace) == [*DOWNLOADS, *TRAININGS, *UPLOADS, FIRST]
    # Client 0 has been sent the initial model once more at 5.75, client 1 the new one at 6.5; what
    # they train is in the buffer at 11.5 and at 13.
    tiny.run(world.clock, 13.0)
    assert steps(world)[1:] == [(13.0, ("client_0", "client_1"))]
    lineage = world.lineage
    initial = lineage.initial()
    mean = lineage.combined(
        (lineage.trained(initial, 0, 0), lineage.trained(initial, 1, 0)), (0.5, 0.5)
    )
    stale, fresh = lineage.trained(initial, 0, 1), lineage.trained(mean, 1, 1)
    # mean + 1/2 (STALE (stale - initial) + fresh - mean).
    weights = (0.5, STALE / 2, -STALE / 2, 0.5)
    assert running.global_model is lineage.combined((mean, stale, initial, fresh), weights)
    assert running.server_round == 2


def test_fresh_buffer_of_one_is_the_update_itself() -> None:
    world, running = under("fedbuff", settings={"buffer": 1, "concurrency": 1})
    tiny.run(world.clock, 5.75)
    lineage = world.lineage
    assert running.global_model is lineage.trained(lineage.initial(), 0, 0)


def test_buffer_of_one_in_which_all_count_alike_adds_the_newest_delta() -> None:
    world, running = under("fedbuff", settings={"buffer": 1, "staleness_weight": "constant"})
    tiny.run(world.clock, 6.5)
    lineage = world.lineage
    initial = lineage.initial()
    first, second = (lineage.trained(initial, client, 0) for client in range(2))
    expected = lineage.combined((first, second, initial), (1.0, 1.0, -1.0))
    assert running.global_model is expected


def test_fresh_buffer_of_everyone_is_fedavgs_round_with_equal_sizes() -> None:
    models = []
    for protocol, settings in (("fedbuff", TWO), ("fedavg", {})):
        world, running = under(protocol, settings=settings, samples=(100, 100))
        tiny.run(world.clock, 6.75)
        assert running.server_round == 1
        models.append(running.global_model.name)
    assert models[0] == models[1]


def test_step_is_as_long_as_the_servers_learning_rate() -> None:
    world, running = under("fedbuff", settings=TWO | {"learning_rate": 0.5})
    tiny.run(world.clock, 6.5)
    lineage = world.lineage
    initial = lineage.initial()
    updates = (lineage.trained(initial, client, 0) for client in range(2))
    assert running.global_model is lineage.combined((initial, *updates), (0.5, 0.25, 0.25))


def test_one_client_may_fill_the_buffer() -> None:
    world, _ = under("fedbuff", settings=TWO, faults=crash("client_1", "1 s"))
    tiny.run(world.clock, 11.5)
    assert steps(world) == [(11.5, ("client_0", "client_0"))]


def test_servers_crash_takes_what_the_buffer_holds() -> None:
    # Client 0's update is in it at 5.75. The next is client 1's, on its way at the crash and sent
    # again at 9.5, there at 12; with client 0's, sent at 11.25, the buffer is full.
    world, running = under("fedbuff", settings=TWO, faults=outage("server", 6.0, 8.0))
    tiny.run(world.clock, 13.75)
    assert steps(world) == [(13.75, ("client_0", "client_1"))]
    lineage = world.lineage
    initial = lineage.initial()
    updates = lineage.trained(initial, 0, 1), lineage.trained(initial, 1, 0)
    assert running.global_model is lineage.combined(updates, (0.5, 0.5))


def test_delta_outlives_the_model_that_it_was_trained_from() -> None:
    # The first step, done at 6.5, is lost at 12: no checkpoint has it. Client 1 has trained what
    # came of it by 10.25, and sends it once more at 15.5. What client 0 has trained of the initial
    # model, sent at 14, is there at 19.5.
    server = {"checkpoint_every": 2}
    world, running = under("fedbuff", settings=TWO, server=server, faults=outage("server", 12, 14))
    lineage = world.lineage
    initial = lineage.initial()
    tiny.run(world.clock, 11.0)
    lost = running.global_model
    tiny.run(world.clock, 19.75)
    assert [end_s for end_s, _ in steps(world)] == [6.5, 19.75]
    assert running.server_round == 1
    models = (initial, lineage.trained(initial, 0, 2), lineage.trained(lost, 1, 1), lost)
    assert running.global_model is lineage.combined(models, (0.5, 0.5, 0.5, -0.5))


def test_client_that_crashes_leaves_its_place() -> None:
    settings = TWO | {"concurrency": 1}
    world, _ = under("fedbuff", settings=settings, faults=crash("client_0", "2 s"))
    tiny.run(world.clock, 30.0)
    assert steps(world) == [(28.25, ("client_1", "client_1"))]


def test_finished_update_survives_its_client() -> None:
    # It is sent at 24 and there at 26.25, when client 1 has filled no buffer yet.
    world, _ = under(
        "fedbuff", settings=TWO | {"concurrency": 1}, faults=outage("client_0", 4.0, 24.0)
    )
    tiny.run(world.clock, 26.5)
    assert steps(world) == [(26.5, ("client_0", "client_1"))]


def test_default_is_that_of_the_paper() -> None:
    settings = FedBuff()
    assert settings.buffer == 10
    assert settings.staleness_weight.of(3) == 0.5


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"buffer": 3},
        {"buffer": 1, "concurrency": 4, "learning_rate": 0.7},
        {"buffer": 2, "concurrency": 1, "transfer_timeout": "2 s", "staleness_weight": "constant"},
    ],
)
def test_every_world_keeps_its_promises(settings: dict[str, object]) -> None:
    assert check_protocol("fedbuff", {"deadline": "10 s"} | settings, worlds=20)["round"] > 0
