"""Code of the user's own, given by --code: what is told of it, kept of it and made anew by it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sim.cli import app
from sim.record.code import NO_CODE, activate, suggest

OWN = Path(__file__).parent / "outside" / "own"
CODE = (OWN / "my_code.py").read_text(encoding="utf-8")
NETWORK = CODE[CODE.index("def small") :]
SCENARIO = (OWN / "my.yaml").read_text(encoding="utf-8")
PROGRESS = ("0/", "1/", "2/", "results in", "the same command", "failed: local")
SHORT = (
    "--set=duration=40 s",
    "--set=evaluation.every=20 s",
    "--set=faults.dark.at=20 s",
    "--set=faults.dark.lasts=5 s",
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the user's files lie and the program is started."""
    monkeypatch.chdir(tmp_path)
    write(CODE)
    Path("my.yaml").write_text(SCENARIO, encoding="utf-8")
    yield tmp_path
    activate(NO_CODE, {})
    suggest("")


def write(code: str) -> None:
    Path("my_code.py").write_text(code, encoding="utf-8")


def edit(old: str, new: str) -> None:
    code = Path("my_code.py").read_text(encoding="utf-8")
    assert old in code
    write(code.replace(old, new))


def name(old: str, new: str) -> None:
    """Edit the scenario."""
    assert old in SCENARIO
    Path("my.yaml").write_text(SCENARIO.replace(old, new), encoding="utf-8")


def braintorrent(*arguments: str) -> Result:
    activate(NO_CODE, {})  # As in a process of its own.
    done = CliRunner().invoke(app, list(arguments))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def run(*options: str) -> Result:
    code = "--code=my_code.py"
    return braintorrent("run", "my.yaml", code, *SHORT, "--seed=0", "--workers=0", *options)


def told(result: Result, code: int) -> str:
    """The only line, but for those about progress."""
    assert result.exit_code == code, result.output
    (line,) = (one for one in result.stderr.splitlines() if not one.startswith(PROGRESS))
    assert "Traceback" not in result.output
    return line


GOSSIP = "kind: my_code.Gossip, period: 10 s"
NO_CLOCK: tuple[tuple[str, str, str, str, str], ...] = (
    # Code and scenario, each with what stands in place of what, and what is told.
    ("", "", GOSSIP, "kind: my_code.Gosip", "my.yaml:12:28: protocols.gossip.kind: my_code.py "
        "defines no Gosip; allowed: Gossip, Gossiping, Blackout, small"),
    ("", "", GOSSIP, "kind: your_code.Gossip", "my.yaml:12:28: protocols.gossip.kind: "
        "your_code.Gossip: no such module was given; allowed: my_code.NAME"),
    ("", "", GOSSIP, "kind: my_code.Gossiping", "my.yaml:12:28: protocols.gossip.kind: "
        "my_code.Gossiping can't be used here; allowed: a subclass of Protocol"),
    ("", "", GOSSIP, "kind: my_code.Blackout", "my.yaml:12:28: protocols.gossip.kind: "
        "my_code.Blackout can't be used here; allowed: a subclass of Protocol"),
    ("", "", "my_code.small, width: 8", "my_code.Gossip", "my.yaml:6:15: model.name: "
        "my_code.Gossip can't be used here; allowed: a function or class with a parameter"),
    ("", "", "width: 8", "width: wide", "my.yaml:6:37: model.width: 'wide' is not a whole number"),
    ("", "", "width: 8", "height: 8", "my.yaml:6:30: model.height: unknown key; allowed: name, "),
    ("", "", "period: 10 s", "period: 0 s", "my.yaml:12:52: protocols.gossip.period: is zero"),
    ("    def run(self", "    def runs(self", "", "", "my.yaml:12:28: protocols.gossip.kind: "
        "my_code.Gossip isn't complete; allowed: a class that defines run"),
    ("period: own.PositiveSeconds =", "period =", "", "",
        "my_code.py:8: PydanticUserError: A non-annotated attribute was detected"),
    ("from torch", "import nowhere\nfrom torch", "", "",
        "my_code.py:3: ModuleNotFoundError: No module named 'nowhere'"),
    ("from torch", "from ..x import y\nfrom torch", "", "",
        "my_code.py:3: ImportError: attempted relative import"),
    ("from torch", "1 / 0\nfrom torch", "", "", "my_code.py:3: ZeroDivisionError: division by"),
    ("from torch", "x = (\nfrom torch", "", "", "my_code.py:3: not valid Python ('(' was never"),
    ("    at: own.Seconds", "    at: own.Second", "", "",
        "my_code.py:41: in Blackout: AttributeError: module 'braintorrent.extend' has no"),
    ("    def start(", "    def named(self):\n        return {}['x']\n\n    def start(", "", "",
        "my_code.py:45: in named: KeyError: 'x'"),
    (NETWORK, "def small(outputs, width: int):\n    return nn.Linear(9, outputs)\n", "", "",
        "my.yaml:6:15: model.name: my_code.small can't take a batch [2, 1, 8, 8]: mat1 and mat2"),
    (NETWORK, "def small(outputs, width: int):\n    return None\n", "", "",
        "my.yaml:6:15: model.name: my_code.small gives a NoneType; allowed: a torch.nn.Module"),
    (NETWORK, "def small(outputs, width: int):\n    return nn.Linear(widt, outputs)\n", "", "",
        "my_code.py:57: in small: NameError: name 'widt' is not defined"),
    (NETWORK, "def small(outputs, width):\n    return nn.Linear(width, outputs)\n", "", "",
        "my.yaml:6:15: model.name: my_code.small: the parameter width has no type; allowed: one, "),
    ("nn.Linear(width, outputs)", "nn.Linear(width, 3)", "", "", "my.yaml:6:15: model.name: "
        "my_code.small answers a batch [2, 1, 8, 8] by [2, 3]; allowed: [2, 10], 10 numbers for"),
)  # fmt: skip


