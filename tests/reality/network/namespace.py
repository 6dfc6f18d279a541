"""A network namespace that no name holds: it is gone as soon as nobody has it open any longer.

So nothing is left behind, however its owner ends. Linux, and root in it.
"""

import ctypes
import fcntl
import os
import struct
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

DEVICE = "wan"
CONGESTION_CONTROL = "cubic"
"""What Linux and most of its peers use unless told otherwise (RFC 9438)."""
MTU_BYTES = 1500

SYSCTLS: Mapping[str, str] = {
    # A connection learns nothing from earlier ones.
    "ipv4/tcp_no_metrics_save": "1",
    # Linux's own choice (RFC 2861): after an idle time-out a connection starts slowly again.
    "ipv4/tcp_slow_start_after_idle": "1",
    # Least, first and largest buffer, in bytes: the window never bounds a rate here.
    "ipv4/tcp_rmem": "4096 1048576 16777216",
    "ipv4/tcp_wmem": "4096 1048576 16777216",
    # Only what hosts say is on the line: no router is asked for.
    "ipv6/conf/default/disable_ipv6": "1",
}

_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000


class Namespace(NamedTuple):
    """Both as file descriptors: the namespace itself, and the outer end of its one device."""

    network: int
    tun: int


def namespace(address: str, everyone: str) -> Namespace:
    """A new namespace whose device has `address`; IP packets are read from and written to `tun`.

    `everyone`: the range of addresses that are reached by it, as `198.18.0.0/24`.

    Raises OSError without the right to make one.
    """
    # Only the calling thread moves into what it makes: one that ends with it.
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(_make, address, everyone).result()


def _make(address: str, everyone: str) -> Namespace:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "no network namespace can be made")
    for name, value in SYSCTLS.items():
        Path("/proc/sys/net", name).write_text(value)
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", DEVICE.encode(), _IFF_TUN | _IFF_NO_PI))
    commands = (
        "link set lo up",
        f"address add {address}/32 dev {DEVICE}",
        f"link set {DEVICE} mtu {MTU_BYTES} up",
        # By the route: a namespace that isn't the machine's first may not choose it by sysctl.
        f"route add {everyone} dev {DEVICE} congctl {CONGESTION_CONTROL}",
    )
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)
    return Namespace(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC), tun)
