"""Code of one's own from a program: by its file, or as a class that a notebook has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from torch import nn

import braintorrent as bt
from braintorrent.extend import Behaviour, Node, Protocol, Running, World
from sim.record.code import NO_CODE, activate, active

PAUSE_S = 2.0


class Resting(Protocol):
    """Each client alone, with a pause after each round."""

    def run(self, world: World) -> Running:
        return Alone(world)


class Alone(Running):
    def behaviour(self, node: Node) -> Behaviour:
        while True:
            model = yield from node.train(node.storage.model)
            if model is not None:
                node.keep(model)
            yield node.clock.timeout(PAUSE_S)


SETTINGS: dict[str, Any] = {
    "name": "resting",
    "duration": "1 min",
    "seeds": [0],
    "task": {"name": "digits", "partition": "iid"},
    "model": {"name": "mlp", "hidden": [4]},
    "training": {"learning_rate": 0.1, "batch_size": 64, "local_epochs": 1},
    "clients": {"count": 3, "step_time": "1 s"},
    "network": {"latency": "50 ms", "uplink": "20 Mbit/s", "downlink": "100 Mbit/s"},
    "protocols": {"resting": {"kind": "Resting"}},
    "evaluation": {"every": "30 s"},
}


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    yield
    activate(NO_CODE, {})


def run(out: Path, **how: Any) -> bt.Results:
    settings = how.pop("settings", SETTINGS)
    return bt.run(settings, out=out, workers=0, progress=False, **how)


def rounds(scores: pd.DataFrame) -> int:
    return int(scores.loc[scores["node"] == "client_0", "local_round"].max())


def test_a_class_that_changes_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(tmp_path / "out", code=[Resting]).scores()
    assert rounds(first) == 6  # of 8 steps, and a pause after each, in a minute
    again = run(tmp_path / "out", code=Resting).scores()
    assert again.equals(first)
    monkeypatch.setitem(globals(), "PAUSE_S", 30.0)
    with pytest.raises(bt.ScenarioError, match="other code: Resting.PAUSE_S has changed; allowed"):
        run(tmp_path / "out", code=Resting)
    anew = run(tmp_path / "out", code=Resting, accept_code=True).scores()
    assert rounds(anew) == 2
    assert "PAUSE_S = 30.0" in (tmp_path / "out" / "code" / "Resting.py").read_text()


def test_what_computes_numbers_has_to_be_in_a_file(tmp_path: Path) -> None:
    settings = SETTINGS | {"model": {"name": "my_net.line"}}
    with pytest.raises(bt.ScenarioError, match="--code with the Python file that defines it"):
        run(tmp_path / "out", settings=settings, code=Resting)
    (tmp_path / "my_net.py").write_text(
        "from torch import nn\n"
        "def line(outputs):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, outputs))\n"
    )
    found = run(tmp_path / "out", settings=settings, code=[tmp_path / "my_net.py", Resting])
    assert found.protocols == ("resting",) and active().given == ("my_net",)


@pytest.mark.parametrize(
    ("classes", "what"),
    [
        ([nn.Linear], "Linear is neither a protocol nor a fault"),
        ([type("local", (Resting,), {})], "local is the name of one of braintorrent's own"),
        ([Resting, type("Resting", (Resting,), {})], "Resting is the name of two"),
    ],
)
def test_a_class_that_can_t_be_named_alone_is_refused(classes: list[type], what: str) -> None:
    with pytest.raises(bt.ScenarioError, match=rf"^code: {what}; allowed: its file, in which it"):
        bt.use_code(classes)
    bt.use_code([Resting, Resting])
