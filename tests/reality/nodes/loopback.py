"""Nodes on this machine alone, one address of 127.0.0.0/8 each, without a network between them."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.reality.nodes.config import Config

ROOT = Path(__file__).parents[3]
HEAD_START_S = 0.8
"""What interpreters need to start, before time begins."""
Line = dict[str, Any]


def addresses(names: list[str]) -> dict[str, str]:
    """Addresses that no other process uses, so that tests can run beside each other."""
    own = os.getpid() % 65_000
    return {name: f"127.{own // 256}.{own % 256}.{1 + at}" for at, name in enumerate(names)}


CONFIG = Config(
    name="client_0",
    protocol="gossip",
    settings={},
    addresses=addresses(["client_0", "client_1"]),
    port=18_018,
    model_bytes=20_000,
    train_s=[0.1],
    interval_s=0.1,
    phase_s=0.0,
    timeout_s=0.35,
    start_at=0.0,
    until_s=1.0,
    storage="",
    log="",
    stall_s=5.0,
)
"""A small world's; to be replaced in part."""


@dataclass
class Loopback:
    """Running nodes. Tests say what happens to them at which time of the world."""

    configs: dict[str, Config]
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def start(self, name: str, begins_s: float = 0.0) -> None:
        """Start a node's process; what it does begins at that time."""
        config = replace(self.configs[name], begins_s=begins_s)
        path = Path(config.storage).with_suffix(".json")
        config.save(path)
        command = [sys.executable, "-m", "tests.reality.nodes", str(path)]
        self.processes[name] = subprocess.Popen(command, cwd=ROOT)

    def kill(self, name: str, time_s: float) -> None:
        """SIGKILL, at that time."""
        self.sleep_until(time_s)
        self.processes[name].kill()
        self.processes[name].wait()

    def sleep_until(self, time_s: float) -> None:
        config = next(iter(self.configs.values()))
        time.sleep(max(0.0, config.start_at + time_s - time.monotonic()))

    def end(self) -> list[Line]:
        """Wait until the world's end: all lines of all logs, as things began."""
        for name, process in self.processes.items():
            assert process.wait(60) == 0, name
        logs = [Path(config.log).read_text(encoding="utf-8") for config in self.configs.values()]
        lines = [json.loads(line) for log in logs for line in log.splitlines()]
        return sorted(lines, key=lambda line: float(line["time_s"]))


def _config(common: Config, folder: Path, names: list[str], name: str) -> Config:
    return replace(
        common,
        name=name,
        addresses=addresses(names),
        phase_s=0.01 * names.index(name),
        storage=str(folder / name),
        log=str(folder / f"{name}.log"),
    )


@contextlib.contextmanager
def loopback(
    folder: Path, protocol: str, until_s: float, clients: int = 3, servers: int = 0, **other: Any
) -> Iterator[Loopback]:
    """So many nodes with tiny models and trainings of 0.1 s, from time 0 to `until_s`."""
    names = [f"client_{number}" for number in range(clients)]
    names += ["server", "standby_1", "standby_2"][:servers]
    start_at = time.monotonic() + HEAD_START_S
    common = replace(CONFIG, protocol=protocol, start_at=start_at, until_s=until_s, **other)
    nodes = Loopback({name: _config(common, folder, names, name) for name in names})
    try:
        for name in names:
            nodes.start(name)
        yield nodes
    finally:
        for process in nodes.processes.values():
            process.kill()
            process.wait()
