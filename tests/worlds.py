"""Any protocol, with any settings, in random worlds: `python -m tests.worlds --minutes 60`.

What its settings may be is read from their schema, so that a new protocol is met as it is added. A
world is named by a seed and a number: `--seed 3 --from 1200` goes on where another call ended, and
`--seed 3 --only 1234` plays one again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from itertools import count
from typing import Any
from unittest.mock import patch

import numpy as np
from pydantic import TypeAdapter

from braintorrent.testing.again import as_json
from braintorrent.testing.checks import check_faults, compare
from braintorrent.testing.kinds import PROTOCOL, chosen
from braintorrent.testing.trials import Trial
from braintorrent.testing.worlds import Dice, random_world
from sim.protocols import PROTOCOLS, Protocol, Running
from sim.record.errors import Refusal, ScenarioError
from sim.record.rows import TraceRow
from sim.record.settings import Schema
from sim.runs.build import check_topologies
from sim.world import Streams, Transfer, World

SPANS = ("10 s", "0.25 s", "1 s", "3 s", "5.5 s", "30 s")
NUMBERS = (1.0, 0.5, 0.1, 0.7, 0.9, 0.0, 0.25, 2.0, 10.0)
TRIES = 30
Shape = dict[str, Any]


class Undrawable(Exception):
    """A setting that can't be made up, as the name of a definition in somebody's code."""


class Drawn:
    """Settings of one kind, from few values that make much happen."""

    def __init__(self, kind: str, dice: Dice) -> None:
        self._dice = dice
        schema = TypeAdapter(PROTOCOLS[kind]).json_schema(schema_generator=Schema)
        self._parts = schema.get("$defs", {})
        # What all protocols have in common, how clients train, changes nothing in these worlds.
        own = {
            name: shape
            for name, shape in schema["properties"].items()
            if name not in Protocol.model_fields
        }
        self._shape = schema | {"properties": own}

    def settings(self) -> dict[str, Any]:
        """All that is required, and of the rest what chance wants and what can be made up.

        What may be null is left out instead.
        """
        return self._mapping(self._shape)

    def required(self) -> dict[str, Any]:
        """What must be said, and nothing else."""
        shape = self._shape
        return {name: self.value(shape["properties"][name]) for name in shape.get("required", ())}

    def value(self, shape: Shape) -> Any:
        """Any value of that shape. Raises Undrawable."""
        if "$ref" in shape:
            return self.value(self._parts[shape["$ref"].rpartition("/")[2]])
        if "const" in shape:
            return shape["const"]
        if "enum" in shape:
            return self._dice.of(*shape["enum"])
        if "anyOf" in shape:
            return self._dice.of(*self._values(shape["anyOf"]))
        match shape.get("type"):
            case "boolean":
                return self._dice.of(False, True)
            case "integer":
                return self._dice.of(*_fitting(range(20), shape)[:5])
            case "number":
                return self._dice.of(*_fitting(NUMBERS, shape))
            case "string" if "examples" in shape:
                examples = shape["examples"]
                return self._dice.of(*(SPANS if examples[0].endswith(" s") else examples))
            case "object" if "properties" in shape:
                return self._mapping(shape)
        raise Undrawable(shape)

    def _mapping(self, shape: Shape) -> dict[str, Any]:
        made = {}
        for name, inner in shape["properties"].items():
            if name in shape.get("required", ()):
                made[name] = self.value(inner)
            elif self._dice.of(False, True):
                try:
                    made[name] = self.value(inner)
                except Undrawable:
                    continue
        return made

    def _values(self, shapes: Sequence[Shape]) -> list[Any]:
        """One value of each shape that has any."""
        found = []
        for shape in shapes:
            try:
                found.append(self.value(shape))
            except Undrawable:
                continue
        if not found:
            raise Undrawable(shapes)
        return found


def _fitting(numbers: Sequence[Any], shape: Shape) -> list[Any]:
    """Those within the bounds."""
    fitting = [
        number
        for number in numbers
        if shape.get("minimum", number) <= number <= shape.get("maximum", number)
        and shape.get("exclusiveMinimum", number - 1) < number
        and number < shape.get("exclusiveMaximum", number + 1)
        and not ("multipleOf" in shape and number % shape["multipleOf"])
    ]
    if not fitting:
        raise Undrawable(shape)
    return fitting


def least(kind: str) -> dict[str, Any]:
    """Of a protocol the kind, and what else must be said of it where things fail."""
    made = {"kind": kind, **Drawn(kind, Dice(np.random.default_rng(0))).required()}
    while True:
        try:
            chosen(PROTOCOL, kind, made).check(unreliable=True)
        except Refusal as refusal:
            missing = str(refusal.path[0])
            assert missing not in made, refusal
            made[missing] = "30 s"
        else:
            return made


def trial(kind: str, seed: int, number: int, lasts_s: float) -> Trial:
    """A protocol of that kind, with any settings that it accepts, in a random world.

    Raises ScenarioError, the last of many, if it accepts none there.
    """
    drawn = Drawn(kind, Dice(Streams(seed).stream("settings", kind, number)))
    for left in reversed(range(TRIES)):
        try:
            protocol = chosen(PROTOCOL, kind, drawn.settings())
            made = Trial(
                random_world(seed, number, lasts_s, protocol.servers), protocol, newcomers=True
            )
            check_topologies(made.scenario)  # What isn't accepted is told here.
        except ScenarioError:
            if not left:
                raise
        else:
            return made
    raise AssertionError


def played(made: Trial) -> list[TraceRow]:
    """The trace, if nothing is wrong with it. Raises Broken, or whatever the protocol does."""
    kind = type(made.protocol)
    watching = patch.object(kind, "run", suspicious(kind.run))
    with watching if made.protocol.skips_suspects else nullcontext():
        rows = made.watched()
    check_faults(made, rows)
    return rows


def suspicious(run: Any) -> Any:
    """The protocol in a world that tells when somebody sends a model to whom it suspects.

    What is sent as an answer, from where a message arrives, is sent to who has just been heard of.
    """

    def running(protocol: Protocol, world: World) -> Running:
        network = world.network

        def send(source: int, target: int, size_bytes: int = 0, *rest: Any, **how: Any) -> Transfer:
            if size_bytes and world.clock.active_process is not None:
                suspected = network.detector.suspects(source, np.array([target]))[0]
                assert not suspected, f"{source} sends a model to {target}, whom it suspects"
            return type(network).send(network, source, target, size_bytes, *rest, **how)

        network.__dict__["send"] = send
        started: Running = run(protocol, world)
        return started

    return running


# -- for hours ---------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Play worlds until the time is over; how many broke a promise."""
    parser = argparse.ArgumentParser(prog="python -m tests.worlds", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long to go on")
    parser.add_argument("--seed", type=int, default=0, help="of which family the worlds are")
    parser.add_argument("--from", type=int, default=0, dest="first", help="number of the first one")
    parser.add_argument("--only", type=int, help="number of the one to play")
    parser.add_argument("--lasts", type=float, default=300.0, help="virtual seconds of the longest")
    parser.add_argument("--kinds", nargs="+", default=list(PROTOCOLS), choices=list(PROTOCOLS))
    told = parser.parse_args(arguments)
    counts: Counter[str] = Counter()
    broken = 0
    for number in _numbers(told):
        for kind in told.kinds:
            outcome = _outcome(kind, told.seed, number, told.lasts)
            broken += outcome == "broken"
            counts[f"{kind} {outcome}"] += 1
    for line, times in sorted(counts.items()):
        print(f"{line:40}{times:>8}")
    print(f"{counts.total()} plays, {broken} broken; worlds {told.seed}:{told.first} to {number}")
    return broken


def _numbers(told: argparse.Namespace) -> Iterator[int]:
    if told.only is not None:
        yield told.only
        return
    end_s = time.monotonic() + 60 * told.minutes
    for number in count(told.first):
        yield number
        if time.monotonic() > end_s:
            return


def _outcome(kind: str, seed: int, number: int, lasts_s: float) -> str:
    """`kept`, `refused` if no settings fit the world, or `broken`, which is told."""
    try:
        made = trial(kind, seed, number, lasts_s)
    except ScenarioError:
        return "refused"
    try:
        compare(made, as_json(played(made)), as_json(made.unwatched()))
    except Exception as error:  # Whatever it is, it is what is looked for.
        print(f"{kind}, --seed {seed} --only {number} --lasts {lasts_s:g}: {error!r}")
        print(made.protocol.model_dump_json(exclude_none=True), flush=True)
        return "broken"
    return "kept"


if __name__ == "__main__":
    sys.exit(min(1, main()))
