"""The Dask engine, against real schedulers and workers in processes of their own on loopback."""

import asyncio
import importlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import dask
import pytest
from distributed import Client

from sim.compute import ComputeError, Graph, Lineage, Models, Store
from sim.compute.engines.cluster import ClusterEngine, cluster_engine
from sim.record.errors import ScenarioError
from sim.record.folder import SCENARIO_FILE
from sim.results import folder as results
from sim.runs.session import Done, PointFolder, Session, check_data, run_points
from sim.scenario import dump, load
from tests.sim.compute.clusters import PATIENCE_S, Cluster
from tests.sim.compute.small import (
    DIES_ONCE,
    FAILS,
    FAILS_ONCE,
    NO_LIMIT,
    SLEEPS,
    SmallPlane,
    at_work,
)

TABLES = ("scores.parquet", "trace.parquet")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two workers that no test harms."""
    cluster = Cluster(tmp_path_factory.mktemp("dask") / "shared")
    try:
        cluster.add_worker("first")
        cluster.add_worker("second")
        yield cluster
    finally:
        cluster.end()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Cluster]:
    """No worker yet."""
    cluster = Cluster(tmp_path / "dask")
    try:
        yield cluster
    finally:
        cluster.end()


@asynccontextmanager
async def at_work_on(
    cluster: Cluster,
    told: list[str] | None = None,
    limit_bytes: int = NO_LIMIT,
    plane: SmallPlane | None = None,
) -> AsyncIterator[tuple[Graph, ClusterEngine]]:
    tell = ([] if told is None else told).append
    engine = await cluster_engine(cluster.address, plane or SmallPlane(), tell)
    models = Models()
    store = Store(None, limit_bytes, models, tell, engine.vectors)
    graph = Graph(engine, store, models)
    try:
        yield graph, engine
    finally:
        graph.close()
        await engine.close()


async def demanded(
    graph: Graph, spec: str = "spec", clients: Sequence[int] = range(6), rounds: int = 3
) -> list[dict[str, float]]:
    """Scores of some rounds in which all train and all get the same average."""
    models = Lineage(graph, spec, spec, "together")
    base, scores = models.initial(), []
    for number in range(rounds):
        made = tuple(models.trained(base, client, number) for client in clients)
        base = models.combined(made, tuple(1 / len(made) for _ in made))
        scores += [models.scored(each) for each in (*made, base)]
    # One model may be an average's input twice.
    twice = models.combined((base, base), (0.25, 0.75))
    return await asyncio.gather(*scores, models.scored(twice))


def test_a_cluster_gives_the_numbers_of_this_process_and_goes_on_running(shared: Cluster) -> None:
    async def scene() -> None:
        async with at_work() as (here, _, _):
            expected = await demanded(here)
        for _ in range(2):
            async with at_work_on(shared) as (there, engine):
                assert await demanded(there) == expected
                assert there.computed == 3 * (6 + 1) * 2 + 3
                assert engine.workers == 2
        async with Client(shared.address, asynchronous=True, set_as_default=False) as client:
            assert len(await client.nthreads()) == 2
            assert not any((await client.has_what()).values())

    asyncio.run(scene())


def learners() -> int:
    """How many this process holds."""
    from sim.compute.engines import cluster_worker

    return len(cluster_worker._learners)


def test_sessions_come_and_go_also_at_once_and_leave_nothing(shared: Cluster) -> None:
    """One of them leaves amid the other's work on the same models."""

    async def scene() -> None:
        async with at_work() as (here, _, _):
            expected = await demanded(here, rounds=6)
        async with (
            Client(shared.address, asynchronous=True, set_as_default=False) as client,
            at_work_on(shared, plane=SmallPlane(2)) as (stays, _),
        ):
            async with at_work_on(shared, plane=SmallPlane(3)) as (leaves, _):
                staying = asyncio.create_task(demanded(stays, rounds=6))
                assert await demanded(leaves, rounds=2) == [*expected[:14], expected[13]]
                assert sum((await client.run(learners)).values()) >= 1
            assert await staying == expected
            assert stays.computed == 6 * (6 + 1) * 2 + 3
        async with Client(shared.address, asynchronous=True, set_as_default=False) as client:
            assert set((await client.run(learners)).values()) == {0}
            assert not any((await client.has_what()).values())

    asyncio.run(scene())


def test_a_demanded_model_comes_from_the_cluster(shared: Cluster) -> None:
    async def scene() -> None:
        async with at_work_on(shared, limit_bytes=0) as (graph, engine):
            models = Lineage(graph, None, "fetched")
            made = tuple(models.trained(models.initial(), client, 0) for client in range(4))
            merged = models.combined(made, (0.25,) * 4)
            for model in (*made, merged):
                graph.stored(model)
            found = [(await graph.vector(model)).tolist() for model in (*made, merged)]
            assert found == [[1, 1], [2, 2], [3, 3], [4, 4], [2.5, 2.5]]
            assert graph.computed == 1 + 4 + 1
            engine.vectors.clear()
            with pytest.raises(ComputeError, match="no worker holds model"):
                await graph.vector(merged)

    asyncio.run(scene())


