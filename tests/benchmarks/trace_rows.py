"""Records the rows of a large world and makes their table; prints what that took.

`python tests/benchmarks/trace_rows.py ROWS`, in the revision that PYTHONPATH names.
"""

import gc
import json
import random
import resource
import sys
import time

import pyarrow as pa

from sim.record import tables
from sim.record.rows import TraceRow
from sim.world import Trace

NODES = [f"client_{number}" for number in range(20_000)]
_PAGE_BYTES = resource.getpagesize()


def resident_bytes() -> int:
    """Main memory that the process holds now."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * _PAGE_BYTES


def record(trace: Trace, rows: int, luck: random.Random) -> None:
    """A merge and a training for each ping and five transfers, as BrainTorrent has them."""
    for number in range(rows):
        time_s, node = luck.random() * 1e5, NODES[luck.randrange(len(NODES))]
        match number % 8:
            case 0:
                count = number // 8
                trace.record(time_s, node, "train", duration_s=9.5, round=count, attempt=count)
            case 1:
                trace.record(time_s, node, "merge", peers=tuple(luck.choices(NODES, k=5)))
            case 2:
                trace.record(time_s, node, "ping", duration_s=0.1, asked=20, answered=18)
            case _:
                peer = NODES[luck.randrange(len(NODES))]
                trace.record(
                    time_s, node, "transfer", duration_s=time_s, peer=peer, size_bytes=10**7
                )


def table(trace: Trace) -> pa.Table:
    """The trace's table; of a revision whose traces held an object a row, made as it was."""
    if hasattr(trace, "table"):
        return trace.table()
    ordered = sorted(trace.rows, key=lambda row: row.time_s)
    return tables.table(tables.schema_of(TraceRow), ordered)


def measured(rows: int) -> dict[str, float]:
    """Processor seconds, and bytes held before and while the table is made, of each row."""
    trace, luck = Trace("braintorrent", 0), random.Random(0)
    table(trace)  # Loads what is loaded at the first use.
    trace = Trace("braintorrent", 0)
    gc.disable()  # As a clock does.
    begun_bytes, begun_s = resident_bytes(), time.process_time()
    record(trace, rows, luck)
    held_bytes = resident_bytes() - begun_bytes
    assert table(trace).num_rows == rows
    seconds = time.process_time() - begun_s
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - begun_bytes
    return {"s": seconds / rows, "held": held_bytes / rows, "peak": peak_bytes / rows}


if __name__ == "__main__":
    print(json.dumps(measured(int(sys.argv[1]))))
