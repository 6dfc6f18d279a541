"""Worlds that are played on both sides, and how far the simulator is from reality."""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sim.record.rows import TraceRow
from tests.reality.compare import Comparison, compared
from tests.reality.harness import steadily_played
from tests.reality.predict import predicted
from tests.reality.worlds import World

TRANSPORTS: Mapping[str, str] = {
    "fluid": "fluid",
    "tcp": "tcp",
    "kept": "{kind: tcp, latency_factor: 2, bandwidth_factor: 0.965, window: endless}",
}
"""What predicts. `kept`: for connections that are kept open, as docs/reality.md works it out."""

Tell = Callable[[str], object]


def tried(
    worlds: Sequence[World], folder: Path, jobs: int, tell: Tell
) -> dict[World, dict[str, Comparison]]:
    """By world and transport; so many worlds are played at once.

    What real processes did is kept in the folder, and not played again. Raises Late, Lost.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(jobs) as pool:
        real = list(pool.map(lambda world: _real(world, folder, tell), worlds))
    return {world: _against(world, rows) for world, rows in zip(worlds, real, strict=True)}


def _real(world: World, folder: Path, tell: Tell) -> list[TraceRow]:
    """What real processes did, now or in an earlier call."""
    path = folder / f"{str(world).replace(':', '-')}.jsonl"
    if not path.exists():
        with tempfile.TemporaryDirectory() as nodes:
            played = steadily_played(world, Path(nodes))
        tell(f"{world}: {played.report}\n")
        text = "".join(json.dumps(row._asdict()) + "\n" for row in played.rows)
        path.write_text(text, encoding="utf-8")
    lines = path.read_text(encoding="utf-8").splitlines()
    return [TraceRow(**json.loads(line)) for line in lines]


def _against(world: World, rows: Sequence[TraceRow]) -> dict[str, Comparison]:
    return {name: compared(rows, predicted(world, one)) for name, one in TRANSPORTS.items()}
