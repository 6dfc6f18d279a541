"""The store's books: nothing kept is lost to a kill, nothing damaged is believed, no more models
stay than may."""

import errno
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from sim.compute import Store
from sim.compute.store import places
from tests.sim.compute.small_disk import largest_file

SIZE_BYTES = 1000
VECTOR = np.arange(5, dtype=np.float32)


def named(number: int) -> str:
    return f"{number:032x}"


class Needs:
    """What pending work needs, and how often it was asked."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.questions = 0

    def __contains__(self, name: object) -> bool:
        self.questions += 1
        return name in self.names


class Kept:
    """A store that is opened again and again, and what it reported."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reports: list[str] = []
        self.needs = Needs()
        self.store = self.reopened()

    def reopened(self, limit_bytes: int = 10 * SIZE_BYTES) -> Store:
        if hasattr(self, "store"):
            self.store.close()
        self.store = Store(self.folder, limit_bytes, self.needs, self.reports.append)
        return self.store

    def model(self, number: int) -> Path:
        return self.folder / "models" / named(number)[:2] / f"{named(number)}.npy"

    @property
    def lines(self) -> Path:
        return self.folder / "scores.jsonl"


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "store")


@pytest.fixture
def needs() -> Needs:
    return Needs()


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path, needs: Needs) -> Store:
    """Room for three models of `SIZE_BYTES`."""
    folder = tmp_path if request.param == "folder" else None
    return Store(folder, 3 * SIZE_BYTES, needs, pytest.fail)


def add(store: Store, *numbers: int) -> None:
    for number in numbers:
        store.vectors.write(named(number), VECTOR)
        store.added(named(number), SIZE_BYTES)


def held(store: Store, numbers: range) -> list[int]:
    """Those that the books and the disk agree to have."""
    there = [number for number in numbers if store.holds(named(number))]
    assert sorted(store.vectors.sizes()) == [named(number) for number in there]
    return there


# -- models, wherever they are -----------------------------------------------------------------


def test_models_are_held_until_they_are_lost_or_forgotten(store: Store) -> None:
    assert held(store, range(3)) == []
    add(store, 0, 1, 2)
    assert held(store, range(3)) == [0, 1, 2]
    store.lost(named(1))
    store.lost(named(9))
    assert held(store, range(3)) == [0, 2]
    store.forget_models()
    assert held(store, range(3)) == []
    add(store, 1)
    assert held(store, range(3)) == [1]


def test_the_oldest_go_first(store: Store) -> None:
    add(store, 0, 1, 2, 3)
    assert held(store, range(9)) == [1, 2, 3]
    add(store, 4, 5)
    assert held(store, range(9)) == [3, 4, 5]


def test_what_was_needed_is_forgotten_with_the_rest(store: Store, needs: Needs) -> None:
    needs.names = {named(number) for number in range(4)}
    add(store, 0, 1, 2, 3)
    store.forget_models()
    assert held(store, range(9)) == []


def test_what_is_written_again_is_young_and_counts_once(store: Store) -> None:
    add(store, 0, 1, 2, 0)
    assert held(store, range(9)) == [0, 1, 2]
    add(store, 3)
    assert held(store, range(9)) == [0, 2, 3]


def test_what_is_lost_or_forgotten_makes_room(store: Store) -> None:
    add(store, 0, 1, 2)
    store.lost(named(2))
    add(store, 3)
    assert held(store, range(9)) == [0, 1, 3]
    store.forget_models()
    add(store, 4, 5, 6)
    assert held(store, range(9)) == [4, 5, 6]


def test_one_that_is_needed_stays_whatever_the_limit(store: Store, needs: Needs) -> None:
    needs.names = {named(number) for number in (0, 1, 3, 4, 5)}
    add(store, 0, 1, 2, 3, 4, 5, 6)
    assert held(store, range(9)) == [0, 1, 3, 4, 5]


