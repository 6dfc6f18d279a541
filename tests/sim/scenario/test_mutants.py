"""Thousands of scenarios that are wrong somehow, or at the bounds of what is right.

A mutant that breaks a promise is made again by its number: `mutant(dice(number))`.
"""

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from shutil import copy

import pytest

from sim.record.errors import LONGEST_LINE, ScenarioError
from sim.runs.build import check_fault_files, check_timeouts, check_topologies
from sim.runs.playing import Run, RunProgress, play, unlearned
from sim.runs.session import check_data
from sim.scenario import Scenario, grid, load
from tests.sim.scenario import mutants
from tests.sim.scenario.mutants import TABLES

SHARDS = 4  # A processor more may take one each.
MUTANTS = 20_000
WORLDS = 300
LONGEST_S = 2.0
"""Of processor time, for a check; the longest takes one here."""
MOST_EVENTS = 5_000
FILE = "scenario.yaml"
PLACE = re.compile(r"([\w.]+\.(?:yaml|csv)):(\d+):(\d+): ")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the files that scenarios name in it."""
    for table in (Path(__file__).parents[3] / "scenarios").glob("*.csv"):
        copy(table, tmp_path)
    for name, text in TABLES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def checked() -> list[Scenario]:
    """The points of the scenario in the working folder, if nothing is wrong with them."""
    loaded = load(FILE)
    points = [point.scenario for point in grid(FILE).points] if loaded.sweep else [loaded]
    for one in points[:2]:
        check_topologies(one)
        check_fault_files(one)
        check_timeouts(one)
        assert all(text.isprintable() for text in one.idle())
    return points


def broken(line: str, files: dict[str, str]) -> str:
    """What promise a mistake's line breaks; nothing if none."""
    place = PLACE.match(line)
    if "; allowed: " not in line or line.endswith("; allowed: "):
        return "says not what is allowed"
    if len(line) > LONGEST_LINE or not line.isprintable():
        return "is too long, or not printable"
    if place is None or place[1] not in files:
        return "has no place"
    lines = re.split("\r\n|\r|\n", files[place[1]].removeprefix("\ufeff"))
    row, column = int(place[2]), int(place[3])
    if not 1 <= row <= len(lines) or not 1 <= column <= max(1, len(lines[row - 1])):
        return "has a place that isn't there"
    return ""


def wrong(files: dict[str, str]) -> Iterator[str]:
    """The promises that are broken when the files in the working folder are checked."""
    started_s = time.process_time()
    try:
        checked()
    except ScenarioError as error:
        for line in str(error).splitlines():
            if not re.fullmatch(r"and \d+ more", line) and (what := broken(line, files)):
                yield f"{what}: {line}"
    except Exception as error:  # Whatever it is, it is what is looked for.
        yield repr(error)
    # Where others work, too, the same takes more processor time now and then.
    if time.process_time() - started_s > LONGEST_S and again_s() > LONGEST_S:
        yield "takes too long"


def again_s() -> float:
    """The processor time of the same check, once more."""
    started_s = time.process_time()
    with suppress(ScenarioError):
        checked()
    return time.process_time() - started_s


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(SHARDS))
def test_whatever_is_wrong_is_told_in_lines_with_their_places(shard: int, folder: Path) -> None:
    texts, found = mutants.written(), []
    for number in range(shard, MUTANTS, SHARDS):
        dice = Random(f"mutant {number}")
        files = {FILE: mutants.mutant(dice.choice(texts), dice), **TABLES}
        if number % 5 == 0:
            name = dice.choice(list(TABLES))
            files[name] = mutants.mutant_table(TABLES[name], dice)
            files[FILE] = mutants.EVERYTHING if name == "regions.csv" else mutants.MATRIX
            (folder / name).write_text(files[name], encoding="utf-8", newline="")
        (folder / FILE).write_text(files[FILE], encoding="utf-8", newline="")
        found += [f"{number}: {what}" for what in wrong(files)]
        if number % 5 == 0:
            (folder / name).write_text(TABLES[name])
    assert not found


@pytest.mark.slow
def test_what_is_right_at_the_bounds_can_be_played(folder: Path) -> None:
    texts, played, number = mutants.unlearned(), 0, 0
    while played < WORLDS:
        dice = Random(f"world {(number := number + 1)}")
        (folder / FILE).write_text(mutants.extreme(dice.choice(texts), dice), encoding="utf-8")
        try:
            (scenario, *_) = checked()
            data = check_data([scenario], lambda text: None)
        except ScenarioError:
            continue
        protocol = dice.choice(list(scenario.protocols))
        seed = scenario.seeds[0]
        run = Run(scenario, protocol, seed, data.facts(scenario, protocol, seed))
        started_s = time.process_time()
        asyncio.run(begun(run))
        assert time.process_time() - started_s < 10, f"world {number}, {protocol}, hardly moves"
        played += 1
    assert number < 10 * WORLDS


async def begun(run: Run) -> None:
    """Play a run to its end, or until very much has happened in it."""
    turns = 0

    async def between(progress: RunProgress) -> None:
        nonlocal turns
        turns += 1
        if turns * 1000 > MOST_EVENTS:
            raise TimeoutError

    try:
        await play(run, unlearned(run.scenario), between)
    except TimeoutError:
        return
