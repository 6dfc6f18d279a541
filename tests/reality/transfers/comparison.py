"""Measured beside predicted: a line for each kind of flow."""

import statistics
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from itertools import repeat
from typing import NamedTuple

from sim.world.transport import FLUID, SlowStart, Tcp
from tests.reality.transfers.flows import Case, measured_s, narrowest, round_trip_s
from tests.reality.transfers.predicted import simulated_s

FITTED = Tcp(kind="tcp")
LASTING = SlowStart(kind="slow_start")
NEW = SlowStart(kind="slow_start", connections="new")


class Compared(NamedTuple):
    """Seconds of alike flows in all tries, and by each model; `number`: of one of the flows."""

    name: str
    number: int
    measured_s: Sequence[float]
    said_s: Sequence[float]


def compared(cases: Sequence[Case], tries: int, pool: Executor) -> Iterator[Sequence[str]]:
    """A head, a line for each kind of flow, and at last the models' median errors."""
    yield (
        *("", "one way", "size", "size / (rate × round trip)", "measured", "from", "to"),
        *("fluid", "off by", "tcp", "off by", "slow_start", "off by"),
    )
    runs = [pool.map(measured_s, repeat(case, tries), range(tries)) for case in cases]
    errors: list[list[float]] = [[], [], []]
    for case, run in zip(cases, runs, strict=True):
        for line in lines(case, list(run)):
            middle_s = statistics.median(line.measured_s)
            off = [seconds / middle_s - 1 for seconds in line.said_s]
            for model, error in zip(errors, off, strict=True):
                model.append(abs(error))
            yield [*_measured(case, line), *_said(line.said_s, off)]
    medians = [f"{statistics.median(model):.0%}" for model in errors]
    yield [
        "median size of the error",
        *[""] * 6,
        *(cell for median in medians for cell in ("", median)),
    ]


def lines(case: Case, tries: Sequence[Sequence[float]]) -> Iterator[Compared]:
    """Of flows that are alike, all, and if there are several the last; `tries` [tries, flows]."""
    slow_start = NEW if case.carried_bytes is None else LASTING
    said = [simulated_s(case, model) for model in (FLUID, FITTED, slow_start)]
    alike: dict[tuple[float, int], list[int]] = {}
    for number, flow in enumerate(case.flows):
        alike.setdefault((round_trip_s(case.world, flow), flow.size_bytes), []).append(number)
    for numbers in alike.values():
        taken_s = [seconds[number] for seconds in tries for number in numbers]
        said_s = [seconds[numbers[0]] for seconds in said]
        yield Compared(case.name, numbers[0], taken_s, said_s)
    if len(case.flows) > 1:
        last_s = [max(seconds) for seconds in tries]
        yield Compared(f"{case.name}: the last", numbers[-1], last_s, [max(each) for each in said])


def _measured(case: Case, line: Compared) -> list[str]:
    flow, world = case.flows[line.number], case.world
    round_s = round_trip_s(world, flow)
    worth = flow.size_bytes / (narrowest(world, flow) * round_s)
    seconds = statistics.median(line.measured_s), min(line.measured_s), max(line.measured_s)
    return [
        *(line.name, f"{500 * round_s:.0f} ms", f"{flow.size_bytes / 1e3:,.0f} kB", f"{worth:.2g}"),
        *(f"{each:.2f} s" for each in seconds),
    ]


def _said(said_s: Sequence[float], off: Sequence[float]) -> Iterator[str]:
    for seconds, error in zip(said_s, off, strict=True):
        yield from (f"{seconds:.2f} s", f"{error:+.1%}")
