"""Progress on the screen: rarely in a log, live on a terminal, and with the time that is left."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from sim.cli.progress import NOT_YET, Remaining, plain_lines, progress_display
from sim.cli.terminal import say_how_far
from sim.runs.playing import RunProgress
from sim.runs.session import Progress


def progress(
    run: str = "local seed 0", virtual_s: float = 30.0, down: int = 0, **changes: Any
) -> Progress:
    values: dict[str, Any] = {
        "latest": RunProgress(run, virtual_s, 60.0, local_rounds=1, up=2, down=down),
        "simulated_runs": 0,
        "finished_runs": 0,
        "total_runs": 2,
        "trained": 1,
        "demanded": 2,
        "evaluated": 3,
        "evaluations": 4,
        "done_s": 10.0,
        "left_s": 10.0,
        "left_is_known": True,
    }
    return Progress(**values | changes)


def test_plain_progress_prints_rarely_and_once_at_the_end() -> None:
    console, now_s = Console(width=40), 0.0
    report = plain_lines(console, Remaining(lambda: now_s), clock=lambda: now_s)
    with console.capture() as capture:
        for now_s, done_s in ((1.0, 0.0), (2.0, 5.0), (4.9, 10.0), (6.0, 15.0)):
            report(progress(virtual_s=now_s, done_s=done_s, left_s=20.0 - done_s))
        ended: dict[str, Any] = {"simulated_runs": 2, "trained": 2}
        now_s = 11.0
        report(progress(**ended, finished_runs=1, done_s=16.0, left_s=4.0))
        now_s = 16.0
        report(progress(**ended, done_s=17.0, left_s=3.0, left_is_known=False))
        for _ in range(2):
            report(progress(**ended, finished_runs=2, evaluated=4, left_s=0.0))
    assert capture.get().splitlines() == [
        # 10 s of work in the 4 s since the first was seen, and 5 s to go.
        "0/2 runs, local seed 0: 6 s of 1 min, 1 local rounds, 2 up 0 down, "
        "1 of 2 trainings and 3 of 4 evaluations done, at least 2 s left",
        "1/2 runs, 2 of 2 trainings and 3 of 4 evaluations done, 3.3 s left",
        "0/2 runs, 2 of 2 trainings and 3 of 4 evaluations done, at least 3.5 s left",
        "2/2 runs, 2 of 2 trainings and 4 of 4 evaluations done",
    ]


def test_the_time_left_is_not_told_before_it_is_known() -> None:
    now_s = 0.0
    remaining = Remaining(lambda: now_s)
    assert remaining.text(progress(trained=0, evaluated=0, done_s=0.0)) == "starting"
    unknown = progress(done_s=1.0, left_s=1.0, left_is_known=False)
    assert remaining.text(unknown) == NOT_YET
    assert remaining.text(progress(done_s=1.0, left_s=999.0)) == NOT_YET
    now_s = 40.0  # Little has been done, much of it by workers that still warmed up.
    assert remaining.text(progress(done_s=3.0, left_s=997.0)) == NOT_YET
    now_s = 50.0
    ended = progress(done_s=201.0, left_s=800.0, simulated_runs=2)
    assert remaining.text(ended) == "3.3 min left"
    # After a minute a small share tells enough.
    now_s = 100.0
    assert remaining.text(progress(done_s=11.0, left_s=990.0)) == "at least 2.8 h left"


def test_the_live_display_shows_the_world_and_the_real_work() -> None:
    screen = StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    with progress_display(console) as report:
        report(progress())
        report(progress(run="fedavg seed 0", simulated_runs=1, virtual_s=60.0, down=1))
    assert "2 up 1 down" in screen.getvalue() and "1 of 2 trainings and 3 of 4" in screen.getvalue()


def test_how_far_something_is_is_said_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    times_s = iter((0.0, 0.5, 1.5, 1.5, 2.0, 3.0, 3.0))
    monkeypatch.setattr("sim.cli.terminal.time.monotonic", lambda: next(times_s))
    told = say_how_far("points checked:")
    for done in (1, 2, 3, 2000):
        told(done, 2000)
    assert capsys.readouterr().err == "points checked: 2 of 2,000\npoints checked: 2,000 of 2,000\n"


@pytest.mark.parametrize("terminal", [False, True])
def test_names_are_shown_as_they_are(terminal: bool) -> None:
    console = Console(width=200, file=StringIO(), force_terminal=terminal)
    with console.capture() as capture, progress_display(console) as show:
        show(progress("[red]a[/] :100: \x1b]0;b\x07", finished_runs=2, simulated_runs=1))
    assert r"[red]a[/] :100: \x1b]0;b\x07: 30 s" in capture.get()
    assert "\x1b]0" not in capture.get()