def test_workers_forget_what_the_books_drop(shared: Cluster) -> None:
    async def scene() -> None:
        async with (
            Client(shared.address, asynchronous=True, set_as_default=False) as client,
            at_work_on(shared, limit_bytes=0) as (graph, _),
        ):
            models = Lineage(graph, None, "forgotten")
            model = models.initial()
            for number in range(20):
                model = models.trained(model, 0, number)
            assert await models.scored(model) == {"accuracy": 20.0}
            for _ in range(100):
                held = {key for keys in (await client.has_what()).values() for key in keys}
                # What was in use at the last look may still be there.
                if f"trained-{model.name}" in held and len(held) <= 3:
                    return
                await asyncio.sleep(0.05)
            raise AssertionError(held)

    asyncio.run(scene())


def test_a_failure_reaches_the_demander_and_only_those_who_need_it(shared: Cluster) -> None:
    async def scene() -> None:
        async with at_work_on(shared) as (graph, _):
            models = Lineage(graph, None, "fails")
            base = models.initial()
            good = models.scored(models.trained(base, 1, 0))
            bad = models.trained(models.trained(base, FAILS, 0), 2, 1)
            with pytest.raises(ComputeError, match=r"trained\(-10, 0\) failed: ValueError: no dat"):
                await models.scored(bad)
            assert await good == {"accuracy": 2.0}

    asyncio.run(scene())


def test_an_operation_that_fails_once_is_done_again(shared: Cluster, tmp_path: Path) -> None:
    async def scene() -> None:
        async with at_work_on(shared) as (graph, _):
            models = Lineage(graph, str(tmp_path / "mark"), "fails once")
            model = models.trained(models.initial(), FAILS_ONCE, 0)
            assert await models.scored(model) == {"accuracy": FAILS_ONCE + 1.0}

    asyncio.run(scene())


@pytest.mark.slow
def test_closing_amid_long_operations_does_not_wait_for_them(own: Cluster) -> None:
    async def scene() -> None:
        own.add_worker("only")
        async with at_work_on(own) as (graph, _):
            models = Lineage(graph, None, "sleeps")
            await models.scored(models.initial())
            models.scored(models.trained(models.initial(), SLEEPS, 600))
            await asyncio.sleep(0.3)
            started = time.monotonic()
        assert time.monotonic() - started < PATIENCE_S

    asyncio.run(scene())


def test_what_a_killed_worker_had_is_computed_again(own: Cluster, tmp_path: Path) -> None:
    async def scene() -> None:
        async with at_work() as (here, _, _):
            expected = await demanded(here, rounds=4)
        own.add_worker("killed")
        async with at_work_on(own) as (graph, _):
            assert await demanded(graph, rounds=3) == [*expected[:21], expected[20]]
            # All that there is, is on this one.
            own.workers["killed"].kill()
            own.add_worker("second")
            assert await demanded(graph, rounds=4) == expected
            # And one that dies of an operation.
            own.add_worker("third")
            models = Lineage(graph, str(tmp_path / "mark"), "dies once")
            model = models.trained(models.initial(), DIES_ONCE, 0)
            assert await models.scored(model) == {"accuracy": DIES_ONCE + 1.0}

    asyncio.run(scene())


@pytest.mark.slow
def test_workers_of_another_environment_are_refused_whenever_they_come(own: Cluster) -> None:
    async def scene() -> None:
        told: list[str] = []
        own.add_worker("good")
        async with at_work_on(own, told) as (graph, engine):
            own.add_worker("late", SMALL_ARITHMETIC="wrong")
            while engine.workers < 2:
                await asyncio.sleep(0.05)
            models = Lineage(graph, None, "n")
            base = models.initial()
            scores = [models.scored(models.trained(base, client, 0)) for client in range(40)]
            assert await asyncio.gather(*scores) == [{"accuracy": 1.0 + c} for c in range(40)]
            own.workers["late"].wait(PATIENCE_S)
            assert len(told) == 2
            assert "waiting for its first worker" in told[0]
            assert "is refused: it has arithmetic wrong instead of exact" in told[1]

        own.add_worker("early", SMALL_ARITHMETIC="wrong")
        async with Client(own.address, asynchronous=True, set_as_default=False) as client:
            await client.wait_for_workers(2, timeout=PATIENCE_S)
        with pytest.raises(ScenarioError, match=r"worker tcp://\S+ is refused: it has arithmetic"):
            await cluster_engine(own.address, SmallPlane(), told.append)

    asyncio.run(scene())


