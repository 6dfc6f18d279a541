"""Real runs that are kept here, so that the simulator is held against them on any machine.

Of each row what `compare` looks at, and no more; times to a tenth of a millisecond.
"""

import csv
import gzip
import io
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from sim.record.rows import TraceRow

HERE = Path(__file__).with_name("recorded.csv.gz")
KINDS = ("train", "transfer", "merge", "round", "crash", "partition", "suspect")
COLUMNS = ("world", "kind", "node", "peer", "time_s", "duration_s", "peers", "updates")

Rows = Sequence[TraceRow]


def keep(runs: Mapping[str, Rows], path: Path) -> None:
    """Write runs, by their worlds' names."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for world, rows in runs.items():
        for row in rows:
            if row.kind in KINDS:
                times = f"{row.time_s:.4f}", f"{row.duration_s:.4f}"
                who = " ".join(row.peers or ())
                writer.writerow((world, row.kind, row.node, row.peer, *times, who, row.updates))
    path.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))


def kept(path: Path = HERE) -> dict[str, list[TraceRow]]:
    """The runs in a file, by their worlds' names."""
    text = gzip.decompress(path.read_bytes()).decode()
    by_world = groupby(csv.DictReader(io.StringIO(text)), key=lambda line: line["world"])
    return {world: [_row(world, line) for line in lines] for world, lines in by_world}


def _row(world: str, line: Mapping[str, str]) -> TraceRow:
    protocol, _, seed = world.split(":")
    return TraceRow(
        protocol,
        int(seed),
        float(line["time_s"]),
        float(line["duration_s"]),
        line["node"],
        line["kind"],
        line["peer"],
        0,
        peers=tuple(line["peers"].split()) or None,
        updates=int(line["updates"]) if line["updates"] else None,
    )
