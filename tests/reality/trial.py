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
    "slow_start": "{kind: slow_start}",
    "tcp": "tcp",
}
"""What predicts; the nodes' connections are kept open."""

Tell = Callable[[str], object]


AGAIN = "again"
"""A second real run, as if it were a prediction: nothing is nearer to the first than that."""


def tried(
    worlds: Sequence[World], folder: Path, jobs: int, tell: Tell, *, again: bool = False
) -> dict[World, dict[str, Comparison]]:
    """By world, and by transport and `AGAIN`; so many worlds are played at once.

    What real processes did is kept in the folder, and not played again. Raises Late, Lost.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = ("", AGAIN) if again else ("",)
    with ThreadPoolExecutor(jobs) as pool:
        runs = [[pool.submit(real, each, folder, tell, name) for name in names] for each in worlds]
        found = [[run.result() for run in each] for each in runs]
    return {each: _against(each, *rows) for each, rows in zip(worlds, found, strict=True)}


def real(world: World, folder: Path, tell: Tell, name: str = "") -> list[TraceRow]:
    """What real processes did, now or in an earlier call; the run of that name."""
    path = folder / f"{str(world).replace(':', '-')}{name and '-'}{name}.jsonl"
    if not path.exists():
        with tempfile.TemporaryDirectory() as nodes:
            played = steadily_played(world, Path(nodes))
        tell(f"{path.stem}: {played.report}\n")
        text = "".join(json.dumps(row._asdict()) + "\n" for row in played.rows)
        path.write_text(text, encoding="utf-8")
    lines = path.read_text(encoding="utf-8").splitlines()
    return [TraceRow(**json.loads(line)) for line in lines]


def _against(world: World, rows: list[TraceRow], *others: list[TraceRow]) -> dict[str, Comparison]:
    said = {name: predicted(world, transport) for name, transport in TRANSPORTS.items()}
    said |= zip([AGAIN], others, strict=False)
    return {name: compared(rows, each) for name, each in said.items()}
