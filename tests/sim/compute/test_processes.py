"""Helper processes: what they load, how they end, and that none outlives who started it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sim.compute.processes import Process, Processes
from tests.sim.compute.left import lives

ROOT = Path(__file__).parents[3]
MAIN = "tests.sim.compute.helpers:obey"


@pytest.fixture(params=[True, False], ids=["forked", "alone"])
def processes(request: pytest.FixtureRequest) -> Iterator[Processes]:
    several = Processes(["json.tool"], forks=request.param)
    yield several
    several.close()


def told(process: Process, module: str = "json.tool") -> tuple[int, bool, str]:
    """Its parent, whether it has the module, and how many threads it may have."""
    process.connection.send(("tell", module))
    found: tuple[int, bool, str] = process.connection.recv()
    return found


def test_what_is_forked_has_what_its_server_has_loaded() -> None:
    several = Processes(["json.tool"])
    first, second = several.start(MAIN), several.start(MAIN)
    try:
        server, loaded, threads = told(first)
        assert (loaded, threads) == (True, "1")
        assert told(second)[0] == server
        assert len({first.pid, second.pid, server, os.getpid()}) == 4
    finally:
        several.close()
    assert not any(map(lives, (first.pid, second.pid, server)))


def test_what_may_not_be_forked_is_an_interpreter_of_its_own() -> None:
    several = Processes(["json.tool"], forks=False)
    process = several.start(MAIN)
    try:
        assert told(process) == (os.getpid(), False, "1")
    finally:
        several.close()
    assert process.returncode == -signal.SIGTERM


def test_a_helper_ends_with_its_code_its_connection_or_a_signal(processes: Processes) -> None:
    codes = []
    for last in (("end", 3), ("fail", "this text is meant to be seen"), None, "SIGTERM", "SIGKILL"):
        process = processes.start(MAIN)
        told(process)
        assert process.returncode is None
        if isinstance(last, tuple):
            process.connection.send(last)
        elif last is None:
            process.connection.close()
        else:
            (process.terminate if last == "SIGTERM" else process.kill)()
        codes.append(process.wait(20))
        process.close()
    assert codes == [3, 1, 0, -signal.SIGTERM, -signal.SIGKILL]


def test_one_that_does_not_end_in_time_is_none(processes: Processes) -> None:
    process = processes.start(MAIN)
    assert process.wait(0.01) is None
    process.kill()
    assert process.wait(20) == -signal.SIGKILL


def test_a_server_that_is_killed_takes_its_children_along_and_is_replaced() -> None:
    several = Processes()
    first = several.start(MAIN)
    server = told(first)[0]
    first.connection.send(("sleep", 60))
    os.kill(server, signal.SIGKILL)
    try:
        assert first.wait(20) == -signal.SIGKILL
        assert not _lives_on(first.pid)
        second = several.start(MAIN)
        assert told(second)[0] not in (server, os.getpid())
    finally:
        several.close()


def test_a_server_that_cannot_load_forks_nothing() -> None:
    several = Processes(["there.is.no.such.module"])
    process = several.start(MAIN)
    with pytest.raises((EOFError, OSError)):
        process.connection.recv()
    assert process.wait(20) == 1
    with pytest.raises(EOFError):
        assert process.pid
    several.close()


PARENT = """
import sys, time
from sim.compute.processes import Processes

several = Processes(forks=sys.argv[1] == "forks")
process = several.start("tests.sim.compute.helpers:obey")
process.connection.send(("tell", ""))
print(process.pid, process.connection.recv()[0], flush=True)
process.connection.send(("sleep", 60))
time.sleep(60)
"""
"""Without a main guard: helpers don't import it."""


@pytest.mark.parametrize("forks", ["forks", "alone"])
def test_no_helper_outlives_a_parent_that_is_killed(forks: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, forks],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    helpers = [int(text) for text in parent.stdout.readline().split()]
    parent.kill()
    parent.communicate(timeout=20)
    assert len(helpers) == 2 and not any(map(_lives_on, helpers))


@pytest.mark.parametrize("forks", [True, False])
def test_ctrl_c_cannot_hit_a_helper_even_before_it_ignores_it(forks: bool) -> None:
    several = Processes(forks=forks)
    process = several.start(MAIN)
    try:
        for _ in range(10):
            os.kill(process.pid, signal.SIGINT)
            time.sleep(0.01)
        assert _signals(process.pid, "SigBlk") & 1 << signal.SIGINT - 1
        assert process.returncode is None
    finally:
        several.close()


def _signals(process: int, which: str) -> int:
    """The mask of signals that are blocked (SigBlk) or ignored (SigIgn) there."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.startswith(which))


def _lives_on(process: int) -> bool:
    deadline = time.monotonic() + 20
    while lives(process) and time.monotonic() < deadline:
        time.sleep(0.02)
    return lives(process)
