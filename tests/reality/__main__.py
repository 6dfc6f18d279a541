"""Plays worlds with real processes, and says how far the simulator is from what they did.

`python -m tests.reality --out FOLDER` makes the tables of docs/reality.md, and its picture; Linux
and root only.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from analysis.figures.saving import save
from sim.record.errors import ResultError
from tests.reality.asking import Parser, count
from tests.reality.harness import Late, Lost
from tests.reality.picture import figure
from tests.reality.recorded import keep
from tests.reality.report import by_protocol, fill, markdown, tables_of, write
from tests.reality.trial import Broken, real, tried
from tests.reality.worlds import World, every_world

INTERRUPTED = 130
"""As shells have it: 128, and SIGINT's number."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = _parser()
    asked = parser.parse_args(arguments)
    worlds = _meant(every_world(asked.seeds), asked.only, parser)
    _look_at_files(asked, parser)
    try:
        _compare(worlds, asked)
    except (Broken, Late, Lost, ResultError, OSError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    except KeyboardInterrupt:
        kept = f"what was whole is in {asked.out}; the same command plays the rest"
        parser.exit(INTERRUPTED, f"{parser.prog}: interrupted; {kept}\n")


def _compare(worlds: Sequence[World], asked: argparse.Namespace) -> None:
    folder = asked.out / "real"
    found = tried(worlds, folder, asked.jobs, sys.stderr.write, again=asked.again)
    tables = tables_of(found)
    write(tables, asked.out)
    for name, lines in tables.items():
        print(f"\n{name}\n\n{markdown(lines)}")
    if protocols := by_protocol(found):
        save(figure(protocols, "fluid"), asked.out / "rounds.png")
    if asked.page:
        fill(asked.page, tables)
    if asked.keep:
        keep({str(world): real(world, folder) for world in worlds}, asked.keep)


def _meant(every: Mapping[str, World], only: Sequence[str], parser: Parser) -> list[World]:
    """Those that have one of these in their names; all if there are none."""
    for part in only:
        if not any(part in name for name in every):
            parts = zip(*(name.split(":") for name in every), strict=True)
            words = "; ".join(", ".join(dict.fromkeys(each)) for each in parts)
            parser.error(f"--only: {part!r} is in no world's name, PROTOCOL:WORLD:SEED, of {words}")
    return [world for name, world in every.items() if not only or any(p in name for p in only)]


def _look_at_files(asked: argparse.Namespace, parser: Parser) -> None:
    """Whether all that is to be written can be, before an hour is gone."""
    try:
        asked.out.mkdir(parents=True, exist_ok=True)
        if asked.page:
            fill(asked.page, {})
    except OSError as error:
        parser.error(f"{error.filename}: {error.strerror}")
    if asked.keep and not asked.keep.parent.is_dir():
        parser.error(f"--keep: {asked.keep.parent}: no such folder")


def _parser() -> Parser:
    parser = Parser(prog="python -m tests.reality", description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="worlds that have this in their names, as braintorrent:partition, or loss, or none:1",
    )
    add(
        "--seeds",
        type=count,
        default=1,
        metavar="N",
        help="under each seed from 0 on (default: 1)",
    )
    add(
        "--out",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="where tables go, and what real processes did, which isn't played again",
    )
    add("--again", action="store_true", help="twice, to see how far two real runs are apart")
    add("--page", type=Path, metavar="FILE", help="whose tables are to be these: docs/reality.md")
    add("--keep", type=Path, metavar="FILE", help="for what real processes did, in short")
    add(
        "--jobs",
        type=count,
        default=max(1, (os.cpu_count() or 2) // 2),
        metavar="N",
        help="worlds at once (default: half as many as processors)",
    )
    return parser


if __name__ == "__main__":
    main()
