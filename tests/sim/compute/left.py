"""Which processes are left."""

from pathlib import Path


def left() -> list[str]:
    """The helpers of this process that still run; "" stands for what nobody has waited for."""
    lists = Path("/proc/self/task").glob("*/children")
    children = [child for each in lists for child in each.read_text().split()]
    commands = [Path("/proc", child, "cmdline").read_text() for child in children]
    return [command for command in commands if "helper.py" in command or not command]


def lives(process: int) -> bool:
    """Whether a process runs; one that nobody has waited for doesn't."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
