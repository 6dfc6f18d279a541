"""A world played by real processes: a host for each node, and faults that strike at their times."""

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sim.record.rows import TraceRow
from tests.reality.network.hosts import Hosts, Link, Report
from tests.reality.nodes.config import Config
from tests.reality.plan import Act
from tests.reality.worlds import World

ROOT = Path(__file__).parents[2]
PORT = 18_018
QUEUE = 1.0
"""Round trips' worth of bytes that wait in front of a link; see `Hosts`."""
HEAD_START_S = 6.0
"""What interpreters need to start, and nodes to connect, before time begins."""
LATE_S, LATE_P99_S = 0.1, 0.005
"""A run in which a packet, or one of a hundred, came out later than that doesn't count."""
TRIES = 4


class Late(Exception):
    """The machine was too busy: what was measured is the machine."""


class Lost(Exception):
    """A node's process ended in a way that no fault explains."""


class Stopped(Exception):
    """Nobody wants the run any longer."""


@dataclass(frozen=True)
class Played:
    """What happened, as rows of a trace in the order of their ends, and how well packets went."""

    rows: list[TraceRow]
    report: Report


def steadily_played(world: World, folder: Path, stop: threading.Event) -> Played:
    """A run that wasn't late. Raises Lost, Stopped, and Late if each of `TRIES` was."""
    for number in range(1, TRIES):
        with contextlib.suppress(Late):
            return play(world, folder / f"try_{number}", stop)
    return play(world, folder / f"try_{TRIES}", stop)


def play(world: World, folder: Path, stop: threading.Event) -> Played:
    """One run, in real time. `folder` is made, for the nodes' files. Raises Late, Lost, Stopped."""
    folder.mkdir(parents=True)
    plan = world.plan
    links = {name: Link(*rates) for name, rates in plan.rates.items()}
    loss = plan.scenario.network.packet_loss
    with Hosts(links, plan.delays_s.tolist(), loss, seed=plan.run.seed, queue=QUEUE) as hosts:
        nodes = Nodes(world, hosts, folder, stop)
        nodes.begin()
        rows = nodes.struck(plan.acts())
        nodes.wait()
        report = hosts.report()
    if report.worst_s > LATE_S or report.p99_s > LATE_P99_S:
        raise Late(f"{world}: packets came out up to {1e3 * report.worst_s:.0f} ms late")
    logs = [row for name in plan.names for row in logged(world, folder / f"{name}.log")]
    return Played(sorted(rows + logs, key=lambda row: row.time_s + row.duration_s), report)


class Nodes:
    """The nodes' processes of one run; they start at once, and time a little later.

    Whatever waits here raises Stopped once `stop` is set.
    """

    def __init__(self, world: World, hosts: Hosts, folder: Path, stop: threading.Event) -> None:
        self._world, self._hosts, self._stop = world, hosts, stop
        self._start_at = time.monotonic() + HEAD_START_S
        self._configs = {
            name: Config(
                **world.plan.node(name),
                addresses=hosts.address,
                port=PORT,
                start_at=self._start_at,
                storage=str(folder / name),
                log=str(folder / f"{name}.log"),
            )
            for name in world.plan.names
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._does: Mapping[str, Callable[..., float | None]] = {
            "crash": hosts.crash,
            "kill": self._kill,
            "boot": self._boot,
            "start": self._start,
            "speak": hosts.speak,
            "cut": hosts.cut,
            "heal": hosts.heal,
            "degrade": hosts.degrade,
            "restore": hosts.restore,
        }
        for name in self._configs:
            self._start(name)

    def _start(self, name: str, begins_s: float = 0.0) -> None:
        config = replace(self._configs[name], begins_s=begins_s)
        path = Path(config.log).with_suffix(".json")
        config.save(path)
        command = [sys.executable, "-m", "tests.reality.nodes", str(path)]
        self._processes[name] = self._hosts.start(name, command, cwd=ROOT)

    def begin(self) -> None:
        """Wait until time begins. Raises Late if a node isn't there by then."""
        self._sleep_until(0.0)
        if late := [each.name for each in self._configs.values() if not each.is_there]:
            raise Late(f"{self._world}: when time began {' and '.join(late)} had not started")

    def struck(self, acts: Iterable[Act]) -> list[TraceRow]:
        """Let all faults strike, each at its time; what they did, and when."""
        rows = []
        for act in acts:
            self._sleep_until(act.at_s)
            at_s = self._does[act.does](*act.arguments)
            if at_s is not None:
                rows.append(_row(self._world, at_s - self._start_at, 0.0, act.node, act.kind))
        return rows

    def _kill(self, name: str) -> float:
        """End a node's process, whose host resets its connections."""
        self._processes[name].kill()
        at_s = time.monotonic()
        self._processes[name].wait()
        return at_s

    def _boot(self, name: str, begins_s: float) -> None:
        """Switch a host on in silence, and let its node's process wait for its beginning."""
        self._hosts.switch_on(name)
        self._hosts.silence(name)
        self._start(name, begins_s)

    def _sleep_until(self, time_s: float) -> None:
        if self._stop.wait(max(0.0, self._start_at + time_s - time.monotonic())):
            raise Stopped(f"{self._world}: stopped")

    def wait(self) -> None:
        """Until all have ended whom no fault has. Raises Lost."""
        self._sleep_until(self._world.plan.scenario.duration)
        down = [name for name, process in self._processes.items() if process.poll() == -9]
        for name, process in self._processes.items():
            if name not in down and process.wait(60):
                raise Lost(f"{self._world}: the process of {name} ended with {process.returncode}")


def logged(world: World, log: Path) -> list[TraceRow]:
    """A node's log as rows of a trace."""
    lines = map(json.loads, log.read_text(encoding="utf-8").splitlines())
    return [_row(world, **line) for line in lines]


def _row(
    world: World,
    time_s: float,
    duration_s: float,
    node: str,
    kind: str,
    peer: str = "",
    bytes: int = 0,
    peers: Iterable[str] | None = None,
    **what: Any,
) -> TraceRow:
    whose = None if peers is None else tuple(peers)
    seed = world.plan.run.seed
    return TraceRow(
        world.protocol, seed, time_s, duration_s, node, kind, peer, bytes, peers=whose, **what
    )
