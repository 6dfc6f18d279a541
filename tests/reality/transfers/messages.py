"""Small messages: behind a full queue, and where packets are lost."""

import asyncio
import statistics
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

from sim.world.transport import timeout_s
from tests.reality.network.hosts import Hosts, Link
from tests.reality.network.lines import Datagrams
from tests.reality.transfers.flows import PORT, Flow, Pipe, World

RATE, WIDE = 5e5, 1e8
MESSAGE_BYTES = 200
BULK = Flow(0, 1, 3_500_000)
"""What fills a line: for 7 s."""
FILLED_S, EVERY_S, LONGEST_S = 1.5, 0.06, 0.5
"""Until its queue is full; between messages; and no datagram is waited for any longer."""
MANY = 20
CONNECTIONS, EACH = 50, 6
"""Messages, where packets are lost."""
LOSS, LATE_S = 0.05, 0.05


class Behind(NamedTuple):
    """A bulk transfer from 0 to 1 over a narrow line, and messages; host 2 has wide lines alone."""

    name: str
    one_way_s: float
    source: int
    target: int
    bulk_links: tuple[Link, Link]


NARROW_UP = Link(RATE, WIDE), Link(WIDE, WIDE)
NARROW_DOWN = Link(WIDE, WIDE), Link(WIDE, RATE)
BEHIND = [
    Behind(name, one_way_s, source, target, links)
    for one_way_s in (0.01, 0.04, 0.08)
    for name, source, target, links in (
        ("out of the sender", 0, 2, NARROW_UP),
        ("into the receiver", 2, 1, NARROW_DOWN),
        ("the other way", 1, 0, NARROW_UP),
    )
]


def behind_s(case: Behind) -> tuple[list[float], list[float]]:
    """What each message and each datagram takes while the bulk fills its line."""
    delays_s = tuple(tuple(0.0 if i == j else case.one_way_s for j in range(3)) for i in range(3))
    world = World((*case.bulk_links, Link(WIDE, WIDE)), delays_s)
    return world.played(lambda hosts: asyncio.run(_behind(hosts, case)))


async def _behind(hosts: Hosts, case: Behind) -> tuple[list[float], list[float]]:
    bulk = Pipe(hosts, BULK, PORT)
    pipe = Pipe(hosts, Flow(case.source, case.target, MESSAGE_BYTES), PORT + 1)
    line = Datagrams(hosts, hosts.names[case.source], hosts.names[case.target])
    try:
        await pipe.carry(1)
        carrying = asyncio.ensure_future(bulk.carry(BULK.size_bytes))
        await asyncio.sleep(FILLED_S)
        messages, datagrams = await asyncio.gather(
            _one_by_one(pipe, MANY, EVERY_S), _datagrams(line)
        )
        assert not carrying.done()
        await carrying
        return messages, datagrams
    finally:
        for each in (bulk, pipe, line):
            each.close()


async def _one_by_one(pipe: Pipe, many: int, every_s: float) -> list[float]:
    taken_s = []
    for _ in range(many):
        taken_s.append(await pipe.carry(MESSAGE_BYTES))
        await asyncio.sleep(max(0.0, every_s - taken_s[-1]))
    return taken_s


async def _datagrams(line: Datagrams) -> list[float]:
    """The seconds of each that comes, of `MANY`."""
    coming = asyncio.create_task(asyncio.to_thread(line.come, LONGEST_S))
    for _ in range(MANY):
        line.send()
        await asyncio.sleep(EVERY_S)
    return [each.came_s - each.sent_s for each in await coming]


def lost_s(one_way_s: float) -> list[float]:
    """What messages take, each alone on a lasting connection, where packets are lost."""
    delays_s = (0.0, one_way_s), (one_way_s, 0.0)
    world = World((Link(RATE, RATE),) * 2, delays_s, LOSS)
    return world.played(lambda hosts: asyncio.run(_lost(hosts)))


async def _lost(hosts: Hosts) -> list[float]:
    pipes = [Pipe(hosts, Flow(0, 1, 0), PORT + number) for number in range(CONNECTIONS)]
    try:
        await asyncio.gather(*(pipe.carry(1) for pipe in pipes))
        await asyncio.sleep(1)
        taken = await asyncio.gather(*(_one_by_one(pipe, EACH, 1.0) for pipe in pipes))
        return [seconds for each in taken for seconds in each]
    finally:
        for pipe in pipes:
            pipe.close()


def behind(pool: Executor) -> Iterator[Sequence[str]]:
    """A head, then a line for each place of a full queue."""
    yield (
        *("messages", "simulated", "message", "slowest", "datagram", "slowest"),
        "datagrams dropped",
    )
    for case, (messages, datagrams) in zip(BEHIND, pool.map(behind_s, BEHIND), strict=True):
        dropped = f"{MANY - len(datagrams)} of {MANY}"
        yield case.name, _ms(case.one_way_s), *_of(messages), *_of(datagrams), dropped


def lost(pool: Executor) -> Iterator[Sequence[str]]:
    """A head, then a line for each latency."""
    yield "one way", "loss", "late", "by (median)", "at most", "simulated: first time-out"
    delays_s = (0.01, 0.04, 0.08)
    for one_way_s, taken_s in zip(delays_s, pool.map(lost_s, delays_s), strict=True):
        usual_s = statistics.median(taken_s)
        late_s = [seconds - usual_s for seconds in taken_s if seconds > usual_s + LATE_S]
        share = f"{len(late_s) / len(taken_s):.1%}"
        yield _ms(one_way_s), f"{LOSS:.0%}", share, *_of(late_s), _ms(timeout_s(2 * one_way_s))


def _of(taken_s: Sequence[float]) -> tuple[str, str]:
    return _ms(statistics.median(taken_s)), _ms(max(taken_s))


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:,.0f} ms"
