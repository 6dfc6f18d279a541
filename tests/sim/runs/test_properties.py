"""What holds in every world: random scenarios with all faults, protocols, schedules, sharings."""

from typing import Any
from unittest.mock import patch

import numpy as np
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from braintorrent.testing.kinds import PROTOCOL, chosen
from braintorrent.testing.trials import Trial
from braintorrent.testing.worlds import random_world
from sim.protocols import Protocol, Running
from sim.protocols.fedavg import FedAvg
from sim.world import Transfer, World


def quantity(value: float, unit: str = "s") -> str:
    return f"{value} {unit}"


spans = st.sampled_from([10.0, 0.25, 1.0, 3.0, 5.5, 30.0])
caps = st.none() | st.sampled_from([3.0, 0.5, 30.0]).map(quantity)


def braintorrents() -> st.SearchStrategy[dict[str, Any]]:
    number = st.just("all") | st.integers(1, 4)
    return st.fixed_dictionaries(
        {
            "kind": st.just("braintorrent"),
            "schedule": st.sampled_from(["independent", "random_initiator", "lockstep"]),
            "peers": number,
            "max_senders": number,
            "ping_timeout": st.none() | st.sampled_from([0.5, 0.25, 2.0]).map(quantity),
            "transfer_timeout": caps,
        }
    )


def fedavgs() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "kind": st.sampled_from(["fedavg", "fedavg", "scaffold"]),
            "deadline": spans.map(quantity),
            "close_at": st.sampled_from([1.0, 0.8, 0.5]),
            "minimum_fraction": st.sampled_from([0.1, 0.5]),
            "participation": st.sampled_from([0.2, 0.7, 1.0]),
            "late_updates": st.sampled_from(["discard", "next_round"]),
            "transfer_timeout": caps,
            "retry_initial": st.just("0.5 s"),
            "retry_cap": st.just("4 s"),
        }
    )


def asynchronous() -> st.SearchStrategy[dict[str, Any]]:
    common = {
        "deadline": spans.map(quantity),
        "concurrency": st.just("all") | st.integers(1, 4),
        "staleness_weight": st.sampled_from(["constant", "polynomial", "hinge"]),
        "transfer_timeout": caps,
        "retry_initial": st.just("0.5 s"),
        "retry_cap": st.just("4 s"),
    }
    return st.fixed_dictionaries(
        common | {"kind": st.just("fedasync"), "mixing": st.sampled_from([0.3, 1.0])}
    ) | st.fixed_dictionaries(common | {"kind": st.just("fedbuff"), "buffer": st.integers(1, 5)})


@st.composite
def protocols(draw: st.DrawFn) -> Protocol:
    alone = st.sampled_from([{"kind": "local"}, {"kind": "pooled"}])
    described: dict[str, Any] = draw(
        alone if draw(st.integers(0, 9)) == 9 else braintorrents() | fedavgs() | asynchronous()
    )
    return chosen(PROTOCOL, str(described.pop("kind")), described)


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,  # The same worlds at every call: a red test is the change's fault.
    suppress_health_check=[HealthCheck.too_slow],
)
@given(protocols(), st.integers(0, 2**16))
def test_every_world_keeps_its_promises(protocol: Protocol, number: int) -> None:
    kinds = {row.kind for row in Trial(random_world(1, number, 60.0), protocol).watched()}
    merged = bool({"merge", "round"} & kinds)
    event(f"{protocol.kind}, merges: {merged}, crashes: {'crash' in kinds}")


run = FedAvg.run


def suspicious(protocol: FedAvg, world: World) -> Running:
    """FedAvg in a world that tells when somebody sends to whom it suspects."""
    network = world.network

    def send(source: int, target: int, *what: Any, purpose: str, **how: Any) -> Transfer:
        if purpose in ("order", "update"):
            assert not network.detector.suspects(source, np.array([target]))[0]
        return type(network).send(network, source, target, *what, purpose=purpose, **how)

    network.__dict__["send"] = send
    return run(protocol, world)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(fedavgs(), st.integers(0, 2**16))
def test_nothing_is_sent_to_whom_the_sender_suspects(told: dict[str, Any], number: int) -> None:
    protocol = chosen(PROTOCOL, str(told.pop("kind")), told)
    with patch.object(FedAvg, "run", suspicious):
        Trial(random_world(2, number, 60.0), protocol).watched()
