"""A world in which a protocol that reads what a node can't know is caught in the act.

Of other nodes' lives a behaviour knows what messages and the failure detector tell it. The network,
the detector and the faults are the world itself; the observer alone sees all.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from sim.world.network import Network
from sim.world.node import Node
from sim.world.world import World

SECRETS = ("up", "starts", "started_s", "_open", "_partitions")
"""What the network knows of the nodes' lives, and of what stands between them."""
WORLD = ("sim.world.", "sim.faults.", "sim.runs.", "tests.")
PROTOCOLS = ("sim.protocols.", "tests.outside.")


def is_allowed(reader: FrameType) -> bool:
    """Whether code of the world itself reads, or a protocol on the observer's behalf."""
    frame: FrameType | None = reader
    while frame is not None and _module(frame).startswith(PROTOCOLS):
        if frame.f_code.co_name == "seen":
            return True
        frame = frame.f_back
    return frame is reader and _module(reader).startswith(WORLD)


def _module(frame: FrameType) -> str:
    return str(frame.f_globals["__name__"])


def _watched(name: str) -> property:
    def read(network: Any) -> Any:
        assert is_allowed(sys._getframe(1)), f"reads network.{name}"
        return network.__dict__[name]

    def write(network: Any, value: Any) -> None:
        network.__dict__[name] = value

    return property(read, write)


class _GuardedNetwork(Network):
    """Tells its secrets to the world alone."""


for _name in SECRETS:
    setattr(_GuardedNetwork, _name, _watched(_name))


@contextmanager
def guarded(world: World) -> Iterator[None]:
    """Let every look at a node's life raise AssertionError but the world's own."""
    up = Node.__dict__["up"].fget

    def read(node: Node) -> bool:
        reader = sys._getframe(1)
        # A node that is running is up, and may well know it.
        assert is_allowed(reader) or reader.f_locals.get("self") is node, f"reads {node.name}.up"
        return bool(up(node))

    world.network.__class__ = _GuardedNetwork
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Node, "up", property(read))
        yield
    world.network.__class__ = Network
