"""Fluid sharing of links, against rates worked out by hand."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from sim.world.clock import Clock
from sim.world.links.flows import Flow, Flows, Sharing, flows_on
from tests.sim import tiny

SHARING: tuple[Sharing, ...] = ("max_min", "equal")


class Pipes:
    """Flows that write down when they have finished."""

    def __init__(self, uplink: list[float], downlink: list[float], sharing: Sharing) -> None:
        self.clock = Clock()
        self.flows = flows_on(self.clock, np.array(uplink), np.array(downlink), sharing)
        self.finished: dict[str, float] = {}

    def start(
        self, name: str, source: int, target: int, size: float, at_most: float = math.inf
    ) -> Flow:
        def done() -> None:
            self.finished[name] = self.clock.now

        return self.flows.start(source, target, size, done, at_most)

    def at(self, time_s: float, act: Any) -> None:
        event = self.clock.at(time_s)
        assert event.callbacks is not None
        event.callbacks.append(lambda _: act())

    def run(self, until_s: float = 1000.0) -> dict[str, float]:
        tiny.run(self.clock, until_s)
        return self.finished


@pytest.mark.parametrize("sharing", SHARING)
@pytest.mark.parametrize("k", [1, 2, 4, 8, 64])
def test_k_equal_flows_take_k_times_as_long(sharing: Sharing, k: int) -> None:
    # k senders with 16 B/s each into one downlink of 16 B/s.
    pipes = Pipes([16.0] * (k + 1), [16.0] * (k + 1), sharing)
    for sender in range(k):
        pipes.start(str(sender), sender, k, 64.0)
    assert pipes.run() == {str(sender): 4.0 * k for sender in range(k)}
    assert pipes.flows.most_running == k
    assert pipes.flows.running == 0


@pytest.mark.parametrize("sharing", SHARING)
def test_two_flows_share_an_uplink(sharing: Sharing) -> None:
    # 16 B/s. The first flow has 32 of its 64 B through when the second begins at 2; from then on
    # each gets 8 B/s. The first is done at 2 + 32/8 = 6; the second has 32 of its 64 B by then and
    # the uplink for itself: 6 + 32/16 = 8.
    pipes = Pipes([16.0, 16.0, 16.0], [16.0, 16.0, 16.0], sharing)
    pipes.start("first", 0, 1, 64.0)
    pipes.at(2.0, lambda: pipes.start("second", 0, 2, 64.0))
    assert pipes.run() == {"first": 6.0, "second": 8.0}


def test_max_min_fills_what_others_cannot_use() -> None:
    # Uplink 0 has 12 B/s for flows a and b, but b's downlink has 2: b gets 2, a the other 10.
    # Node 1's uplink (8) carries c to a's downlink (16): 10 + 8 > 16, so that downlink is shared.
    # Filling: all rise together; at 2 b's downlink is full; at 8 both c's uplink and a's downlink
    # (8 + 8) are. Rates: a 8, b 2, c 8.
    pipes = Pipes([12.0, 8.0, 1.0, 1.0], [1.0, 1.0, 16.0, 2.0], "max_min")
    flows = {
        "a": pipes.start("a", 0, 2, 80.0),
        "b": pipes.start("b", 0, 3, 40.0),
        "c": pipes.start("c", 1, 2, 40.0),
    }
    tiny.run(pipes.clock, 0.0)
    assert {name: flow.rate for name, flow in flows.items()} == {"a": 8.0, "b": 2.0, "c": 8.0}
    # c is done at 5; a, with 40 B left, then gets 12 - 2 = 10 B/s and is done at 9; b at 20.
    assert pipes.run() == {"c": 5.0, "a": 9.0, "b": 20.0}


def test_equal_shares_leave_what_others_cannot_use() -> None:
    # The same links: a gets min(12/2, 16/2) = 6, b min(12/2, 2) = 2, c min(8, 16/2) = 8.
    pipes = Pipes([12.0, 8.0, 1.0, 1.0], [1.0, 1.0, 16.0, 2.0], "equal")
    flows = {
        "a": pipes.start("a", 0, 2, 60.0),
        "b": pipes.start("b", 0, 3, 40.0),
        "c": pipes.start("c", 1, 2, 40.0),
    }
    tiny.run(pipes.clock, 0.0)
    rates = {name: pipes.flows.rate_of(flow) for name, flow in flows.items()}
    assert rates == {"a": 6.0, "b": 2.0, "c": 8.0}
    assert pipes.run() == {"c": 5.0, "a": 10.0, "b": 20.0}


def test_without_sharing_each_flow_has_both_links_alone() -> None:
    pipes = Pipes([16.0, 16.0, 16.0], [16.0, 8.0, 16.0], "none")
    pipes.start("narrow", 0, 1, 64.0)
    pipes.start("wide", 0, 2, 64.0)
    pipes.at(1.0, lambda: pipes.start("later", 0, 2, 64.0))
    assert pipes.run() == {"wide": 4.0, "later": 5.0, "narrow": 8.0}


@pytest.mark.parametrize("sharing", SHARING)
def test_flow_that_stops_frees_its_share(sharing: Sharing) -> None:
    # 8 B/s each until 2, when the first gives up: the second's 48 other bytes take 3 s.
    pipes = Pipes([16.0, 16.0, 16.0], [16.0, 16.0, 16.0], sharing)
    given_up = pipes.start("first", 0, 1, 64.0)
    pipes.start("second", 0, 2, 64.0)
    pipes.at(2.0, lambda: pipes.flows.stop(given_up))
    assert pipes.run() == {"second": 5.0}


def test_stopped_flow_without_sharing_never_finishes() -> None:
    pipes = Pipes([16.0, 16.0], [16.0, 16.0], "none")
    given_up = pipes.start("first", 0, 1, 64.0)
    pipes.start("second", 0, 1, 64.0)
    pipes.at(2.0, lambda: pipes.flows.stop(given_up))
    assert pipes.run() == {"second": 4.0}
    assert pipes.flows.running == 0


@pytest.mark.parametrize("sharing", SHARING)
def test_both_directions_of_a_node_are_apart(sharing: Sharing) -> None:
    pipes = Pipes([16.0, 16.0], [16.0, 16.0], sharing)
    pipes.start("there", 0, 1, 64.0)
    pipes.start("back", 1, 0, 64.0)
    assert pipes.run() == {"there": 4.0, "back": 4.0}


@pytest.mark.parametrize(("sharing", "free"), [("max_min", 14.0), ("equal", 8.0), ("none", 16.0)])
def test_a_bound_is_held_and_leaves_the_rest_to_others(sharing: Sharing, free: float) -> None:
    # 16 B/s for two flows, of which one gets at most 2.
    pipes = Pipes([16.0] * 3, [16.0] * 3, sharing)
    bound, other = pipes.start("bound", 0, 2, 16.0, 2.0), pipes.start("other", 1, 2, 1e6)
    tiny.run(pipes.clock, 0.0)
    assert tuple(map(pipes.flows.rate_of, (bound, other))) == (2.0, free)
    # When the first is done, its own link serves the next one with another bound.
    pipes.at(8.0, lambda: pipes.start("next", 0, 2, 16.0, 4.0))
    assert pipes.run(100.0) == {"bound": 8.0, "next": 12.0}


@pytest.mark.parametrize("sharing", [*SHARING, "none"])
def test_a_bound_above_the_links_changes_nothing(sharing: Sharing) -> None:
    plain, bound = Pipes([16.0] * 3, [8.0] * 3, sharing), Pipes([16.0] * 3, [8.0] * 3, sharing)
    for number in range(6):
        plain.start(str(number), number % 3, (number + 1) % 3, 10.0 * number + 1)
        bound.start(str(number), number % 3, (number + 1) % 3, 10.0 * number + 1, 16.0)
    assert plain.run() == bound.run() and len(plain.finished) == 6


@pytest.mark.parametrize("sharing", [*SHARING, "none"])
def test_a_flow_that_stops_says_what_has_not_come_through(sharing: Sharing) -> None:
    # Node 0 sends 64 B to 1, and 1000 B to 2, of which 40 are through when that is stopped at 5.
    # Both get 8 B/s; without sharing, links of 8 B/s give as much.
    capacity = 8.0 if sharing == "none" else 16.0
    pipes = Pipes([capacity] * 3, [capacity] * 3, sharing)
    pipes.start("there", 0, 1, 64.0)
    stopped = pipes.start("never", 0, 2, 1000.0)
    pipes.at(5.0, lambda: pipes.flows.stop(stopped))
    pipes.run()
    assert stopped.remaining == 960.0


class EqualOneByOne(Flows):
    """The rule as it is said, flow by flow."""

    def _rates(self, changed: Iterable[int]) -> Iterable[tuple[Flow, float]]:
        for flow in self._running:
            shares = (self._capacity[link] / len(self._on_link[link]) for link in flow.links)
            yield flow, min(shares)


class EveryLink(Flows):
    """Max-min fair rates of all flows at each change, whatever that can reach."""

    def _rates(self, changed: Iterable[int]) -> Iterable[tuple[Flow, float]]:
        return self._max_min(range(len(self._capacity)))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("sharing", "rule"), [("equal", EqualOneByOne), ("max_min", EveryLink)])
def test_flows_finish_as_by_the_plain_rule(
    sharing: Sharing, rule: type[Flows], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.world.links.flows._BLOCK", 4)  # So that there are many.

    def came_to(plain: bool) -> tuple[dict[str, float], list[float]]:
        draws = np.random.default_rng(seed)
        uplink, downlink = draws.uniform(1.0, 20.0, size=(2, 6))
        downlink *= draws.choice([0.2, 1.0, 8.0], size=6)
        pipes = Pipes(uplink.tolist(), downlink.tolist(), sharing)
        if plain:
            pipes.flows = rule(pipes.clock, uplink, downlink)
        left: list[float] = []
        for number in range(150):
            source, target = draws.choice(6, size=2, replace=False).tolist()
            size, at_most = draws.uniform(1.0, 100.0), draws.choice([math.inf, 2.0, 0.5])
            begin_s, stops = draws.integers(0, 40) / 2, draws.random() < 0.2
            name = f"{number} {source}>{target}"

            def begin(
                arguments: Any = (name, source, target, size, at_most), stops: Any = stops
            ) -> None:
                flow = pipes.start(*arguments)
                if stops:
                    pipes.at(pipes.clock.now + 1.0, lambda: stop(flow))

            def stop(flow: Flow) -> None:
                if flow in pipes.flows._running:
                    pipes.flows.stop(flow)
                    left.append(flow.remaining)

            pipes.at(begin_s, begin)
        for node, share in enumerate(draws.choice([0.1, 0.5, 1.0, 2.0], size=6).tolist()):
            at_s = draws.integers(0, 20) / 2

            def resize(node: int = node, share: float = share) -> None:
                pipes.flows.resize(node, share)

            pipes.at(at_s, resize)
        return pipes.run(1e4), left

    found, expected = came_to(False), came_to(True)
    assert found[0] == expected[0] and len(found[0]) > 80
    assert found[1] == pytest.approx(expected[1], rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_max_min_saturates_a_link_of_every_flow(seed: int) -> None:
    # What max-min fairness means: no link is over its capacity, and each flow crosses a full link
    # on which nobody is faster (Bertsekas & Gallager, Data Networks, 6.5.2).
    draws = np.random.default_rng(seed)
    count = 6
    capacity = draws.uniform(1.0, 20.0, size=(2, count))
    pipes = Pipes(capacity[0].tolist(), capacity[1].tolist(), "max_min")
    flows = []
    for number in range(15):
        source, target = draws.choice(count, size=2, replace=False)
        flows.append(pipes.start(str(number), int(source), int(target), 1e6))
    tiny.run(pipes.clock, 0.0)
    for flow in flows:
        links = [
            ([other.rate for other in flows if link in other.links], capacity.flat[link])
            for link in flow.links
        ]
        assert all(sum(rates) <= limit * (1 + 1e-12) for rates, limit in links)
        assert any(
            np.isclose(sum(rates), limit, rtol=1e-12)
            and np.isclose(max(rates), flow.rate, rtol=1e-12)
            for rates, limit in links
        )


# -- links that change -----------------------------------------------------------------------------


@pytest.mark.parametrize("sharing", [*SHARING, "none"])
def test_a_link_that_is_halved_and_whole_again(sharing: Sharing) -> None:
    # 32 of 128 B by 2 at 16 B/s, 32 more by 6 at 8, the last 64 at 16: until 10.
    pipes = Pipes([16.0] * 2, [16.0] * 2, sharing)
    flow = pipes.start("one", 0, 1, 128.0)
    pipes.at(2.0, lambda: pipes.flows.resize(0, 0.5))
    pipes.at(6.0, lambda: pipes.flows.resize(0, 1.0))
    for time_s, rate in ((1.0, 16.0), (4.0, 8.0), (8.0, 16.0)):
        tiny.run(pipes.clock, time_s)
        assert pipes.flows.rate_of(flow) == rate
    assert pipes.run() == {"one": 10.0}


@pytest.mark.parametrize("sharing", [*SHARING, "none"])
def test_a_link_that_is_halved_before_anything_has_flowed(sharing: Sharing) -> None:
    pipes = Pipes([16.0] * 2, [16.0] * 2, sharing)
    pipes.at(1.0, lambda: pipes.flows.resize(0, 0.5))
    tiny.run(pipes.clock, 2.0)
    pipes.start("one", 0, 1, 16.0)
    assert pipes.run() == {"one": 4.0}


@pytest.mark.parametrize(("sharing", "other"), [("max_min", 12.0), ("equal", 8.0), ("none", 16.0)])
def test_what_a_slower_link_leaves_goes_to_others(sharing: Sharing, other: float) -> None:
    # Two flows into a downlink of 16 B/s, one of which comes to have an uplink of 4 B/s.
    pipes = Pipes([16.0] * 3, [16.0] * 3, sharing)
    flows = pipes.start("slow", 0, 2, 1e6), pipes.start("other", 1, 2, 1e6)
    pipes.at(1.0, lambda: pipes.flows.resize(0, 0.25))
    tiny.run(pipes.clock, 1.0)
    assert tuple(map(pipes.flows.rate_of, flows)) == (4.0, other)


@pytest.mark.parametrize("sharing", [*SHARING, "none"])
def test_a_bound_that_changes(sharing: Sharing) -> None:
    # 8 of 40 B by 4 at 2 B/s, the rest at 4.
    pipes = Pipes([16.0] * 2, [16.0] * 2, sharing)
    flow = pipes.start("one", 0, 1, 40.0, 2.0)
    assert flow.is_bound
    pipes.at(4.0, lambda: pipes.flows.bound(flow, 4.0))
    assert pipes.run() == {"one": 12.0}