@pytest.mark.parametrize(("old", "new", "named", "instead", "line"), NO_CLOCK)
def test_wrong_code_is_told_in_a_line_before_the_clock_starts(
    old: str, new: str, named: str, instead: str, line: str
) -> None:
    if old:
        edit(old, new)
    name(named, instead)
    assert told(run("--out=out"), 2).startswith(line)
    assert not Path("out").exists()


WHILE_PLAYED: tuple[tuple[str, str, str], ...] = (
    ("self.period_s = period_s", "self.period_s = period",
        "my_code.py:20: in __init__: NameError: name 'period' is not defined"),
    ("        while True:\n", "        1 / 0\n        while True:\n",
        "my_code.py:25: in behaviour: ZeroDivisionError: division by zero"),
    ("node.inbox.clear()", "assert self.world.clock.now < 30, 'late'",
        "my_code.py:27: in behaviour: AssertionError: late"),
    ("node.crash(name)", "node.crash(nam)", "my_code.py:50: in _dark: NameError: name 'nam' is"),
    ("self._dark(name, world)", "self.dark(name, world)",
        "my_code.py:45: in start: AttributeError: 'Blackout' object has no attribute 'dark'"),
    ("            if model is not None:", "            yield 3\n            if model is not None:",
        'my_code.py:31: in behaviour: TypeError: Invalid yield value "3": no event of the clock'),
    ("yield from node.train(base)", "yield self.world.clock.after(0.0)\n            continue",
        "my_code.py:30: in behaviour: RuntimeError: 100,180 events at 0 s, and no time passes"),
    (NETWORK, "class small(nn.Module):\n    def __init__(self, outputs, width: int):\n"
        "        super().__init__()\n        self.layer = nn.LazyLinear(outputs)\n\n"
        "    def forward(self, batch):\n        assert not self.training, 'never trains'\n"
        "        return self.layer(batch.flatten(1))\n",
        "trained(0, 0) failed: my_code.py:62: in forward: AssertionError: never trains"),
)  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line"), WHILE_PLAYED)
def test_code_that_fails_on_the_way_ends_its_own_run(old: str, new: str, line: str) -> None:
    edit(old, new)
    assert told(run("--out=out", "--protocol=gossip"), 1).startswith(
        f"failed: gossip seed 0: {line}"
    )


def test_a_run_that_fails_leaves_the_others_alone_and_is_tried_again() -> None:
    edit("node.inbox.clear()", "assert self.world.clock.now < 30, 'late'")
    assert "failed: gossip seed 0: my_code.py:27" in told(run("--out=out"), 1)
    record = json.loads(Path("out/run.json").read_text())
    states = {one["protocol"]: one["status"] for one in record["runs"]}
    assert states == {"gossip": "failed", "local": "finished"}
    write(CODE)
    again = run("--out=out", "--accept-code")
    assert again.exit_code == 0
    assert "my_code.Gossiping has changed: tables are made anew" in again.stderr


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("return Gossiping(world, self.period)", "Gossiping(world, self.period)",
            "my_code.py:13: in Gossip.run: gives None; allowed: a Running"),
        ("def behaviour(self, node: own.Node) -> own.Behaviour:",
            "def behaviour(self, node):\n        return 3\n\n    def other(self, node):",
            "my_code.py:22: in Gossiping.behaviour: gives 3, which can't be played; allowed: a "),
    ],
)  # fmt: skip
def test_what_is_given_in_place_of_something_else_is_told(old: str, new: str, line: str) -> None:
    edit(old, new)
    assert told(run("--out=out"), 2).startswith(line)


def tables(out: str) -> list[bytes]:
    return [Path(out, file).read_bytes() for file in ("scores.parquet", "trace.parquet")]


def operations(out: str) -> dict[str, int]:
    found: dict[str, int] = json.loads(Path(out, "run.json").read_text())["operations"]
    return found


