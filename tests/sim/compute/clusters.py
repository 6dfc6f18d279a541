"""A Dask cluster of a test's own, in processes of its own on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[3]
PATIENCE_S = 120


class Cluster:
    """A scheduler and workers that end with the test."""

    def __init__(self, folder: Path, protocol: str = "tcp", **environment: str) -> None:
        folder.mkdir()
        self.folder = folder
        self._protocol = protocol
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
        self.file = folder / "scheduler.json"
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self.scheduler = self._started(
            "scheduler", ["--port=0", "--no-dashboard", f"--scheduler-file={self.file}"]
        )
        until(lambda: self.file.exists() and self.file.read_text().endswith("}"))
        self.address = str(json.loads(self.file.read_text())["address"])

    def add_worker(self, name: str, **environment: str) -> None:
        options = [f"--name={name}", f"--local-directory={self.folder}"]
        options += ["--nthreads=1", "--no-nanny", "--no-dashboard"]
        self.workers[name] = self._started("worker", [self.address, *options], **environment)

    def _started(
        self, role: str, options: Sequence[str], **environment: str
    ) -> subprocess.Popen[bytes]:
        options = ["--host=127.0.0.1", f"--protocol={self._protocol}", *options]
        with open(self.folder / "log", "ab") as log:
            return subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    f"distributed.cli.dask_{role}",
                    "--host=127.0.0.1",
                    *options,
                ],
                cwd=self.folder,
                env=self._environment | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def end(self) -> None:
        for process in (*self.workers.values(), self.scheduler):
            process.kill()
            process.wait()


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)