@pytest.mark.slow
def test_a_lost_scheduler_fails_what_is_under_way_and_what_comes(own: Cluster) -> None:
    async def scene() -> None:
        own.add_worker("only")
        async with at_work_on(own) as (graph, _):
            models = Lineage(graph, None, "n")
            await models.scored(models.initial())
            sleeping = models.scored(models.trained(models.initial(), SLEEPS, 600))
            await asyncio.sleep(0.3)
            own.scheduler.kill()
            with pytest.raises(ComputeError, match=r"the scheduler tcp://\S+ was lost"):
                await sleeping
            with pytest.raises(ComputeError, match=r"the scheduler tcp://\S+ was lost"):
                await models.scored(models.trained(models.initial(), 1, 0))

    asyncio.run(scene())


def test_no_scheduler_no_worker_or_no_such_file_is_told_in_one_line(
    own: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "other.json").write_text("[]")

    async def scene() -> None:
        for scheduler, what in {
            "tcp://127.0.0.1:1": r"no scheduler answers at tcp://127\.0\.0\.1:1 ",
            "tls://127.0.0.1:1": r"no scheduler answers at tls://127\.0\.0\.1:1 .*TLS config",
            "soap://x:1": r"no scheduler answers at soap://x:1 ",
            str(tmp_path / "none.json"): r"No such file or directory; allowed: tcp://",
            str(tmp_path / "other.json"): r"other.json is not a file of `dask scheduler`",
            str(own.file): r"no worker has come to tcp://\S+ in 0\.2 s; start one",
        }.items():
            with pytest.raises(ScenarioError, match="^--scheduler: .*" + what):
                await cluster_engine(
                    scheduler, SmallPlane(), print, connect_s=0.5, first_worker_s=0.2
                )

    asyncio.run(scene())


def test_a_missing_package_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sim.compute.engines.cluster")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(
        ScenarioError, match=r'needs the extra: pip install "\.\[cluster]", in the folder'
    ):
        importlib.import_module("sim.compute.engines.cluster")


@pytest.mark.slow
def test_dask_s_own_configuration_encrypts(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x"]
    outputs = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *outputs], check=True, capture_output=True)
    files = {"ca-file": certificate}
    for role in ("scheduler", "worker", "client"):
        files |= {f"{role}.key": key, f"{role}.cert": certificate}
    settings = {f"distributed.comm.tls.{name}": str(path) for name, path in files.items()}
    variables = {
        "DASK_" + name.upper().replace(".", "__").replace("-", "_"): value
        for name, value in settings.items()
    }

    async def scene() -> None:
        async with at_work() as (here, _, _), at_work_on(cluster) as (there, _):
            assert await demanded(there) == await demanded(here)

    cluster = Cluster(tmp_path / "dask", "tls", **variables)
    try:
        cluster.add_worker("only")
        assert cluster.address.startswith("tls://")
        with dask.config.set(settings):
            asyncio.run(scene())
    finally:
        cluster.end()


@pytest.mark.slow
def test_a_run_that_loses_a_worker_gives_the_same_bytes(own: Cluster, tmp_path: Path) -> None:
    settings = ["duration=3 min", "clients.count=5", "seeds=[0, 1]", "training.local_epochs=10"]
    settings.append("output.keep_models=final")
    scenario = load("churn", settings)

    async def run(name: str, scheduler: str | None) -> Done:
        folder = tmp_path / name
        results.claim(folder, SCENARIO_FILE, dump(scenario))
        session = Session(folder, 0, NO_LIMIT, print, lambda _: None, scheduler)
        return await run_points(
            [PointFolder(scenario, folder)], session, check_data([scenario], lambda line: None)
        )

    def content(name: str) -> dict[str, bytes]:
        folder = tmp_path / name
        paths = [folder / table for table in TABLES] + sorted(folder.glob("models/*/*/*"))
        return {str(path.relative_to(folder)): path.read_bytes() for path in paths}

    async def scene() -> None:
        async with Client(own.address, asynchronous=True, set_as_default=False) as client:
            await client.wait_for_workers(2, timeout=PATIENCE_S)
            workers = (await client.scheduler.identity())["workers"]
            running = asyncio.create_task(run("cluster", str(own.file)))
            most: list[str] = []
            while len(most) < 10:
                assert not running.done()
                await asyncio.sleep(0.02)
                held = await client.has_what()
                address, most = max(held.items(), key=lambda each: len(each[1]))
            own.workers[workers[address]["name"]].kill()
            assert sum(key.startswith("trained-") for key in most) > 1
            done = await running
            assert done.failed == []
            assert done.operations.steps_computed == done.operations.steps_demanded

    own.add_worker("first")
    own.add_worker("second")
    asyncio.run(scene())
    assert sorted(worker.poll() is None for worker in own.workers.values()) == [False, True]
    asyncio.run(run("here", None))
    assert content("cluster") == content("here")
    # Of two seeds: clients at both stages, the aggregate, and a server; then the references.
    assert len(content("here")) == len(TABLES) + 2 * (11 + 12 + 6 + 2)
    assert list((tmp_path / "cluster" / "store" / "models").iterdir()) == []
