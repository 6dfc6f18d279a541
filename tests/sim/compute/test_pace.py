"""Pace: what is done, what is left, and when that can be said."""

from sim.compute.pace import Pace
from sim.compute.refs import ModelRef, ScoreRef

INITIAL = ModelRef("initial", "initial", (), ())


def trained(name: str, steps: int) -> ModelRef:
    return ModelRef(name, "trained", (INITIAL,), (0, 0), cost=steps)


def test_each_kind_takes_its_own_time() -> None:
    now_s = 0.0
    pace = Pace(lambda: now_s)
    short, long = trained("short", 10), trained("long", 30)
    look, last = ScoreRef("look", short, "test"), ScoreRef("last", long, "final")
    for ref in (INITIAL, short, long, look, last):
        pace.demanded(ref)
    assert (pace.evaluations_demanded, pace.evaluations_done) == (2, 0)
    assert (pace.done_s, pace.left_s, pace.is_known) == (0.0, 0.0, False)
    for ref in (short, look):
        pace.begun([ref.job()])
        assert pace.ended(0, [ref.job()]) is None  # The worker's first of its kind.
    pace.begun([short.job()])
    now_s = 2.0
    pace.begun([look.job()])
    assert pace.ended(0, [short.job()]) == 2.0
    pace.done(short, 2.0)
    now_s = 3.0
    pace.done(look, pace.ended(0, [look.job()]))
    assert (pace.done_s, pace.left_s) == (3.0, 6.0), "0.2 s for each of thirty steps"
    known = [pace.is_known]  # Nothing has told how long `final` takes.
    pace.done(last, 5.0)
    assert [*known, pace.is_known] == [False, True]
    assert (pace.done_s, pace.left_s) == (8.0, 6.0)
    pace.given_up(long)
    assert (pace.left_s, pace.evaluations_done) == (0.0, 2)


def test_what_a_worker_does_first_tells_nothing_of_the_rest() -> None:
    now_s = 0.0
    pace = Pace(lambda: now_s)
    refs = [trained(str(number), 10) for number in range(4)]
    for ref in refs:
        pace.demanded(ref)
    # Each of two workers takes 60 s to compile, and 1 s for the next.
    for ref, worker, seconds in zip(refs, (0, 1, 0), (60.0, 60.0, 1.0), strict=False):
        pace.begun([ref.job()])
        now_s += seconds
        pace.done(ref, pace.ended(worker, [ref.job()]))
        assert pace.is_known == (seconds == 1.0)
    assert (pace.done_s, pace.left_s) == (1.0, 1.0)
