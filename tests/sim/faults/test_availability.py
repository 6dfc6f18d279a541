"""Traces that are replayed: by hand, against the file itself, and what is wrong in one."""

import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braintorrent.testing import play
from sim.faults.availability import Availability
from sim.faults.shared import spans
from sim.faults.shared.spans import Spans
from sim.record.errors import Refusal, ScenarioError
from sim.record.folder import RUN_FILE, SCENARIO_FILE
from sim.results import folder as results
from sim.runs.build import check_fault_files
from sim.runs.data import with_pinned_files
from sim.scenario import Scenario, dump, load

HEADER = "node,from,until\n"
TRACE = HEADER + "client_1,0,2\nclient_0,1,3\nclient_0,9,11\nclient_0,3,5\n"
NAMES = ("client_0", "client_1", "client_2", "server")


def away(file: Path, text: str = TRACE, **more: Any) -> dict[str, Any]:
    file.write_text(text, encoding="utf-8")
    return {"kind": "availability", "file": str(file), "lists": "down", "unit": "s", **more}


def fault(tmp_path: Path, text: str = TRACE, **more: Any) -> Availability:
    return Availability.model_validate(away(tmp_path / "trace.csv", text, **more))


def lived(faults: dict[str, Any], clients: int = 3, protocol: str = "local", **more: Any) -> Any:
    """The crashes and recoveries of 100 s in which nobody finishes a round."""
    played = play(protocol, until_s=100.0, round_s=[200.0] * clients, faults=faults, **more)
    return played.of("crash", "recover")


def test_who_is_down_in_the_spans_of_the_file(tmp_path: Path) -> None:
    # Client 0 is down from 1 to 5, for its spans touch; client 1 begins at 2, and not before.
    played = play("local", until_s=12.0, round_s=[4.0] * 3, faults={"it": away(tmp_path / "t.csv")})
    assert played.of("crash", "recover", "train", "train_lost") == [
        (0.0, "client_1", "crash"),
        (1.0, "client_0", "crash"),
        (1.0, "client_0", "train_lost"),
        (2.0, "client_1", "recover"),
        (4.0, "client_2", "train"),
        (5.0, "client_0", "recover"),
        (6.0, "client_1", "train"),
        (8.0, "client_2", "train"),
        (9.0, "client_0", "train"),
        (9.0, "client_0", "crash"),
        (9.0, "client_0", "train_lost"),
        (10.0, "client_1", "train"),
        (11.0, "client_0", "recover"),
        (12.0, "client_2", "train"),
    ]
    assert [row.node for row in played.rows if row.time_s == 0.0] == [
        "client_1", "client_0", "client_2"
    ]  # fmt: skip


def test_who_is_down_between_them(tmp_path: Path) -> None:
    # What the file says nothing of is time down of whom it names, and up of all others.
    assert lived({"it": away(tmp_path / "t.csv", lists="up")}) == [
        (0.0, "client_0", "crash"),
        (1.0, "client_0", "recover"),
        (2.0, "client_1", "crash"),
        (5.0, "client_0", "crash"),
        (9.0, "client_0", "recover"),
        (11.0, "client_0", "crash"),
    ]


def test_a_run_may_begin_in_the_middle_of_the_trace(tmp_path: Path) -> None:
    # Of minutes the fourth: the span from 3 to 5 has 1 more, that from 9 to 11 begins after 5.
    later = away(tmp_path / "t.csv", unit="min", offset="4 min")
    played = play("local", until_s=1e3, round_s=[2e3] * 2, faults={"it": later})
    assert played.of("crash", "recover") == [
        (0.0, "client_0", "crash"),
        (60.0, "client_0", "recover"),
        (300.0, "client_0", "crash"),
        (420.0, "client_0", "recover"),
    ]


