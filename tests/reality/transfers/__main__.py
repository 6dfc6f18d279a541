"""Raw transfers over the kernel's TCP beside what the simulator says of them, as tables:
`python -m tests.reality.transfers [alone lasting shared lossy] [--jobs 4]`.

No protocol and no node: sockets on hosts, and the simulator's network alone.
"""

import argparse
import statistics
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from itertools import groupby
from multiprocessing import get_context

from sim.world.transport import FLUID, Tcp
from tests.reality.network.namespace import missing
from tests.reality.transfers.cases import CASES, TRIES
from tests.reality.transfers.flows import Case, Flow, measured_s, narrowest, round_trip_s
from tests.reality.transfers.predicted import simulated_s, slow_start_s

HEAD = (
    ("", "one way", "size", "size / (rate × round trip)", "measured", "from", "to")
    + ("fluid", "off by", "tcp", "off by", "slow start", "off by")
)  # fmt: skip


def table(rows: Sequence[Sequence[str]]) -> str:
    """Markdown; the first row is the head."""
    head, *others = rows
    lines = [head, ["---"] + ["--:"] * (len(head) - 1), *others]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def rows(case: Case, tries: Sequence[Sequence[float]]) -> Iterator[list[str]]:
    """One for all flows of a case that are alike; `tries` [tries, flows] seconds."""
    predicted = [simulated_s(case, FLUID), simulated_s(case, Tcp(kind="tcp"))]
    numbers = range(len(case.flows))
    for alike, group in groupby(numbers, lambda number: _kind(case, case.flows[number])):
        members = list(group)
        taken_s = [each[number] for each in tries for number in members]
        middle_s = statistics.median(taken_s)
        said_s = [seconds[members[0]] for seconds in predicted]
        if len(case.flows) == 1 and not (case.world.loss or case.carried_bytes):
            is_new = case.carried_bytes is None
            said_s.append(slow_start_s(case.world, case.flows[0], is_new=is_new))
        one_way_s, size_bytes = alike
        flow = case.flows[members[0]]
        worth = size_bytes / (narrowest(case.world, flow) * round_trip_s(case.world, flow))
        yield [
            *(case.name, f"{1e3 * one_way_s:.0f} ms", f"{size_bytes / 1e3:,.0f} kB", f"{worth:.2g}"),
            *(f"{seconds:.2f} s" for seconds in (middle_s, min(taken_s), max(taken_s))),
            *(each for seconds in said_s for each in (f"{seconds:.2f} s", f"{seconds / middle_s - 1:+.1%}")),
            *[""] * (2 * (3 - len(said_s))),
        ]  # fmt: skip


def _kind(case: Case, flow: Flow) -> tuple[float, int]:
    return case.world.delays_s[flow.source][flow.target], flow.size_bytes


def compared(name: str, pool: Executor) -> str:
    """One table."""
    cases, tries = CASES[name], TRIES[name]
    every = [(case, seed) for case in cases for seed in range(tries)]
    taken_s = list(pool.map(measured_s, *zip(*every, strict=True)))
    found: list[Sequence[str]] = [HEAD]
    for number, case in enumerate(cases):
        found += rows(case, taken_s[number * tries : (number + 1) * tries])
    return table(found)


def main(arguments: Sequence[str]) -> str:
    parser = argparse.ArgumentParser(prog="python -m tests.reality.transfers")
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=", ".join(CASES))
    parser.add_argument("--jobs", type=int, default=4, help="worlds at a time")
    chosen = parser.parse_args(arguments)
    if reason := missing():
        return f"no hosts in namespaces here: {reason}"
    with ProcessPoolExecutor(chosen.jobs, get_context("forkserver")) as pool:
        return "\n\n".join(
            f"### {name}\n\n{compared(name, pool)}" for name in chosen.tables or CASES
        )


if __name__ == "__main__":
    print(main(sys.argv[1:]))  # noqa: T201
