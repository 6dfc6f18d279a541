"""However a command ends: one line, the exit code that shells expect, and nothing lost.

A signal gives 128 and its number. Nobody learns in this world, so a process starts quickly.
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
WORLD = """
# How does it end?
name: ends
duration: 10 min
seeds: [0]
task: {name: none, model: 14 MB, steps: 20}
clients: {count: 3, step_time: 1 s}
network: {latency: 20 ms, uplink: 20 Mbit/s, downlink: 100 Mbit/s, sharing: none}
protocols: {braintorrent: {}}
evaluation: {every: 1 min}
"""
LONG = "--set=duration=40 h"
WITHIN_S = 120
WHAT_ENDS: Mapping[signal.Signals, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ends")
    (folder / "world.yaml").write_text(WORLD)
    return folder


def command(home: Path, out: Path, *options: str) -> list[str]:
    run = [sys.executable, "-m", "braintorrent", "run", str(home / "world.yaml")]
    return [*run, f"--out={out}", "--workers=0", *options]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def ended(home: Path, out: Path, act: Callable[[subprocess.Popen[str]], object]) -> tuple[int, str]:
    """The exit code of a run that something happens to while it works, and what it says."""
    with subprocess.Popen(
        command(home, out, LONG), env=environment(), stderr=subprocess.PIPE, text=True
    ) as program:
        # Where it tells how far it is, it is under way.
        while program.poll() is None and not (out / "store" / "progress.json").exists():
            time.sleep(0.01)
        try:
            act(program)
            _, said = program.communicate(timeout=WITHIN_S)
        finally:
            program.kill()
    return program.returncode, "".join(
        line for line in said.splitlines(keepends=True) if "/1 runs" not in line
    )


@pytest.fixture
def endable() -> Iterator[None]:
    """What nohup or a shell's background ignores, a program that is started there would, too."""
    before = {number: signal.signal(number, how) for number, how in WHAT_ENDS.items()}
    yield
    for number, how in before.items():
        signal.signal(number, how)


@pytest.mark.slow
@pytest.mark.usefixtures("endable")
@pytest.mark.parametrize(
    ("number", "how"),
    [
        (signal.SIGINT, "interrupted"),
        (signal.SIGTERM, "ended by SIGTERM"),
        (signal.SIGHUP, "ended by SIGHUP"),
    ],
)
def test_a_signal_is_told_and_the_same_command_continues(
    home: Path, calm_for_long: Path, tmp_path: Path, number: signal.Signals, how: str
) -> None:
    out = tmp_path / "out"
    code, said = ended(home, out, lambda program: program.send_signal(number))
    assert said == f"{how}: what is done is kept in {out}; the same command continues\n"
    assert code == 128 + number
    assert sorted(path.name for path in out.iterdir()) == [".lock", "scenario.yaml", "store"]
    assert shell(home, out, "", LONG) == [0]
    assert_same_tables(out, calm_for_long)


@pytest.mark.slow
@pytest.mark.usefixtures("endable")
def test_a_second_ctrl_c_says_no_more_than_the_first(home: Path, tmp_path: Path) -> None:
    def twice(program: subprocess.Popen[str]) -> None:
        program.send_signal(signal.SIGINT)
        time.sleep(0.05)
        program.send_signal(signal.SIGINT)

    code, said = ended(home, tmp_path / "out", twice)
    # What comes when all is told may end it itself: a shell says 130 of that, too.
    assert code in (130, -signal.SIGINT) and said.startswith("interrupted: what is done is kept in")
    assert said.count("\n") == 1


def shell(home: Path, out: Path, redirected: str, *options: str) -> list[int]:
    """The exit codes of a run, short unless told otherwise, and what is behind it in a pipe."""
    words = " ".join(f"'{word}'" for word in command(home, out, *options))
    script = f"{words} {redirected}; echo ${{PIPESTATUS[*]}} >'{out}.codes'"
    subprocess.run(["bash", "-c", script], env=environment(), check=True, capture_output=True)
    return list(map(int, Path(f"{out}.codes").read_text().split()))


@pytest.fixture(scope="module")
def calm(home: Path) -> Path:
    """The results of the same where nothing happens."""
    assert shell(home, home / "calm", "") == [0]
    return home / "calm"


@pytest.fixture(scope="module")
def calm_for_long(home: Path) -> Path:
    """The same of a long one."""
    assert shell(home, home / "long", "", LONG) == [0]
    return home / "long"


def assert_same_tables(out: Path, calm: Path) -> None:
    for name in ("scores.parquet", "trace.parquet"):
        assert (out / name).read_bytes() == (calm / name).read_bytes()


PIPE = 128 + signal.SIGPIPE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("redirected", "codes"),
    [
        ("| true", [PIPE, 0]),
        ("2>&1 | true", [PIPE, 0]),
        (">&-", [0]),
        ("2>&-", [0]),
        ("<&- >&- 2>&-", [0]),
        (">/dev/full", [2]),
    ],
)
def test_streams_that_are_closed_lose_no_result(
    home: Path, calm: Path, tmp_path: Path, redirected: str, codes: Sequence[int]
) -> None:
    """Nor does what goes astray get into a file: the first would have a closed stream's number."""
    assert shell(home, tmp_path / "out", redirected) == codes
    assert_same_tables(tmp_path / "out", calm)
    assert (tmp_path / "out" / "store" / "scores.jsonl").read_bytes() == b""


LEARNS = [
    *("--set=duration=1 min", "--set=clients.count=3", "--seeds=1"),
    *("--protocol=braintorrent", "--protocol=fedavg", "--workers=2"),
]
ROUNDS = 34


@pytest.mark.long
def test_two_hundred_commands_on_a_busy_machine_end_as_they_should(tmp_path: Path) -> None:
    """One was once seen to abort when all its work was done: six commands, 34 times."""
    codes: Counter[tuple[str, int]] = Counter()
    told: list[str] = []

    def done(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "braintorrent", *arguments],
            env=environment() | {"PYTHONFAULTHANDLER": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    for number in range(ROUNDS):
        one, several = tmp_path / f"run {number}", tmp_path / f"sweep {number}"
        vary = "--vary=faults.churn.failure_rate=0 / h,4 / h"
        for at_once in (
            [["run", "no_faults", *LEARNS, f"--out={one}"], ["check", "no_faults", "--data"]],
            [["sweep", "churn", vary, *LEARNS, f"--out={several}"]],
            [["plot", f"{one}"], ["report", f"{several}"], ["table", f"{several}"]],
        ):
            for (name, *_), process in [(each, done(*each)) for each in at_once]:
                _, said = process.communicate()
                codes[name, process.returncode] += 1
                told += [f"{name} {process.returncode}: {said}"] if process.returncode else []
    assert codes == dict.fromkeys(((name, 0) for name, _ in codes), ROUNDS), "\n".join(told)
    assert len(codes) == 6