def test_in_one_instant_with_a_crash(tmp_path: Path) -> None:
    # At 5 the crash, which has been waiting for longer, comes before the file lets client 0 go; so
    # at 9 the crash lets it go first, and the file takes it again before anything is done.
    blow = {"kind": "crash", "node": "client_0", "at": "5 s", "recovers_after": "4 s"}
    faults = {"it": away(tmp_path / "t.csv"), "blow": blow}
    played = play("local", until_s=12.0, round_s=[4.0], faults=faults)
    told = [(row.time_s, row.kind, row.duration_s, row.cause) for row in played.rows]
    assert told == [
        (1.0, "crash", 0.0, "it"),
        (0.0, "train_lost", 1.0, "it"),
        (9.0, "recover", 0.0, "blow"),
        (9.0, "crash", 0.0, "it"),
        (9.0, "train_lost", 0.0, "it"),
        (11.0, "recover", 0.0, "it"),
    ]


@pytest.mark.parametrize("order", [("it", "new"), ("new", "it")])
@pytest.mark.parametrize("low", ["0 s", "1 s"])
def test_who_has_not_joined_is_not_told_to_be_down(
    tmp_path: Path, order: tuple[str, str], low: str
) -> None:
    # Client 1 is down from 0 to 2, and so joins then.
    at = {"distribution": "uniform", "low": low, "high": "1.5 s"}
    new = {"kind": "join", "nodes": ["client_1"], "at": at}
    faults = {"it": away(tmp_path / "t.csv"), "new": new}
    ordered = {name: faults[name] for name in order}
    assert lived(ordered)[:2] == [(1.0, "client_0", "crash"), (5.0, "client_0", "recover")]


def test_a_trace_is_replayed_to_the_instant(tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    times = np.cumsum(draws.random((3, 40)) + 1e-3, axis=1).reshape(3, 20, 2)
    rows = [(f"client_{node}", *span) for node in range(3) for span in times[node].tolist()]
    shuffled = (rows[k] for k in draws.permutation(len(rows)))
    text = HEADER + "".join(f"{name},{begin!r},{end!r}\n" for name, begin, end in shuffled)
    faults = {"it": away(tmp_path / "t.csv", text, unit="min")}
    met = play("local", until_s=1e4, round_s=[2e4] * 3, faults=faults).of("crash", "recover")
    expected = [(60.0 * begin, name, "crash") for name, begin, _ in rows]
    expected += [(60.0 * end, name, "recover") for name, _, end in rows]
    assert met == sorted(expected)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 8), st.integers(1, 3)), max_size=12),
    st.booleans(),
    st.integers(0, 6),
)
def test_at_any_time_it_is_as_the_file_says(
    tmp_path_factory: Any, listed: list[tuple[int, int, int]], contrary: bool, offset: int
) -> None:
    inside = np.zeros((3, 20), dtype=bool)
    rows = []
    for node, begin, length in listed:
        if not inside[node, begin : begin + length].any():
            inside[node, begin : begin + length] = True
            rows.append(f"client_{node},{begin},{begin + length}\n")
    if not rows:
        return
    file = tmp_path_factory.getbasetemp() / "some.csv"
    lists = "up" if contrary else "down"
    made = Availability.model_validate(
        away(file, HEADER + "".join(rows), lists=lists, offset=f"{offset} s")
    )
    outages = made._outages
    assert sorted(outages.names) == sorted({row.partition(",")[0] for row in rows})
    for life, name in enumerate(outages.names):
        own = outages.of(life)
        assert (np.diff(own.ravel()) > 0).all()
        for second in range(14):
            is_down = ((own[:, 0] <= second) & (second < own[:, 1])).any()
            assert is_down == (inside[int(name[-1]), second + offset] != contrary)


# -- whose life it is ----------------------------------------------------------------------------

PHONES = HEADER + "".join(f"phone {k},{k},{k + 0.5}\n" for k in (7, 3, 9, 5, 4))


def dealt(tmp_path: Path, assign: str, clients: int = 3, **more: Any) -> dict[str, float]:
    """By client when it is down: that tells its life."""
    faults = {"it": away(tmp_path / "phones.csv", PHONES, assign=assign)}
    met = lived({**faults, **more}, clients)
    return {node: time_s for time_s, node, kind in met if kind == "crash"}


