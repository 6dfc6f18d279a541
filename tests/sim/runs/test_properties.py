"""What holds in every world: all protocols with any settings, all faults, all sharings."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from braintorrent.testing.worlds import Dice
from sim.protocols import PROTOCOLS, Protocol
from sim.record.errors import ScenarioError
from tests import worlds

KINDS = tuple(PROTOCOLS)
QUICK = range(200 // len(KINDS))
MANY = range(500)
APART = 5
"""Each of many worlds is played by every fifth kind."""


def kept(kind: str, seed: int, numbers: Sequence[int], lasts_s: float) -> None:
    """Play worlds of those numbers with any settings that fit them; most do, and clients train."""
    counts: Counter[str] = Counter()
    for number in numbers:
        try:
            trial = worlds.trial(kind, seed, number, lasts_s)
        except ScenarioError:
            counts["refused"] += 1
            continue
        try:
            counts.update(row.kind for row in worlds.played(trial))
        except BaseException as error:
            again = f"--seed {seed} --only {number} --kinds {kind} --lasts {lasts_s:g}"
            error.add_note(f"python -m tests.worlds {again}\n{trial.protocol!r}")
            raise
    assert counts["refused"] <= len(numbers) / 2
    assert counts["train"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_world_keeps_its_promises(kind: str) -> None:
    kept(kind, 1, QUICK, 60.0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_five_hundred_worlds_keep_their_promises(kind: str) -> None:
    kept(kind, 2, MANY[KINDS.index(kind) % APART :: APART], 60.0)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_five_hundred_long_worlds_keep_their_promises(kind: str) -> None:
    kept(kind, 3, MANY, 300.0)


@pytest.mark.parametrize("kind", PROTOCOLS)
def test_every_setting_is_tried(kind: str) -> None:
    drawn = worlds.Drawn(kind, Dice(np.random.default_rng(0)))
    tried = {name for _ in range(200) for name in drawn.settings()}
    assert tried == PROTOCOLS[kind].model_fields.keys() - Protocol.model_fields.keys()


def test_what_breaks_is_told_with_what_plays_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--only=3", "--seed=7", "--lasts=10", "--kinds", "local"]
    assert worlds.main(arguments) == 0
    assert "1 plays, 0 broken" in capsys.readouterr().out

    def breaks(self: Protocol, world: object) -> None:
        raise ValueError("broken on purpose")

    monkeypatch.setattr(PROTOCOLS["local"], "run", breaks)
    assert worlds.main(arguments) == 1
    said = capsys.readouterr().out
    assert "local, --seed 7 --only 3 --lasts 10: ValueError('broken on purpose')" in said
