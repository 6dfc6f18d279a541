"""Worlds of nodes on this machine alone: addresses of 127.0.0.0/8, no network between them."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.reality.nodes.config import Config

ROOT = Path(__file__).parents[3]
START_S = 0.2
"""CPU time that an interpreter needs to start; all do before time begins."""
SHORTEST_S, MARGIN = 1.0, 1.5
KILLED_S, BACK_S, END_S = 0.6, 1.5, 2.4
"""When a node of each world is struck, when it is back, and when the world ends."""
TRAIN_S = 0.15
LATE_S, TRIES = 0.1, 4
"""What lasts so much longer than it should says that the machine is too busy; then all is played
again."""
Line = dict[str, Any]


def addresses(names: Sequence[str], world: int = 0) -> dict[str, str]:
    """Addresses that no other process uses, so that tests can run beside each other."""
    own = os.getpid() % 65_000
    return {
        name: f"127.{own // 256}.{own % 256}.{8 * world + at + 1}" for at, name in enumerate(names)
    }


CONFIG = Config(
    name="client_0",
    protocol="gossip",
    settings={},
    addresses=addresses(["client_0", "client_1"]),
    port=18_018,
    model_bytes=20_000,
    train_s=[TRAIN_S],
    interval_s=TRAIN_S,
    phase_s=0.0,
    timeout_s=0.5,
    start_at=0.0,
    until_s=END_S,
    storage="",
    log="",
    stall_s=5.0,
)
"""A small world's; to be replaced in part."""


@dataclass(frozen=True)
class World:
    """Three clients, and so many servers, of whom one is struck.

    `strike`: SIGKILL, after which it comes back from its storage; or SIGSTOP, after which it goes
    on where it was, and others have suspected it wrongly.
    """

    protocol: str
    struck: str
    settings: dict[str, Any]
    servers: int = 0
    luck: tuple[tuple[str, Any], ...] = ()
    strike: signal.Signals = signal.SIGKILL

    @property
    def names(self) -> list[str]:
        return ["client_0", "client_1", "client_2", "server", "standby_1"][: 3 + self.servers]


class Played:
    """A world's processes; those of second lives start with the others, and wait."""

    def __init__(self, world: World, number: int, folder: Path, start_at: float) -> None:
        self.world = world
        self.configs = [
            replace(
                CONFIG,
                name=name,
                protocol=world.protocol,
                settings=world.settings,
                luck=dict(world.luck),
                addresses=addresses(world.names, number),
                phase_s=0.01 * at,
                start_at=start_at,
                storage=str(folder / name),
                log=str(folder / f"{name}.log"),
            )
            for at, name in enumerate(world.names)
        ]
        self.struck = self._start(next(c for c in self.configs if c.name == world.struck))
        self.others = [self._start(c) for c in self.configs if c.name != world.struck]
        if world.strike == signal.SIGKILL:
            config = next(c for c in self.configs if c.name == world.struck)
            self.others.append(self._start(replace(config, begins_s=BACK_S)))

    def _start(self, config: Config) -> "subprocess.Popen[bytes]":
        path = Path(f"{config.storage}_{config.begins_s}.json")
        config.save(path)
        command = [sys.executable, "-m", "tests.reality.nodes", str(path)]
        process = subprocess.Popen(command, cwd=ROOT)
        with contextlib.suppress(PermissionError):  # Then what else runs here may make it late.
            os.sched_setscheduler(process.pid, os.SCHED_RR, os.sched_param(1))
        return process

    def end(self) -> list[Line]:
        """All lines of all logs, as things began, when all have ended as they should."""
        assert [process.wait(60) for process in self.others] == [0] * len(self.others)
        assert self.struck.wait(60) == (-9 if self.world.strike == signal.SIGKILL else 0)
        logs = [Path(config.log).read_text(encoding="utf-8") for config in self.configs]
        lines = [json.loads(line) for log in logs for line in log.splitlines()]
        return sorted(lines, key=lambda line: float(line["time_s"]))

    def kill(self) -> None:
        """Leave nothing behind."""
        for process in [self.struck, *self.others]:
            process.kill()
            process.wait()


class Late(Exception):
    """The machine is too busy: what was measured is the machine."""


def played(worlds: dict[str, World], folder: Path) -> dict[str, list[Line]]:
    """The logs of all worlds, which are played side by side. Raises Late if no try was in time."""
    for number in range(TRIES):
        (here := folder / str(number)).mkdir()
        with contextlib.suppress(Late):
            return _played(worlds, here)
    raise Late(f"in each of {TRIES} tries something was late by {LATE_S} s")


def _played(worlds: dict[str, World], folder: Path) -> dict[str, list[Line]]:
    processes = sum(len(world.names) + 1 for world in worlds.values())
    start_at = time.monotonic() + SHORTEST_S + MARGIN * START_S * processes / (os.cpu_count() or 1)
    with contextlib.ExitStack() as stack:
        running = {}
        for number, (name, world) in enumerate(worlds.items()):
            (folder / name).mkdir()
            running[name] = Played(world, number, folder / name, start_at)
            stack.callback(running[name].kill)
        _sleep_until(start_at)
        if not all(config.is_there for each in running.values() for config in each.configs):
            raise Late
        _sleep_until(start_at + KILLED_S)
        for each in running.values():
            each.struck.send_signal(each.world.strike)
        _sleep_until(start_at + BACK_S)
        for each in running.values():
            each.struck.send_signal(signal.SIGCONT)
        logs = {name: each.end() for name, each in running.items()}
    for name, lines in logs.items():
        _check_in_time(worlds[name], lines)
    return logs


def _sleep_until(instant: float) -> None:
    time.sleep(max(0.0, instant - time.monotonic()))
    if time.monotonic() > instant + LATE_S:
        raise Late


def _check_in_time(world: World, lines: list[Line]) -> None:
    silent = world.struck if world.strike == signal.SIGSTOP else ""
    trained = (each for each in lines if each["kind"] == "train" and each["node"] != silent)
    if any(each["duration_s"] > TRAIN_S + LATE_S for each in trained):
        raise Late
    if any(each["time_s"] > END_S + LATE_S for each in lines):
        raise Late