def test_lives_are_dealt_out_in_the_order_of_the_file(tmp_path: Path) -> None:
    assert dealt(tmp_path, "in_order") == {"client_1": 3.0, "client_0": 7.0, "client_2": 9.0}
    own = {"it": away(tmp_path / "p.csv", PHONES, assign="in_order", nodes=["client_2"])}
    assert lived(own) == [(7.0, "client_2", "crash"), (7.5, "client_2", "recover")]


def test_lives_are_drawn_and_no_life_twice(tmp_path: Path) -> None:
    few, more = dealt(tmp_path, "drawn", 3), dealt(tmp_path, "drawn", 5)
    assert sorted(more.values()) == [3.0, 4.0, 5.0, 7.0, 9.0]
    assert few == {node: more[node] for node in ("client_0", "client_1", "client_2")}
    # Other faults, and their draws, change nothing.
    disk = {"kind": "disk_failure", "nodes": ["client_2"], "at": "99 s", "replaced_after": "1 h"}
    assert dealt(tmp_path, "drawn", 3, disk=disk) == {**few, "client_2": 99.0}


def test_every_protocol_meets_the_same_lives(tmp_path: Path) -> None:
    faults = {"it": away(tmp_path / "p.csv", PHONES, assign="drawn")}
    assert lived(faults) == lived(faults, protocol="braintorrent")
    assert lived(faults) == lived(faults, protocol="fedavg", settings={"deadline": "9 s"})


def test_a_trace_moves_nobody_else_s_draws(tmp_path: Path) -> None:
    churn = {"kind": "churn", "nodes": ["client_2"], "failure_rate": "0.1 / s"}
    wear = {"wear": {**churn, "mean_time_to_repair": "5 s"}}
    both = lived({"it": away(tmp_path / "t.csv"), **wear})
    assert [event for event in both if event[1] == "client_2"] == lived(wear) != []


def test_a_second_trace_is_drawn_apart(tmp_path: Path) -> None:
    one = away(tmp_path / "p.csv", PHONES, assign="drawn")
    alone = {node for _, node, _ in lived({"one": one})}
    both = lived({"one": one, "two": one, "seeded": {**one, "seed": 1}})
    assert len(both) > len(lived({"one": one})) and {node for _, node, _ in both} == alone


# -- what is said of it --------------------------------------------------------------------------


def test_whom_it_can_strike_and_when(tmp_path: Path) -> None:
    named = fault(tmp_path, HEADER + "server,2,3\nclient_1,4,5\n")
    assert (named.window_s, named.strikes(NAMES)) == ((2.0, 5.0), ["client_1", "server"])
    deals = fault(tmp_path, HEADER + "a,2,3\nb,4,5\n", assign="in_order", nodes="client_1")
    assert (deals.window_s, deals.strikes(NAMES)) == ((2.0, 5.0), ["client_1"])
    gone = fault(tmp_path, HEADER + "client_1,4,5\n", offset="5 s")
    assert (gone.window_s, gone.strikes(NAMES)) == ((0.0, math.inf), ())


@pytest.mark.parametrize(
    ("span", "more", "said"),
    [
        (
            "0,25",
            ", lists: up, offset: 5 min",
            "faults.it lists nobody who is up after 20 min: its nodes are down from then on",
        ),
        (
            "30,31",
            ", lists: down",
            "faults.it begins at 30 min, when the run of 30 min is over: it changes",
        ),
        (
            "30,31",
            ", lists: down, offset: 31 min",
            "faults.it strikes no node that a protocol runs on: it",
        ),
    ],
)
def test_a_trace_of_another_time(tmp_path: Path, span: str, more: str, said: str) -> None:
    file = tmp_path / "trace.csv"
    file.write_text(f"{HEADER}client_1,{span}\n")
    written = f"faults.it={{kind: availability, file: {file}, unit: min{more}}}"
    [text] = load("no_faults", [written]).idle()
    assert text.startswith(said)


