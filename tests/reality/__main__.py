"""Plays worlds with real processes, and says how far the simulator is from what they did.

`python -m tests.reality --out FOLDER` makes the tables of docs/reality.md; Linux and root only.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.reality.recorded import keep
from tests.reality.report import fill, markdown, tables_of, write
from tests.reality.trial import real, tried
from tests.reality.worlds import every_world


def main(arguments: Sequence[str] | None = None) -> None:
    asked = _parsed(arguments)
    every = every_world(asked.seeds)
    worlds = [world for name, world in every.items() if _is_meant(name, asked.only)]
    if not worlds:
        sys.exit(f"no world is called {' or '.join(asked.only)}; allowed: {', '.join(every)}")
    folder, tell = asked.out / "real", sys.stderr.write
    found = tried(worlds, folder, asked.jobs, tell, again=asked.again)
    tables = tables_of(found)
    write(tables, asked.out)
    for name, lines in tables.items():
        print(f"\n{name}\n\n{markdown(lines)}")
    if asked.page:
        fill(asked.page, tables)
    if asked.keep:
        keep({str(world): real(world, folder, tell) for world in worlds}, asked.keep)


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m tests.reality", description=summary)
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="worlds that have this in their names, as braintorrent:partition, or loss",
    )
    parser.add_argument(
        "--seeds", type=int, default=1, metavar="N", help="under each seed from 0 on (default: 1)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="where tables go, and what real processes did, which isn't played again",
    )
    parser.add_argument(
        "--again", action="store_true", help="twice, to see how far two real runs are apart"
    )
    parser.add_argument(
        "--page", type=Path, metavar="FILE", help="whose tables are to be these: docs/reality.md"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", help="for what real processes did, in short"
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=max(1, (os.cpu_count() or 2) // 2),
        metavar="N",
        help="worlds at once (default: half as many as processors)",
    )
    return parser.parse_args(arguments)


def _is_meant(name: str, only: Sequence[str]) -> bool:
    return not only or any(part in name for part in only)


if __name__ == "__main__":
    main()
