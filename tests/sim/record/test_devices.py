"""Step times of named devices, by what they were measured to do."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.record.errors import Refusal
from sim.record.settings import DEVICES, DeviceTime
from sim.record.settings.devices import slowness
from sim.scenario import Scenario, dump, grid, load
from sim.scenario.yaml_loader import parse
from sim.world import Streams

PHONES = ("phone_high", "phone_mid", "phone_low")


def timed(device: Any, reference: Any = "20 ms", measured_on: str = "phone_high") -> DeviceTime:
    settings = {"device": device, "reference": reference, "measured_on": measured_on}
    return DeviceTime.model_validate(settings)


def step_times(step_time: str, clients: int = 50) -> dict[str, float]:
    scenario = load("no_faults", [f"clients.count={clients}", f"clients.step_time={step_time}"])
    seconds = scenario.clients.step_times(Streams(3).stream)
    return dict(zip(scenario.client_names, seconds.tolist(), strict=True))


def test_the_rates_are_those_that_were_published() -> None:
    pi_5 = {"resnet50": 320 / 322.258574, "resnet18": 320 / 116.850590}
    published = {
        "m1_cpu": 16 / (0.237479 + 0.447114),
        "raspberry_pi_5": pi_5["resnet50"],
        "raspberry_pi_4": 320 / 652.536266,
        "jetson_nano": 5000 / 450 * pi_5["resnet50"] / pi_5["resnet18"],
    }
    batches_ms = {
        "phone_low": (2596, 5392, 1642, 28621),
        "phone_mid": (916, 1355, 588, 13579),
        "phone_high": (527.7, 561, 179, 10681),
    }
    published |= {name: 1000 / math.prod(ms) ** (1 / 4) for name, ms in batches_ms.items()}
    for name, rate in published.items():
        assert DEVICES[name].rate == pytest.approx(rate, rel=2e-3), name


def test_a_step_takes_longer_as_the_device_is_slower_than_that_of_the_reference() -> None:
    factor = 513 / 0.490
    times = step_times("{device: raspberry_pi_4, reference: 20 ms, measured_on: rtx_3090}", 3)
    assert list(times.values()) == pytest.approx([0.02 * factor] * 3)
    assert slowness("rtx_3090", "raspberry_pi_4") == pytest.approx(1 / factor)
    assert timed("phone_low").longest_s == pytest.approx(0.02 * 1.153 / 0.1975)


def test_devices_that_nobody_compared_are_refused() -> None:
    for one in DEVICES:
        for other in DEVICES:
            if DEVICES[one].work == DEVICES[other].work:
                assert slowness(one, other) * slowness(other, one) == pytest.approx(1.0)
            else:
                with pytest.raises(Refusal, match=f"nobody has measured {one} beside {other}"):
                    slowness(one, other)


def test_of_several_devices_each_client_has_one_by_their_shares() -> None:
    shares = {"phone_high": 0.2, "phone_mid": 0.5, "phone_low": 0.3}
    times = timed(shares).draw(np.random.default_rng(0), 20_000)
    for name, share in shares.items():
        had = np.isclose(times, 0.02 * slowness(name, "phone_high")).mean()
        assert had == pytest.approx(share, abs=5 * math.sqrt(share * (1 - share) / 20_000))


def test_the_reference_may_differ_from_client_to_client_and_shares_dont_move_it() -> None:
    law = "{distribution: lognormal, median: 20 ms, sigma: 0.5}"
    plain = step_times(law)
    rest = f"reference: {law}, measured_on: phone_high}}"
    assert step_times(f"{{device: phone_high, {rest}") == plain
    mixed = step_times(f"{{device: {{phone_high: 0.5, phone_low: 0.5}}, {rest}")
    factor = slowness("phone_low", "phone_high")
    slower = [mixed[name] / plain[name] for name in plain]
    assert {round(each, 6) for each in slower} == {1.0, round(factor, 6)}


@given(st.floats(0.01, 0.98), st.floats(0.01, 0.98), st.integers(0, 2**32 - 1))
def test_a_larger_share_of_the_fast_makes_nobody_slower(one: float, two: float, seed: int) -> None:
    few, many = sorted((one, two))
    # However they are listed.
    slower, faster = (
        timed(shares).draw(np.random.default_rng(seed), 8)
        for shares in (
            {"phone_high": few, "phone_low": 1 - few},
            {"phone_low": 1 - many, "phone_high": many},
        )
    )
    assert (faster <= slower).all()


def test_more_clients_leave_the_others_devices_alone() -> None:
    mixed = "{device: {phone_high: 0.5, phone_low: 0.5}, reference: 20 ms, measured_on: phone_high}"
    few, many = step_times(mixed, 5), step_times(mixed, 50)
    assert few.items() <= many.items()


def test_devices_are_varied_stored_and_read_again() -> None:
    base = "clients.step_time={device: a100, reference: 1 s, measured_on: a100}"
    sweep = grid("no_faults", [base], ["clients.step_time.device=a100, raspberry_pi_4"])
    scenarios = [point.scenario for point in sweep.points]
    assert [first(one) for one in scenarios] == pytest.approx([1.0, 1066 / 0.490])
    for one in scenarios:
        assert Scenario(**_content(dump(one))) == one


def first(scenario: Scenario) -> float:
    return float(scenario.clients.step_times(Streams(0).stream)[0])


def _content(text: str) -> dict[str, Any]:
    content: dict[str, Any] = parse(text, "text").value
    return content