@pytest.mark.parametrize(
    "written",
    [
        TRACE.replace(",", ";").encode(),
        TRACE.replace(",", "\t").upper().replace("CLIENT", "client").encode("utf-16"),
        b"\n# who was away\n" + TRACE.replace("\n", "\r\n").encode("utf-8-sig"),
    ],
)
def test_a_trace_as_others_write_it(tmp_path: Path, written: bytes) -> None:
    file, plain = tmp_path / "trace.csv", tmp_path / "plain.csv"
    file.write_bytes(written.replace(b"\xef\xbb\xbf", b""))
    plain.write_text(TRACE)
    found, wanted = (spans.read(str(one), spans.sha256_of(str(one)), 1.0) for one in (file, plain))
    assert found.names == wanted.names and np.array_equal(found.rows, wanted.rows)
    line = 4 if written.startswith(b"\n") else 2
    assert spans.place_of(str(file), "client_1") == (str(file), line, 1)


# -- mistakes ------------------------------------------------------------------------------------

WRONG = [
    ("", "trace.csv:1:1: has no column 'node' in its first line; allowed: node, from, until"),
    ("node,from,to\nclient_0,1,2\n", "trace.csv:1:1: has no column 'until' in its first line"),
    ("node,from,until,from\n", "trace.csv:1:1: has 2 columns 'from' in its first line; allowed"),
    (HEADER, "trace.csv: has no rows; allowed: one or more"),
    (TRACE + "client_2,4\n", "trace.csv:6:1: a row of 2 cells; allowed: 3, as in the first line"),
    (
        TRACE + "client_2,4,5,6\n",
        "trace.csv:6:1: a row of 4 cells; allowed: 3, as in the first line",
    ),
    (TRACE + "\nclient_2,4,noon\n", "trace.csv:7:12: 'noon' is not a number; allowed: a number"),
    (TRACE + "client_2,,5\n", "trace.csv:6:10: '' is not a number; allowed: a number"),
    (TRACE + "client_2,nan,5\n", "trace.csv:6:10: 'nan' is not a number; allowed: a number"),
    (TRACE + "client_2,5,inf\n", "trace.csv:6:12: 'inf' is not a number; allowed: a number"),
    (TRACE + "client_2,1_0,20\n", "trace.csv:6:10: '1_0' is not a number; allowed: a number"),
    (TRACE + '"client_2",0x5,20\n', "trace.csv:6:12: '0x5' is not a number; allowed: a number"),
    (TRACE + 'client_2,"5,6\n', "trace.csv:6:10: has a quotation mark that is not closed, or"),
    (TRACE + "client_2,-1,5\n", "trace.csv:6:10: -1 is negative; allowed: zero, when the file"),
    (TRACE + "client_2,0,1e13\n", "trace.csv:6:12: 1e13 is too large; allowed: at most 1e+12 s"),
    (TRACE + "client_2,5,5\n", "trace.csv:6:12: 5 is not after 5; allowed: an end that comes aft"),
    (TRACE + "client_2,5,4\n", "trace.csv:6:12: 4 is not after 5; allowed: an end that comes aft"),
    (TRACE + ",5,6\n", "trace.csv:6:1: names no node; allowed: a name"),
    (
        TRACE + "client_0,4,6\nclient_0,2,9\n",
        "trace.csv:6:10: overlaps the span of client_0 in line 5; allowed: spans of a node that",
    ),
    (TRACE + "client_1,0,2\n", "trace.csv:6:10: overlaps the span of client_1 in line 2; allowed"),
    (
        TRACE + "client_22,0,2\n",
        "trace.csv:6:1: 'client_22' is no node here, did you mean client_2?; allowed: client_0 to "
        "server; or assign: in_order, or drawn",
    ),
    ("node,from,until\nclient_0,1,\xff\n", "trace.csv: is no text in UTF-8; allowed: text in UT"),
    ("\n\nnode;from;until\nclient_0;1;0,5\n", "trace.csv:4:12: '0,5' is not a number; allowed: a"),
]


