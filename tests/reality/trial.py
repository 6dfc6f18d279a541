"""Worlds that are played on both sides, and how far the simulator is from reality."""

import json
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from analysis.files import whole_file
from sim.record.rows import TraceRow
from tests.reality.compare import Comparison, compared
from tests.reality.harness import steadily_played
from tests.reality.network.namespace import missing
from tests.reality.predict import predicted
from tests.reality.worlds import World

TRANSPORTS: Mapping[str, str] = {
    "fluid": "fluid",
    "slow_start": "{kind: slow_start}",
    "tcp": "tcp",
}
"""What predicts; the nodes' connections are kept open."""
RUN_S = 85
"""What a run takes, with its beginning and its end, if it isn't late."""

AGAIN = "again"
"""A second real run, as if it were a prediction: nothing is nearer to the first than that."""

Tell = Callable[[str], object]
Asked = tuple[World, str]
"""A world, and which run of it: the first has no name."""


class Broken(Exception):
    """A file of a run that is not as it was written."""


def tried(
    worlds: Sequence[World], folder: Path, jobs: int, tell: Tell, *, again: bool = False
) -> dict[World, dict[str, Comparison]]:
    """By world, and by transport and `AGAIN`; so many worlds are played at once.

    What real processes did is kept in the folder, and not played again; after Ctrl-C what isn't
    whole is given up. Raises Late, Lost, Broken, and OSError where nothing can be played.
    """
    names = ("", AGAIN) if again else ("",)
    asked = [(each, name) for each in worlds for name in names]
    rows = {each: kept for each in asked if (kept := _kept(*each, folder))}
    absent = [each for each in asked if each not in rows]
    minutes = -(-len(absent) // jobs) * RUN_S / 60
    if absent and (reason := missing()):
        raise OSError(f"nothing can be played here: {reason}")
    if absent:
        tell(f"{len(absent)} of {len(asked)} runs to play, {jobs} at once: {minutes:.0f} min\n")
    rows |= _all_played(absent, folder, jobs, tell)
    return {each: _against(each, *(rows[each, name] for name in names)) for each in worlds}


def real(world: World, folder: Path) -> list[TraceRow]:
    """What real processes did in an earlier call. Raises Broken."""
    return _kept(world, "", folder)


def _all_played(
    asked: Sequence[Asked], folder: Path, jobs: int, tell: Tell
) -> dict[Asked, list[TraceRow]]:
    stop = threading.Event()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            runs = [pool.submit(_played, *each, folder, tell, stop) for each in asked]
            return {each: run.result() for each, run in zip(asked, runs, strict=True)}
        except KeyboardInterrupt:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def _played(
    world: World, name: str, folder: Path, tell: Tell, stop: threading.Event
) -> list[TraceRow]:
    """What real processes do now, which is kept."""
    path = _path(world, name, folder)
    tell(f"{path.stem}: begins\n")
    with tempfile.TemporaryDirectory() as nodes:
        played = steadily_played(world, Path(nodes), stop)
    tell(f"{path.stem}: {played.report}\n")
    text = "".join(json.dumps(row._asdict()) + "\n" for row in played.rows)
    with whole_file(path) as whole:
        whole.write_text(text, encoding="utf-8")
    return _kept(world, name, folder)


def _kept(world: World, name: str, folder: Path) -> list[TraceRow]:
    """What they did before; nothing if they weren't there yet. Raises Broken."""
    path = _path(world, name, folder)
    if not path.exists():
        return []
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            rows.append(TraceRow(**json.loads(line)))
        except (ValueError, TypeError):
            what = "cut off or changed; without the file it is played anew"
            raise Broken(f"{path}:{number}: {what}") from None
    return rows


def _path(world: World, name: str, folder: Path) -> Path:
    return folder / f"{str(world).replace(':', '-')}{name and '-'}{name}.jsonl"


def _against(world: World, rows: list[TraceRow], *others: list[TraceRow]) -> dict[str, Comparison]:
    said = {name: predicted(world, transport) for name, transport in TRANSPORTS.items()}
    said |= zip([AGAIN], others, strict=False)
    return {name: compared(rows, each) for name, each in said.items()}