def test_a_folder_keeps_its_code_and_knows_what_changes_it() -> None:
    assert run("--out=out").exit_code == 0
    assert Path("out/code/my_code.py").read_text() == CODE
    before = tables("out")
    for old, new in (
        ('"""One hidden layer."""', '"""A hidden layer."""  # really'),
        ("class Gossip(", "def nobody_uses() -> None: ...\n\n\nclass Gossip("),
    ):
        edit(old, new)
        assert "finished already" in run("--out=out").stderr

    edit("node.keep(model)", "node.keep(base)")
    assert told(run("--out=out"), 2) == (
        "--out out: was made with other code: my_code.Gossiping has changed; allowed: "
        "--accept-code, which makes its tables anew, or another folder (--out DIR)"
    )
    assert tables("out") == before
    write(CODE.replace("yield self.world.clock.after(", "yield self.world.clock.after(1.0 * "))
    again = run("--out=out", "--accept-code")
    assert "my_code.Gossiping has changed: tables are made anew" in again.stderr
    assert tables("out") == before
    assert operations("out")["computed"] == 0
    assert "1.0 *" in Path("out/code/my_code.py").read_text()

    edit("nn.ReLU()", "nn.Tanh()")
    assert "my_code.small has changed" in told(run("--out=out"), 2)
    again = run("--out=out", "--accept-code")
    assert "my_code.small has changed: tables are made anew" in again.stderr
    assert tables("out") != before
    assert operations("out")["computed"] > 20


def test_a_folder_runs_again_from_itself() -> None:
    assert run("--out=out").exit_code == 0
    os.chdir("out")
    other = ("--out=../other", "--workers=0")
    bare = braintorrent("run", "scenario.yaml", *other)
    assert bare.exit_code == 2
    told = "scenario.yaml:13:15: model.name: my_code.small is nothing of braintorrent's own; "
    assert bare.stderr.startswith(f"{told}allowed: --code code\n")
    assert braintorrent("run", "scenario.yaml", "--code=code", *other).exit_code == 0
    assert tables("../other") == tables(".")


def test_reading_needs_no_code() -> None:
    assert run("--out=out", "--protocol=gossip").exit_code == 0
    Path("my_code.py").unlink()
    for command in ("status", "trace", "report"):
        assert braintorrent(command, "out").exit_code == 0, command
    assert braintorrent("plot", "out").exit_code == 0


@pytest.mark.parametrize(
    "command",
    [
        ("run", "my.yaml", "--out=out"),
        ("sweep", "my.yaml", "--vary=model.width=4,8", "--out=out"),
        ("check", "my.yaml"),
        ("check", "my.yaml", "--data"),
        ("list",),
        ("schema",),
        ("status", "."),
        ("plot", "."),
        ("subjects", "my.yaml"),
    ],
)
def test_a_scenario_alone_imports_nothing(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Path("my_code.py").rename("evil.py")
    Path("evil.py").write_text("open('ran', 'w').close()\n" + CODE)
    shutil.copytree(".", "code")  # As in a result folder.
    Path("scenario.yaml").write_text(SCENARIO)
    monkeypatch.syspath_prepend(tmp_path)
    name("my_code", "evil")
    done = braintorrent(*command)
    assert not Path("ran").exists()
    if "my.yaml" in command:
        assert done.exit_code == 2
        assert done.stderr.startswith("my.yaml:6:15: model.name: evil.small is nothing of")


def test_kinds_of_the_user_are_listed_and_what_only_looks_like_one_is_not() -> None:
    edit("def small", "def untyped(outputs, width): ...\n\n\ndef small")
    listed = braintorrent("list", "--code=my_code.py").output
    for kind in ("Gossip", "Blackout", "small"):
        assert f"my_code.{kind}" in listed
    assert "my_code.untyped" not in listed and "my_code.Gossiping" not in listed
    assert "my_code.small" not in braintorrent("list").output


def test_kinds_of_the_user_are_in_the_schema() -> None:
    schema = braintorrent("schema", "--code=my_code.py").output
    for text in ("Each client averages", "All clients are down", "One hidden layer."):
        assert text in schema
    assert "One hidden layer." not in braintorrent("schema").output


def test_paths_of_a_users_task_are_relative_to_the_scenarios_file() -> None:
    task = "from braintorrent import extend as own\n\n\nclass Mine(own.PartitionedSettings):\n"
    task += "    paths = ('file',)\n    file: str\n    directions = {'error': 'lower'}\n\n"
    task += "    def load(self, clients, tell):\n        raise own.Refusal(self.file, 'another')\n"
    write(
        task.replace("paths =", "paths: 'ClassVar' =").replace(
            "directions =", "directions: 'ClassVar' ="
        )
    )
    edit("from braintorrent", "from typing import ClassVar\n\nfrom braintorrent")
    Path("sub").mkdir()
    text = SCENARIO[: SCENARIO.index("faults:")].replace(
        "name: digits", "name: my_code.Mine, file: x"
    )
    text = text.replace("my_code.small, width: 8", "mlp") + "protocols: {local: {}}\n"
    Path("sub/mine.yaml").write_text(text + "evaluation: {every: 1 min}\n")
    told = braintorrent("check", "sub/mine.yaml", "--code=my_code.py", "--data").stderr
    assert f"{Path('sub/x').absolute()}; allowed: another" in told