@pytest.mark.parametrize(("text", "mistake"), WRONG)
def test_a_mistake_in_the_file_is_told_with_its_place(
    tmp_path: Path, text: str, mistake: str
) -> None:
    made = fault(tmp_path)
    (tmp_path / "trace.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(Refusal) as caught:
        made.check_files(NAMES)
    assert str(caught.value).startswith(f"{tmp_path}/{mistake}")
    assert caught.value.path == ("file",)


def test_too_few_lives_to_deal_out(tmp_path: Path) -> None:
    made = fault(tmp_path, HEADER + "a,1,2\nb,1,2\n", assign="drawn")
    with pytest.raises(Refusal, match=r"has 2 nodes to deal out to 3; allowed: at least 3, or"):
        made.check_files(NAMES)


def scenario(tmp_path: Path, trace: str = TRACE) -> Scenario:
    """A scenario in a file beside its trace."""
    (tmp_path / "trace.csv").write_text(trace)
    away = "{kind: availability, file: trace.csv, lists: down, unit: s}"
    written = tmp_path / "phones.yaml"
    text = dump(load("no_faults"))
    written.write_text(text.replace("faults: {}", f"faults:\n  away: {away}"))
    return load(written)


def test_the_mistake_stands_where_the_scenario_names_the_file(tmp_path: Path) -> None:
    made = scenario(tmp_path, TRACE + "client_0,4,6\n")
    with pytest.raises(ScenarioError) as caught:
        check_fault_files(made)
    place = rf"{tmp_path}/phones\.yaml:\d+:\d+: faults\.away\.file: {tmp_path}/trace\.csv:6:10: o"
    assert re.match(place, str(caught.value))
    (tmp_path / "trace.csv").unlink()
    with pytest.raises(ScenarioError, match=r"faults\.away\.file: .*/trace\.csv: no such file"):
        check_fault_files(made)


# -- the file's content --------------------------------------------------------------------------


def test_results_are_of_the_content_of_a_file(tmp_path: Path) -> None:
    written = scenario(tmp_path)
    (pinned,) = with_pinned_files([written])
    assert pinned.faults["away"].window_s == (0.0, 11.0)
    home = tmp_path / "out"
    results.claim(home, SCENARIO_FILE, dump(pinned))
    assert (
        results.growth(home, SCENARIO_FILE, dump(pinned)) is None and not (home / RUN_FILE).exists()
    )
    (tmp_path / "trace.csv").write_text(TRACE + "client_2,1,2\n")
    (changed,) = with_pinned_files([written])
    with pytest.raises(ScenarioError, match=r"different scenario \(faults\.away\.file_sha256: "):
        results.growth(home, SCENARIO_FILE, dump(changed))
    spans.read.cache_clear()
    with pytest.raises(ScenarioError, match=r"faults\.away\.file_sha256: .* has changed since; al"):
        check_fault_files(load(home / SCENARIO_FILE))


@pytest.mark.slow
def test_a_million_rows_are_read_in_seconds_and_bounded_memory(tmp_path: Path) -> None:
    file, rows = tmp_path / "big.csv", 1_000_000
    times = np.arange(rows) // 1000 + 0.25
    with file.open("w") as stream:
        stream.write(HEADER)
        stream.writelines(f"phone_{k % 1000},{t},{t + 0.5}\n" for k, t in enumerate(times.tolist()))
    code = (
        "import resource, sys, time, pyarrow.csv\n"
        "from sim.faults.shared.spans import read, sha256_of\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "before, began = peak(), time.process_time()\n"
        "found = read(sys.argv[1], sha256_of(sys.argv[1]), 1.0)\n"
        "print(len(found.rows), time.process_time() - began, peak() - before)"
    )
    command = [sys.executable, "-c", code, str(file)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    number, cpu_s, more_mb = map(float, said.split())
    assert number == rows and cpu_s < 10 and more_mb < 400


def test_the_contrary_of_the_contrary() -> None:
    whole = Spans(("a", "b"), np.array([[1.0, 2.0], [3.0, 4.0], [0.0, 9.0]]), np.array([0, 2, 3]))
    rest = whole.contrary()
    assert rest.rows.tolist() == [[0, 1], [2, 3], [4, math.inf], [9, math.inf]]
    assert rest.firsts.tolist() == [0, 3, 4]
