"""Raw transfers over the kernel's TCP beside what the simulator says of them, as tables:
`python -m tests.reality.transfers [TABLE ...] [--jobs 4]`.

No protocol and no node: sockets on hosts, and the simulator's network alone.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from tests.reality.asking import Parser, count
from tests.reality.network.hosts import PRIORITY
from tests.reality.network.namespace import missing
from tests.reality.network.switch import served_first
from tests.reality.transfers.cases import CASES
from tests.reality.transfers.comparison import compared
from tests.reality.transfers.crashes import crashed
from tests.reality.transfers.messages import behind, lost

Lines = Iterator[Sequence[str]]
TABLES: Mapping[str, Callable[[Executor], Lines]] = {
    **{name: partial(compared, cases, tries) for name, (cases, tries) in CASES.items()},
    "behind": behind,
    "lost": lost,
    "crashed": crashed,
}


def markdown(lines: Iterator[Sequence[str]]) -> str:
    """A table; the first line is the head."""
    head, *others = lines
    rule = ["---"] + ["--:"] * (len(head) - 1)
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *others))


def main(arguments: Sequence[str]) -> None:
    """Measure, then print; raises SystemExit where there are no namespaces."""
    parser = Parser(prog="python -m tests.reality.transfers")
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=", ".join(TABLES))
    parser.add_argument("--jobs", type=count, default=4, help="worlds at a time")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.tables) - set(TABLES):
        parser.error(f"no table {', '.join(sorted(unknown))}; allowed: {', '.join(TABLES)}")
    if reason := missing():
        parser.error(f"no hosts in namespaces here: {reason}")
    here = get_context("forkserver")
    with ProcessPoolExecutor(chosen.jobs, here, served_first, (0, PRIORITY)) as pool:
        for name in chosen.tables or TABLES:
            sys.stdout.write(f"### {name}\n\n{markdown(TABLES[name](pool))}\n\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
