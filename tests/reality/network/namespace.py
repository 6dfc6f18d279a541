"""A network namespace that no name holds: it is gone as soon as nobody has it open any longer.

So nothing is left behind, however its owner ends. Linux, and root in it.
"""

import ctypes
import fcntl
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, TypeVar

DEVICE = "wan"
CONGESTION_CONTROL = "cubic"
"""What Linux and most of its peers use unless told otherwise (RFC 9438)."""
MTU_BYTES = 1500

SYSCTLS: Mapping[str, str] = {
    # A connection learns nothing from earlier ones.
    "ipv4/tcp_no_metrics_save": "1",
    # Linux's own choice (RFC 2861): after an idle time-out a connection starts slowly again.
    "ipv4/tcp_slow_start_after_idle": "1",
    # Least, first and largest buffer, in bytes: as Linux has them where nobody changed that.
    "ipv4/tcp_rmem": "4096 131072 6291456",
    "ipv4/tcp_wmem": "4096 16384 4194304",
    # Only what hosts say is on the line: no router is asked for.
    "ipv6/conf/default/disable_ipv6": "1",
}

TOOLS = "ip", "nsenter", "setpriv"
"""Of iproute2 and util-linux."""

Made = TypeVar("Made")

_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000


class Namespace(NamedTuple):
    """Both as file descriptors: the namespace itself, and the outer end of its one device."""

    network: int
    tun: int


def missing() -> str:
    """What keeps this machine from having any; empty if nothing does."""
    if sys.platform != "linux":
        return "namespaces are Linux's"
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    if absent:
        return f"{' and '.join(absent)} missing"
    try:
        for descriptor in namespace("192.0.2.1", "192.0.2.0/24"):
            os.close(descriptor)
    except (OSError, subprocess.CalledProcessError) as error:
        return str(error)
    return ""


def namespace(address: str, everyone: str) -> Namespace:
    """A new namespace whose device has `address`; IP packets are read from and written to `tun`.

    `everyone`: the range of addresses that are reached by it, as `198.18.0.0/24`. Raises OSError
    without the right to make one.
    """

    def make() -> Namespace:
        _moved(_libc().unshare(_CLONE_NEWNET))
        for name, value in SYSCTLS.items():
            Path("/proc/sys/net", name).write_text(value)
        tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        with ExitStack() as failed:
            failed.callback(os.close, tun)
            device = struct.pack("16sH22x", DEVICE.encode(), _IFF_TUN | _IFF_NO_PI)
            fcntl.ioctl(tun, _TUNSETIFF, device)
            _configure(address, everyone)
            network = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            failed.pop_all()
        return Namespace(network, tun)

    return _apart(make)


def inside(network: int, make: Callable[[], Made]) -> Made:
    """What `make` makes in a namespace: a socket belongs to where it was made, whoever uses it."""

    def made() -> Made:
        _moved(_libc().setns(network, _CLONE_NEWNET))
        return make()

    return _apart(made)


def _apart(call: Callable[[], Made]) -> Made:
    """Call it in a thread that ends with it: only the calling thread moves to a namespace."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(call).result()


def _libc() -> ctypes.CDLL:
    # Python has both calls from 3.12 on.
    return ctypes.CDLL(None, use_errno=True)


def _moved(failed: int) -> None:
    if failed:
        raise OSError(ctypes.get_errno(), "no network namespace for this user")


def _configure(address: str, everyone: str) -> None:
    commands = (
        "link set lo up",
        f"address add {address}/32 dev {DEVICE}",
        f"link set {DEVICE} mtu {MTU_BYTES} up",
        # By the route: a namespace that isn't the machine's first may not choose it by sysctl.
        f"route add {everyone} dev {DEVICE} congctl {CONGESTION_CONTROL}",
    )
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)
