"""What nodes stand on: calls, stable storage, beliefs, and how they are configured."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.reality.nodes.config import Config
from tests.reality.nodes.detector import Detector
from tests.reality.nodes.loopback import CONFIG
from tests.reality.nodes.storage import Storage
from tests.reality.nodes.wire import REFUSED_S, Fields, Reply, Wire

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs all of 127.0.0.0/8")


@dataclass
class Pair:
    """Two wires; `heard`: calls that came to either, `came`: models, `ended`: who was there."""

    tasks: asyncio.TaskGroup
    heard: list[str] = field(default_factory=list)
    came: list[int] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.one, self.other = self.wire("client_0"), self.wire("client_1")

    def wire(self, name: str) -> Wire:
        config = replace(CONFIG, name=name)
        spawn = self.tasks.create_task
        return Wire(config, time.monotonic, spawn, self.answer, self.arrived, self.ended.append)

    def answer(self, peer: str, method: str, fields: Fields) -> Reply:
        self.heard.append(f"{method} {peer} {fields}")
        return Reply({"of": method}, fields.get("wanted", 0))

    def arrived(self, source: str, target: str, sent_s: float, model_bytes: int) -> None:
        assert {source, target} == {"client_0", "client_1"}
        assert 0 <= time.monotonic() - sent_s < 5
        self.came.append(model_bytes)


@contextlib.asynccontextmanager
async def pair() -> AsyncIterator[Pair]:
    with contextlib.suppress(asyncio.CancelledError):
        async with asyncio.TaskGroup() as tasks:
            both = Pair(tasks)
            await both.other.listen()
            with contextlib.closing(both.one), contextlib.closing(both.other):
                yield both
            raise asyncio.CancelledError  # Ends what still listens.


def test_call_carries_model_either_way() -> None:
    async def play() -> None:
        async with pair() as both:
            pushed = await both.one.call("client_1", "push", 100_000, number=3)
            fetched = await both.one.call("client_1", "ask", wanted=50_000)
            assert pushed is not None
            assert (pushed.fields["of"], pushed.model_bytes) == ("push", 0)
            assert fetched is not None
            assert fetched.model_bytes == 50_000
            assert both.heard == [
                "push client_0 {'number': 3}",
                "ask client_0 {'wanted': 50000}",
            ]
            assert both.came == [100_000, 50_000]

    asyncio.run(play())


def test_small_call_does_not_wait_behind_model() -> None:
    async def play() -> None:
        async with pair() as both:
            model = asyncio.create_task(both.one.call("client_1", "push", 50_000_000))
            await asyncio.sleep(0)  # It has begun.
            assert await both.one.call("client_1", "small") is not None
            assert not model.done()
            await model
            assert both.came == [50_000_000]

    asyncio.run(play())


def test_broken_off_call_delivers_nothing() -> None:
    async def play() -> None:
        async with pair() as both:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await both.one.call("client_1", "push", 500_000_000)
            assert await both.one.call("client_1", "next") is not None
            assert both.heard == ["next client_0 {}"]
            assert both.came == []

    asyncio.run(play())


def test_end_of_a_process_is_told_and_that_of_a_call_is_not() -> None:
    async def play() -> None:
        async with pair() as both:
            await both.one.meet("client_1")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await both.one.call("client_1", "push", 500_000_000)
            assert await both.one.call("client_1", "next") is not None
            assert both.ended == []
            both.one.close()  # As its host does when it ends.
            async with asyncio.timeout(5):
                while not both.ended:
                    await asyncio.sleep(0.01)
            assert both.ended == ["client_0"]

    asyncio.run(play())


def test_who_is_refused_waits_a_little() -> None:
    async def play() -> None:
        async with pair() as both:
            asked_s = time.monotonic()
            assert await both.other.call("client_0", "hello") is None
            assert time.monotonic() - asked_s >= REFUSED_S

    asyncio.run(play())


def test_storage_is_replaced_as_a_whole(tmp_path: Path) -> None:
    Storage(tmp_path / "node").keep(rounds=3, merged={"client_1": 2})
    (tmp_path / "node" / "kept.part").write_text('{"rounds": 4, "mer')  # Killed while it wrote.
    kept = Storage(tmp_path / "node")
    assert (kept.get("rounds", 0), kept.get("merged", {})) == (3, {"client_1": 2})
    kept.keep(rounds=5)
    assert Storage(tmp_path / "node").get("rounds", 0) == 5


def test_config_is_read_as_it_was_written(tmp_path: Path) -> None:
    CONFIG.save(tmp_path / "node.json")
    assert Config.load(tmp_path / "node.json") == CONFIG


def test_new_life_is_found_out_without_suspicion() -> None:
    async def play() -> None:
        told: list[tuple[str, str]] = []
        detector = Detector(
            replace(CONFIG, timeout_s=5.0), lambda peer, what: told.append((peer, what))
        )
        detector.start()
        detector.heard("client_1", 0.0)
        assert not detector.lost("client_1", 7.0)
        detector.heard("client_1", 8.0)
        detector.heard("client_1", 0.0)  # Overtaken, of the life before.
        assert told == [("client_1", "restart")]
        assert detector.lost("client_1", 7.0)
        assert not detector.lost("client_1", 8.5)

    asyncio.run(play())


def test_silence_is_suspected_and_a_heartbeat_ends_that() -> None:
    async def play() -> None:
        told: list[tuple[str, str]] = []
        detector = Detector(
            replace(CONFIG, timeout_s=0.05), lambda peer, what: told.append((peer, what))
        )
        detector.start()
        await asyncio.sleep(0.1)
        assert detector.suspects("client_1")
        detector.heard("client_1", 0.0)
        assert not detector.suspects("client_1")
        assert told == [("client_1", "suspect"), ("client_1", "trust")]

    asyncio.run(play())


def test_end_of_a_process_loses_what_it_was_given_and_is_no_suspicion() -> None:
    async def play() -> None:
        told: list[tuple[str, str]] = []
        detector = Detector(CONFIG, lambda peer, what: told.append((peer, what)))
        detector.ended("client_1", 5.0)
        assert told == [("client_1", "end")]
        assert detector.lost("client_1", 4.0)
        assert not detector.lost("client_1", 6.0)
        assert not detector.suspects("client_1")

    asyncio.run(play())


@pytest.mark.parametrize(("now_s", "next_s"), [(0.0, 0.25), (0.25, 1.25), (7.9, 8.25)])
def test_heartbeats_keep_their_phase(now_s: float, next_s: float) -> None:
    config = replace(CONFIG, interval_s=1.0, phase_s=0.25)
    assert Detector(config, lambda *_: None).next_s(now_s) == next_s
