import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.reality.network.hosts import Hosts, Link
from tests.reality.network.lines import PORT, connection, datagrams, in_time

pytestmark = pytest.mark.usefixtures("namespaces")

LINKS = {"a": Link(1e7, 1e7), "b": Link(1e7, 1e7)}
ROOT = Path(__file__).parents[3]

CONNECTED = """
import socket, sys, time
peer = socket.create_connection((sys.argv[1], int(sys.argv[2])))
peer.send(b"here")
time.sleep(60)
"""
OWNER = """
import sys, time
from tests.reality.network.hosts import Hosts, Link
with Hosts({"a": Link(1e6, 1e6)}, 0.01) as hosts:
    process = hosts.start("a", ["sleep", "60"])
    print(process.pid, flush=True)
    time.sleep(60)
"""


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def children(process: int) -> list[int]:
    found = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(child) for child in found.split()]


def open_files() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))


def test_a_process_sees_its_own_host_alone() -> None:
    with Hosts(LINKS, 0.01) as hosts:
        command = ["cat", "/proc/net/dev", "/proc/sys/net/ipv4/tcp_no_metrics_save"]
        told = hosts.start("b", command, stdout=subprocess.PIPE, text=True)
        seen, _ = told.communicate()
    devices = [line.partition(":")[0].strip() for line in seen.splitlines() if ":" in line]
    assert sorted(devices) == ["lo", "wan"]
    assert seen.splitlines()[-1] == "1"


def test_connections_use_one_congestion_control_both_ways() -> None:
    with Hosts(LINKS, 0.01) as hosts, connection(hosts, "a", "b") as ends:
        for end in ends:
            named = end.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
            assert named.rstrip(b"\0") == b"cubic"


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_behind(fails: bool) -> None:
    before, ours = open_files(), children(os.getpid())
    process = None
    try:
        with Hosts(LINKS, 0.01) as hosts:
            process = hosts.start("a", ["sleep", "60"])
            hosts.crash("b")
            if fails:
                raise LookupError
    except LookupError:
        assert fails
    assert process is not None and process.returncode == -signal.SIGKILL
    assert not set(open_files()) - set(before)
    assert not set(children(os.getpid())) - set(ours)


def test_nothing_outlives_an_owner_that_was_killed() -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout is not None
        started = int(owner.stdout.readline())
        its = children(owner.pid)
        assert started in its and len(its) == 2
        owner.kill()
    until_s = time.monotonic() + 5
    while any(map(is_running, its)) and time.monotonic() < until_s:
        time.sleep(0.01)
    assert not any(map(is_running, its))


def connected(
    hosts: Hosts, listener: socket.socket
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """A process on `a` and b's end of its connection, after its first words."""
    listener.bind((hosts.address["b"], PORT))
    listener.listen()
    command = [sys.executable, "-c", CONNECTED, hosts.address["b"], str(PORT)]
    process = hosts.start("a", command)
    peer, _ = listener.accept()
    assert peer.recv(4) == b"here"
    return process, peer


@pytest.mark.usefixtures("punctual")
@in_time
def test_the_crash_of_a_process_is_heard_one_latency_later() -> None:
    with Hosts(LINKS, 0.02) as hosts, hosts.socket_on("b", socket.SOCK_STREAM) as listener:
        process, peer = connected(hosts, listener)
        with peer:
            at_s = time.monotonic()
            process.kill()
            assert peer.recv(1) == b""  # The kernel says that it is closed.
            assert 0.02 <= time.monotonic() - at_s < 0.05
            peer.send(b"who is there")
            time.sleep(0.1)
            with pytest.raises(ConnectionError):  # Nobody: a reset.
                peer.send(b"?")


@pytest.mark.usefixtures("punctual")
@in_time
def test_the_crash_of_a_host_is_not_heard_until_it_is_back() -> None:
    with Hosts(LINKS, 0.02) as hosts, hosts.socket_on("b", socket.SOCK_STREAM) as listener:
        process, peer = connected(hosts, listener)
        with peer:
            hosts.crash("a")
            assert process.returncode == -signal.SIGKILL
            peer.settimeout(0.1)
            peer.send(b"who is there")
            with pytest.raises(TimeoutError):
                peer.recv(1)
            hosts.switch_on("a")
            peer.settimeout(5)
            with pytest.raises(ConnectionResetError):  # What b sends again finds no connection.
                peer.recv(1)
            with datagrams(hosts, "b", "a") as line:
                line.send()
                assert len(line.come()) == 1


def test_a_switch_that_has_ended_is_said() -> None:
    others = children(os.getpid())
    with Hosts(LINKS, 0.01) as hosts:
        (switch,) = set(children(os.getpid())) - set(others)
        os.kill(switch, signal.SIGKILL)
        with pytest.raises((RuntimeError, BrokenPipeError, ConnectionResetError)):
            hosts.report()
            hosts.report()
