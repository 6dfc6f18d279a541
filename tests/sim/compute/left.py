"""Which processes are left."""

import os
from contextlib import suppress
from pathlib import Path


def children(process: int) -> list[int]:
    """Those that it has started and that nobody has waited for; none of one that is gone."""
    found: list[int] = []
    with suppress(OSError):
        for each in Path(f"/proc/{process}/task").glob("*/children"):
            found += map(int, each.read_text().split())
    return found


def left() -> list[str]:
    """The helpers of this process that still run; "" stands for what nobody has waited for."""
    commands = [Path(f"/proc/{child}/cmdline").read_text() for child in children(os.getpid())]
    return [command for command in commands if "helper.py" in command or not command]


def lives(process: int) -> bool:
    """Whether a process runs; one that nobody has waited for doesn't."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