def test_when_it_is_needed_no_more_its_age_counts_again(store: Store, needs: Needs) -> None:
    needs.names = {named(0), named(1)}
    add(store, 0, 1, 2, 3, 4)
    assert held(store, range(9)) == [0, 1, 4]
    needs.names = {named(1)}
    add(store, 5)
    assert held(store, range(9)) == [1, 4, 5]
    needs.names = {named(number) for number in (1, 4, 5, 6)}
    add(store, 6)
    assert held(store, range(9)) == [1, 4, 5, 6]
    needs.names = set()
    add(store, 7)
    assert held(store, range(9)) == [5, 6, 7]


def test_a_model_that_is_spared_and_then_lost_is_not_counted(store: Store, needs: Needs) -> None:
    needs.names = {named(0), named(1)}
    add(store, 0, 1, 2, 3)
    store.lost(named(0))
    add(store, 4)
    assert held(store, range(9)) == [1, 3, 4]


def test_the_questions_are_few_however_many_models_are_needed(needs: Needs) -> None:
    store = Store(None, 0, needs, pytest.fail)
    count = 3000
    needs.names = {named(number) for number in range(count)}
    for number in range(count):
        store.added(named(number), 1)
    assert needs.questions <= 9 * count
    assert all(store.holds(named(number)) for number in range(count))
    needs.names.clear()
    for number in range(count, count + count // 8 + 1):
        store.added(named(number), 1)
    assert needs.questions <= 9 * (count + count // 8 + 1)
    assert not any(store.holds(named(number)) for number in range(2 * count))


# -- models of an earlier session --------------------------------------------------------------


def test_a_later_session_finds_the_models_and_reads_each_once_to_believe_it(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(kept.store, 0, 1)
    store = kept.reopened()
    assert held(store, range(9)) == [0, 1]
    monkeypatch.setattr(store.vectors, "read", pytest.fail)
    assert held(store, range(9)) == [0, 1]
    add(store, 2)
    assert store.holds(named(2))
    assert kept.reports == []


def test_a_damaged_model_is_reported_removed_and_may_be_added_again(kept: Kept) -> None:
    add(kept.store, 0, 1, 2)
    os.truncate(kept.model(0), 50)
    kept.model(1).write_bytes(kept.model(1).read_bytes()[:-1] + b"?")
    store = kept.reopened()
    assert kept.reports == []
    assert held(store, range(9)) == [2]
    assert held(store, range(9)) == [2]
    assert kept.reports == [
        f"store: {kept.model(0)} is truncated, or not what its header says; "
        "the model is computed again",
        f"store: {kept.model(1)} does not match its checksum; the model is computed again",
    ]
    add(store, 0)
    assert held(store, range(9)) == [0, 2]


def test_a_model_that_somebody_took_away_is_not_held(kept: Kept) -> None:
    add(kept.store, 0)
    store = kept.reopened()
    kept.model(0).unlink()
    assert not store.holds(named(0))
    assert len(kept.reports) == 1


def test_what_a_worker_could_not_read_is_reported_with_its_problem(kept: Kept) -> None:
    add(kept.store, 0)
    kept.store.lost(named(0), RuntimeError("the file is odd"))
    assert kept.reports == ["store: the file is odd; the model is computed again"]
    assert held(kept.store, range(9)) == []


def test_a_lower_limit_takes_the_oldest_of_earlier_sessions(kept: Kept) -> None:
    for number in (3, 1, 2):
        add(kept.store, number)
        os.utime(kept.model(number), (1e9 - number, 1e9 - number))
    size_bytes = kept.model(1).stat().st_size
    store = kept.reopened(limit_bytes=2 * size_bytes)
    store.added(named(4), store.vectors.write(named(4), VECTOR))
    assert held(store, range(9)) == [1, 4]
    assert kept.reports == []


def test_what_a_later_session_forgets_or_writes_itself_is_not_read(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(kept.store, 0)
    store = kept.reopened()
    monkeypatch.setattr(store.vectors, "read", pytest.fail)
    add(store, 0)
    assert store.holds(named(0))
    store = kept.reopened()
    store.forget_models()
    assert not store.holds(named(0))
    assert kept.reports == []


def test_a_closed_store_keeps_no_file_open(kept: Kept) -> None:
    before = len(os.listdir("/proc/self/fd"))
    kept.store.close()
    kept.store.close()
    assert len(os.listdir("/proc/self/fd")) == before - 1


# -- scores ------------------------------------------------------------------------------------


def test_scores_come_back_exactly(store: Store) -> None:
    scores = {"nan": math.nan, "high": math.inf, "low": -math.inf, "zero": -0.0, "third": 1 / 3}
    store.keep_scores(named(1), {**scores, "numpy": cast(float, np.float32(0.1))})
    read = store.scores(named(1))
    assert repr(read) == repr({**scores, "numpy": float(np.float32(0.1))})
    assert store.scores(named(2)) is None


def test_a_later_session_knows_the_scores_and_each_stands_there_once(kept: Kept) -> None:
    scores = {"ärger": math.nan, "third": 1 / 3, "none": math.inf}
    kept.store.keep_scores(named(1), scores)
    kept.store.keep_scores(named(1), scores)
    kept.reopened().keep_scores(named(1), scores)
    kept.store.keep_scores(named(2), {})
    assert repr(kept.reopened().scores(named(1))) == repr(scores)
    assert kept.store.scores(named(2)) == {}
    lines = kept.lines.read_text().splitlines()
    assert [json.loads(line)[0] for line in lines] == [named(1), named(2)]
    assert kept.reports == []


def test_scores_are_known_by_their_whole_names_and_at_any_length(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "_LEAST", 1)  # Of older names only half is in memory.
    wanted = {
        f"{first}{second:031x}": {f"metric_{number}": first / 7 for number in range(100 * second)}
        for first in range(3)
        for second in range(4)
    }
    for name, scores in wanted.items():
        store.keep_scores(name, scores)
        store.keep_scores(name, {"never": 0.0})
    assert {name: store.scores(name) for name in wanted} == wanted
    assert store.scores(f"9{1:031x}") is None


def test_scores_that_are_damaged_meanwhile_are_not_believed(kept: Kept) -> None:
    for number in range(2):
        kept.store.keep_scores(named(number), {"accuracy": 0.5})
    kept.lines.write_bytes(kept.lines.read_bytes().replace(b"0.5", b"0.7", 1))
    assert [kept.store.scores(named(number)) for number in range(2)] == [None, {"accuracy": 0.5}]
    kept.store.keep_scores(named(0), {"accuracy": 0.25})
    assert kept.store.scores(named(0)) == {"accuracy": 0.25}
    assert kept.reopened().scores(named(0)) == {"accuracy": 0.25}


def test_the_system_has_a_score_as_soon_as_it_is_kept(kept: Kept) -> None:
    kept.store.keep_scores(named(1), {"accuracy": 0.5})
    assert named(1) in kept.lines.read_text()


def test_a_torn_last_line_is_dropped_in_silence(kept: Kept) -> None:
    for number in range(3):
        kept.store.keep_scores(named(number), {"accuracy": number / 7})
    kept.store.close()
    whole = kept.lines.read_bytes()
    start = whole.rindex(b"\n", 0, -1) + 1
    for length in range(start, len(whole)):
        kept.lines.write_bytes(whole[:length])
        store = kept.reopened()
        assert store.scores(named(2)) is None
        store.keep_scores(named(3), {"accuracy": 3.0})
        store = kept.reopened()
        assert store.scores(named(1)) == {"accuracy": 1 / 7}
        assert store.scores(named(3)) == {"accuracy": 3.0}
        assert len(kept.lines.read_text().splitlines()) == 3
    assert kept.reports == []


def test_a_line_with_any_byte_changed_is_skipped_and_reported(kept: Kept) -> None:
    for number in range(3):
        kept.store.keep_scores(named(number), {"accuracy": number / 7})
    kept.store.close()
    whole = kept.lines.read_bytes()
    start = whole.index(b"\n") + 1
    end = whole.index(b"\n", start)
    for place in range(start, end):
        for flip in (1, 0x80, whole[place] ^ ord("\n")):
            broken = bytearray(whole)
            broken[place] ^= flip
            kept.lines.write_bytes(broken)
            store = kept.reopened()
            assert store.scores(named(0)) == {"accuracy": 0.0}
            assert store.scores(named(1)) is None
            assert store.scores(named(2)) == {"accuracy": 2 / 7}
            assert "scores.jsonl has damaged lines (" in kept.reports.pop()
    assert kept.reports == []
    broken = bytearray(whole)
    broken[end] = ord("x")  # Two lines become one.
    kept.lines.write_bytes(broken)
    store = kept.reopened()
    assert [store.scores(named(n)) for n in range(3)] == [{"accuracy": 0.0}, None, None]
    store.keep_scores(named(1), {"accuracy": 1.0})
    assert kept.reopened().scores(named(1)) == {"accuracy": 1.0}
    report = f"store: {kept.lines} has damaged lines (1: 2); their scores are computed again"
    assert kept.reports == [report, report]


# -- a disk that refuses -----------------------------------------------------------------------


def test_scores_that_a_full_disk_refuses_stay_for_the_session_and_are_reported_once(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite = os.pwrite

    def half_then_full(file: int, content: bytes, place: int) -> int:
        pwrite(file, content[:40], place)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    kept.store.keep_scores(named(0), {"accuracy": 0.0})
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", half_then_full)
        for number in (1, 2):
            kept.store.keep_scores(named(number), {"accuracy": number / 7})
    assert kept.store.scores(named(2)) == {"accuracy": 2 / 7}
    assert kept.reports == [
        "store: the disk is full; work goes on, but what is not kept is computed again later"
    ]
    kept.store.keep_scores(named(3), {"accuracy": 3 / 7})
    store = kept.reopened()
    assert [store.scores(named(n)) for n in range(4)] == [{"accuracy": n / 7} for n in range(4)]
    assert len(kept.reports) == 1


def test_half_a_line_that_was_refused_does_not_hurt_the_others(kept: Kept) -> None:
    for number in range(3):
        kept.store.keep_scores(named(number), {"accuracy": number / 7})
    with largest_file(kept.lines.stat().st_size + 20):
        kept.store.keep_scores(named(3), {"accuracy": 0.0})
        kept.store.close()
    assert [report.split(";")[0] for report in kept.reports] == [
        "store: the folder cannot be written: File too large"
    ]
    assert not kept.lines.read_bytes().endswith(b"\n")
    store = kept.reopened()
    assert [store.scores(named(n)) is None for n in range(4)] == [False, False, False, True]
    assert len(kept.reports) == 1


def test_what_the_disk_refused_is_written_when_there_is_room_again_at_the_latest_at_the_end(
    kept: Kept,
) -> None:
    with largest_file(60):
        for number in range(3):
            kept.store.keep_scores(named(number), {"accuracy": number / 7})
    store = kept.reopened()
    assert [store.scores(named(n)) for n in range(3)] == [{"accuracy": n / 7} for n in range(3)]
    assert len(kept.reports) == 1


def test_models_that_cannot_be_removed_do_not_stop_the_work(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    store = kept.reopened(limit_bytes=0)
    monkeypatch.setattr(os, "unlink", refuse)
    add(store, 0, 1)
    assert not store.holds(named(0))
    store.forget_models()
    assert [report.split(";")[0] for report in kept.reports] == [
        "store: the folder cannot be written: Read-only file system"
    ]


@pytest.mark.parametrize("obstacle", [".", "models", "scores.jsonl"])
def test_a_folder_that_cannot_be_one_is_an_error_at_once(tmp_path: Path, obstacle: str) -> None:
    folder = tmp_path / "store"
    if obstacle == "scores.jsonl":
        (folder / obstacle / "others").mkdir(parents=True)
    else:
        (folder / obstacle).parent.mkdir(exist_ok=True)
        (folder / obstacle).write_text("a file")
    with pytest.raises(OSError):
        Store(folder, 0, Needs(), pytest.fail)


def put_in_place(path: Path, kind: str) -> None:
    """What is no file where one was."""
    path.unlink(missing_ok=True)
    if kind == "link":
        path.symlink_to(path.parents[3] / "elsewhere")
    else:
        {"folder": os.mkdir, "pipe": os.mkfifo}[kind](path)


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_what_is_no_file_is_replaced_and_nothing_is_written_elsewhere(
    tmp_path: Path, kind: str
) -> None:
    (tmp_path / "elsewhere").write_text("years of work")
    kept = Kept(tmp_path / "home" / "out" / "store")
    add(kept.store, 0, 1)
    kept.store.keep_scores(named(2), {"accuracy": 0.5})
    scores = tmp_path / "home" / "out" / "store" / "scores.jsonl"
    put_in_place(scores, kind)
    put_in_place(kept.model(0), kind)
    store = kept.reopened()
    assert store.scores(named(2)) is None and not store.holds(named(0)) and store.holds(named(1))
    assert kept.reports == [f"store: {scores} was no file; its scores are computed again"]
    store.keep_scores(named(2), {"accuracy": 0.5})
    add(store, 0)
    assert store.holds(named(0)) and kept.model(0).is_file()
    assert kept.reopened().scores(named(2)) == {"accuracy": 0.5}
    assert not scores.is_symlink() and (tmp_path / "elsewhere").read_text() == "years of work"


def test_a_file_in_a_subfolder_s_place_is_replaced(kept: Kept) -> None:
    kept.model(0).parent.mkdir(exist_ok=True)
    kept.model(0).parent.rmdir()
    kept.model(0).parent.touch()
    add(kept.reopened(), 0)
    assert kept.store.holds(named(0))


# -- kill -9 -----------------------------------------------------------------------------------

BUSY = """
import sys, numpy
from pathlib import Path
from typing import cast
from sim.compute import Store
store = Store(Path(sys.argv[1]), 40_000_000, (), print)
for number in range(int(sys.argv[2]), 1 << 60):
    name = f"{number:032x}"
    vector = numpy.full(100_000, number, numpy.float32)
    store.added(name, store.vectors.write(name, vector))
    store.keep_scores(name, {"accuracy": number / 7, "loss": float("nan")})
    print(number, flush=True)
"""


def test_a_kill_at_any_instant_leaves_all_that_was_kept_and_nothing_half(kept: Kept) -> None:
    kept.store.close()
    pause_s = np.random.default_rng(0).uniform(0.02, 0.12, 4)
    done = -1
    for each_s in pause_s:
        child = subprocess.Popen(
            [sys.executable, "-c", BUSY, os.fspath(kept.folder), str(done + 1)],
            stdout=subprocess.PIPE,
            text=True,
        )
        with child:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(each_s)
            child.kill()
            done = int(child.stdout.read().split("\n")[-2])
        store = kept.reopened()
        names = list(store.vectors.sizes())
        assert named(done) in names
        for name in names:
            vector = store.vectors.read(name)
            assert len(vector) == 100_000 and (vector == np.float32(int(name, 16))).all()
        for number in range(done + 1):
            scores = store.scores(named(number))
            assert scores is not None and scores["accuracy"] == number / 7
        assert not list(kept.folder.rglob("*.tmp"))
        store.close()
    assert kept.reports == []
