"""The check of a fault: ours pass it, and each that isn't what it says fails."""

from typing import Any

import pytest

from braintorrent.testing import Broken, check_fault
from tests.braintorrent.testing import wrong
from tests.outside.blackout import Blackout


@pytest.mark.parametrize(
    ("kind", "settings", "does"),
    [
        ("crash", {"node": "client_0", "at": "2 s", "recovers_after": "3 s"}, "crash"),
        (
            "churn",
            {"nodes": "clients", "mean_time_to_failure": "5 s", "mean_time_to_repair": "2 s"},
            "crash",
        ),
        ("client_dropout", {"probability": 0.5}, "train_lost"),
        (
            "degrade",
            {
                "nodes": "all",
                "bandwidth": 0.2,
                "extra_latency": "5 s",
                "at": "1 s",
                "lasts": {"distribution": "exponential", "mean": "4 s"},
                "pauses": "2 s",
            },
            "degrade",
        ),
        (
            "partition",
            {
                "groups": [["client_0"]],
                "at": "1 s",
                "heals_after": "1 s",
                "every": "3 s",
                "direction": "out",
            },
            "heal",
        ),
        (Blackout, {"at": "2 s", "lasts": "3 s"}, "recover"),
    ],
)
@pytest.mark.slow
def test_faults_of_ours_are_what_they_say(kind: Any, settings: dict[str, Any], does: str) -> None:
    assert check_fault(kind, settings, worlds=20)[does] > 0


@pytest.mark.parametrize(
    ("kind", "settings", "does"),
    [
        ("partition", {"groups": [["client_0"]], "at": "1 s", "heals_after": "4 s"}, "heal"),
        (wrong.Curious, {}, "crash"),
    ],
)
def test_faults_that_are_what_they_say(kind: Any, settings: dict[str, Any], does: str) -> None:
    # A world of one client has nobody to be parted from.
    assert check_fault(kind, settings, worlds=3)[does] > 0


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (wrong.Elsewhere, r"crash of client_0 at 2 s, but strikes\(\) doesn't name it"),
        (wrong.Early, "but window_s is from 3 to 4"),
        (wrong.Late, "but crash_s is 3"),
        (wrong.Partial, "faults strike otherwise than without a protocol"),
        (wrong.Chancy, "otherwise"),
    ],
)
def test_faults_that_are_not_what_they_say(kind: type[wrong.Faulty], says: str) -> None:
    with pytest.raises(Broken, match=says):
        check_fault(kind, worlds=4)
