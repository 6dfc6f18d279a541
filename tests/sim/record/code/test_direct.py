"""A class that a user holds is compared by its own code and what that uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sim.protocols import Protocol, Running
from sim.record.code import NO_CODE, activate, definition, everything, is_own, meaning, own
from sim.record.code.direct import files
from sim.record.errors import ScenarioError
from sim.world import Behaviour, Node, World

FACTOR = 3


def threefold(number: int) -> int:
    return FACTOR * number


class Waiting(Running):
    def behaviour(self, node: Node) -> Behaviour:
        yield self.world.clock.timeout(threefold(1))


class Mine(Protocol):
    """Waits."""

    def run(self, world: World) -> Running:
        return Waiting(world)


class Patient(Mine):
    """Has no function of its own."""

    patience: float = 3.0


@pytest.fixture(autouse=True)
def given() -> Iterator[None]:
    activate(NO_CODE, {"Mine": Mine})
    yield
    activate(NO_CODE, {})


def test_it_is_looked_up_by_its_name_alone() -> None:
    assert own("Mine") is Mine and own("Waiting") is None
    assert is_own(Mine) and not is_own(Protocol)


def test_what_it_uses_is_part_of_what_it_does() -> None:
    found = meaning(everything(), [definition(Mine)])
    parts = ("FACTOR", "Mine", "Protocol", "Running", "Waiting", "threefold")
    assert set(parts) <= {name.removeprefix("Mine.") for name in found.parts}
    assert found.parts["Mine.FACTOR"] == "FACTOR = 3"
    assert '"""Waits."""' not in found.parts["Mine.Mine"]


def test_a_value_that_changes_is_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    before = meaning(everything(), [definition(Mine)])
    monkeypatch.setitem(globals(), "FACTOR", 4)
    assert meaning(everything(), [definition(Mine)]) != before


def test_a_class_without_functions_is_known_by_those_that_it_inherits() -> None:
    activate(NO_CODE, {"Patient": Patient})
    found = meaning(everything(), [definition(Patient)])
    parts = ("FACTOR", "Mine", "Patient", "Waiting", "threefold")
    assert set(parts) <= {name.removeprefix("Patient.") for name in found.parts}
    assert files({"Patient": Patient, "Mine": Mine}) == (__file__,)


def test_a_class_without_a_source_is_refused() -> None:
    space: dict[str, Any] = {"Protocol": Protocol, "__name__": "nowhere"}
    exec("class Made(Protocol):\n    def run(self, world): ...", space)
    activate(NO_CODE, {"Made": space["Made"]})
    with pytest.raises(ScenarioError, match="the source of Made can't be read; allowed: a class"):
        everything()
