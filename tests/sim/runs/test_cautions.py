"""Each caution is said where its reason is, with its numbers, and nowhere else."""

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.loading import load
from sim.record.rows import Caution, RunRecord, ScoreRow, TraceRow
from sim.results.folder import run_tables
from sim.runs.build import Facts
from sim.runs.cautions import cautions, evidence, learning
from sim.runs.session import Session
from sim.runs.sweep import run_one
from sim.scenario import Scenario
from tests.sim import tiny
from tests.tables import traced

SERVER = {"uplink": "2048 B/s", "downlink": "2048 B/s", "aggregation_time": "0.5 s"}
BOTH = {"braintorrent": {}, "fedavg": {"deadline": "30 s"}}
# 1,000 samples; the classes 0 and 1 are client_2's alone, 3 is nobody's.
SHARES = ((0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.5, 0.25, 0.25, 0.0))
FACTS = Facts((300, 300, 400), (4, 4, 4), 1000, 12, 256, SHARES)


def described(protocols: dict[str, Any] = BOTH, **more: Any) -> Scenario:
    latency = [[0.0 if i == j else 0.25 for j in range(4)] for i in range(4)]
    return tiny.scenario(latency, [1.0] * 3, protocols, server=SERVER, **more)


def row(
    protocol: str, kind: str, node: str, time_s: float = 0.0, peer: str = "", **told: Any
) -> TraceRow:
    size = 1024 if kind.startswith("transfer") else 0
    duration_s = told.pop("duration_s", 4.0)
    return TraceRow(protocol, 0, time_s, duration_s, node, kind, peer, size, **told)


def clients(protocol: str, kind: str, number: int = 3, times: int = 1, **told: Any) -> list[Any]:
    return [row(protocol, kind, f"client_{i}", **told) for i in range(number)] * times


def merges(number: int = 3) -> list[TraceRow]:
    """Each of the clients trains, and gets the model of the next."""
    return [
        one
        for i in range(number)
        for one in (
            row("braintorrent", "train", f"client_{i}"),
            row("braintorrent", "transfer", f"client_{(i + 1) % number}", peer=f"client_{i}"),
            row("braintorrent", "merge", f"client_{i}", peers=(f"client_{(i + 1) % number}",)),
        )
    ]


def rounds(number: int = 3) -> list[TraceRow]:
    """One server round of these clients."""
    return [
        *(row("fedavg", "train", f"client_{i}") for i in range(number)),
        *(row("fedavg", "transfer", "server", peer=f"client_{i}") for i in range(number)),
        *(row("fedavg", "transfer", f"client_{i}", peer="server") for i in range(number)),
        row("fedavg", "round", "server", round=0, asked=number, updates=number),
    ]


def score(protocol: str, time_s: float, value: float, **told: Any) -> ScoreRow:
    known: dict[str, Any] = {"node": "client_0", "stage": "received", "metric": "accuracy"}
    member = told.pop("member", True)
    known |= told
    head = (protocol, 0, time_s, known["node"], known["stage"])
    return ScoreRow(*head, 1, 1, 0.0, known["metric"], value, True, member)


def found(
    rows: Sequence[TraceRow],
    scores: Sequence[ScoreRow] = (),
    scenario: Scenario | None = None,
    virtual_s: float = 1000.0,
) -> list[Caution]:
    scenario = scenario or described()
    runs = [
        run_tables(
            RunRecord(protocol, seed, virtual_s, 1, {}),
            [each._replace(seed=seed) for each in scores if each.protocol == protocol],
            traced(each._replace(seed=seed) for each in rows if each.protocol == protocol),
        )
        for protocol in scenario.protocols
        for seed in scenario.seeds
    ]
    return list(cautions(evidence(scenario, runs, known(scenario))))


def known(scenario: Scenario) -> dict[tuple[str, int], Facts]:
    """The same facts of every run."""
    return dict.fromkeys(itertools.product(scenario.protocols, scenario.seeds), FACTS)


def said(kind: str, *evidence: Any, **more: Any) -> list[str]:
    return [each.text for each in found(*evidence, **more) if each.kind == kind]


SOUND = [*merges(), *rounds()]
FINE = [score(name, time_s, time_s / 2) for name in BOTH for time_s in (0.0, 1.0)]


def test_nothing_is_said_of_runs_in_which_all_is_well() -> None:
    assert found(SOUND, FINE, described(seeds=[0, 1, 2]), virtual_s=16.0) == []


def test_a_model_that_diverged() -> None:
    for value, stage in ((math.nan, "received"), (math.inf, "trained")):
        bad = score("fedavg", 1.0, value, metric="loss", stage=stage)
        assert said("diverged", SOUND, [*FINE, bad]) == [
            "fedavg: loss became infinite or no number: training diverged"
        ]


def test_a_protocol_that_never_merged() -> None:
    alone = clients("braintorrent", "train")
    assert said("never merged", [*alone, *rounds()]) == [
        "braintorrent: no client merged a model, so nobody learned from another's data; "
        "this is no federated learning"
    ]
    unanswered = [*rounds()[:-1], row("fedavg", "round_failed", "server", asked=3, updates=0)]
    assert said("never merged", [*merges(), *unanswered]) == [
        "fedavg: the server finished no round, so nobody learned from another's data; "
        "this is no federated learning"
    ]
    # A protocol from elsewhere that averages what came, and says nothing of it.
    assert said("never merged", [*rounds(), *clients("braintorrent", "transfer")]) == []
    references = described({"local": {}, "pooled": {}})
    assert said("never merged", clients("local", "train"), scenario=references) == []


def test_a_job_that_was_ended_for_good() -> None:
    late = row("braintorrent", "abort", "client_0", 750.0, "client_1", duration_s=0.0)
    ends = [late, late._replace(time_s=720.0, node="client_2", peer="client_0"), late]
    assert said("aborted", [*SOUND, *ends[1:]]) == [
        "braintorrent: the job was aborted, at 12 min: client_0 didn't acknowledge what was sent, "
        "or was gone; nothing was learned after it"
    ]
    # The first of each run counts; that all stands still then is said already.
    assert said("stopped", [*SOUND, *ends]) == ["fedavg: " + STOOD_STILL]
    several = said("aborted", [*SOUND, *ends], scenario=described(seeds=[0, 1]))
    assert [text.partition(",")[0] for text in several] == [
        "braintorrent: 2 of 2 jobs were aborted"
    ]


STOOD_STILL = "stood still in 1 of 1 runs: no local round was finished in the last 100% of the time"


def test_a_protocol_that_came_to_a_standstill() -> None:
    # All train until 4; then nothing is heard of them for 12 s of 16, thrice as long as before.
    assert said("stopped", SOUND, virtual_s=16.0) == []
    assert said("stopped", merges(), virtual_s=16.5) == [
        "braintorrent: " + STOOD_STILL.replace("100%", "76%")
    ]
    # It isn't the protocol's doing where nobody is left.
    kinds = "crash", "leave", "crash"
    gone = [row("braintorrent", kind, f"client_{i}", 5.0) for i, kind in enumerate(kinds)]
    assert said("stopped", [*merges(), *gone], virtual_s=16.5) == []
    assert said("stopped", [*merges(), *gone[1:]], virtual_s=16.5) != []
    # At the end of a long run twelve seconds are nothing.
    steadily = [row("braintorrent", "train", "client_0", 4.0 * i) for i in range(100)]
    assert said("stopped", [*merges(), *steadily], virtual_s=420.0) == []


def test_a_client_that_trained_for_nobody() -> None:
    late = [
        *rounds(2),
        row("fedavg", "train", "client_2"),
        row("fedavg", "transfer", "client_2", peer="server"),
        row("fedavg", "update_late", "server", peer="client_2"),
    ]
    assert said("never took part", [*merges(2), *clients("braintorrent", "train"), *late]) == [
        "braintorrent: client_2 trained but took part in no merge: 40% of the training samples "
        "went into no other model",
        "fedavg: client_2 trained but took part in no server round (its updates came too late): "
        "40% of the training samples went into no other model",
    ]
    once_in_time = [*late, row("fedavg", "transfer", "client_2", peer="server")]
    assert said("never took part", [*merges(), *once_in_time]) == []


def test_data_that_nobody_learned_from() -> None:
    assert said("unused data", [*merges(2), *rounds()]) == [
        "braintorrent: client_2 finished no local round: nobody learned from 40% of the training "
        "samples, among them all of class 0 and 1"
    ]
    one_of_two = [*merges()[3:], *rounds()]
    assert said("unused data", one_of_two) == [
        "braintorrent: client_0 finished no local round: nobody learned from 30% of the training "
        "samples"
    ]


def absent(*clients: str, time_s: float = 1.0) -> list[ScoreRow]:
    return [score("braintorrent", time_s, 0.0, node=client, member=False) for client in clients]


def test_data_of_clients_that_never_came_or_left_too_soon() -> None:
    left = row("braintorrent", "leave", "client_1", 1.0, duration_s=0.0)
    (text,) = said("unused data", [*merges(1), *rounds(), left], absent("client_1", "client_2"))
    assert text == (
        "braintorrent: client_1 and client_2 finished no local round (client_2 never joined and "
        "client_1 left before): nobody learned from 70% of the training samples, among them all of "
        "class 0 and 1"
    )
    # Who wasn't there at first, but is at the end, has come.
    came = [*absent("client_2", time_s=0.0), score("braintorrent", 1.0, 0.5, node="client_2")]
    (text,) = said("unused data", [*merges(2), *rounds()], came)
    assert "joined" not in text


def test_a_run_that_all_have_left() -> None:
    gone = clients("fedavg", "leave", duration_s=0.0, time_s=120.0)
    assert said("deserted", [*SOUND, *gone]) == [
        "fedavg: nobody was there after 2 min: all clients had left, and nothing was learned"
    ]
    assert said("stopped", [*SOUND, *gone]) == [
        "braintorrent: stood still in 1 of 1 runs: no local round was finished in the last 100% of "
        "the time"
    ]
    assert said("deserted", [*SOUND, *gone[1:]]) == []
    # Nobody is left but who never came.
    still = [score("fedavg", 1.0, 0.0, node="client_0", member=False)]
    assert said("deserted", [*SOUND, *gone[1:]], still) != []


def test_a_score_that_never_left_chance() -> None:
    flat = [score("fedavg", time_s, 0.1 + time_s / 50) for time_s in (0.0, 1.0)]
    assert said("never left chance", SOUND, [*FINE[:2], *flat]) == [
        "fedavg: accuracy of the mean client (received) was 0.120 at best and 0.100 before any "
        "training: it never left chance, and no difference to it means anything"
    ]
    risen = [score("fedavg", time_s, 0.1 + time_s / 20) for time_s in (0.0, 1.0)]
    # What the training made of it, and the server's own row, are not what is judged.
    others = [
        score("fedavg", 1.0, 0.0, stage="trained"),
        score("fedavg", 1.0, 0.0, node="server"),
        score("fedavg", 1.0, 0.0, node="aggregate"),
        score("fedavg", 1.0, 0.0, node="client_1", member=False),
    ]
    assert said("never left chance", SOUND, [*FINE[:2], *risen, *others]) == []


@pytest.mark.parametrize(
    ("values", "rising", "perfect", "flat"),
    [
        ([-2.0, -1.9], True, 1.0, True),
        ([-2.0, -1.8], True, 1.0, False),
        ([1.0, 1.0], True, 1.0, False),
        ([3.0, 2.9], False, 0.0, True),
        ([3.0, 2.8], False, 0.0, False),
        # A metric without a best value: who ever came forward has learned.
        ([3.0, 3.1], True, math.inf, False),
        ([3.0, 2.0], True, math.inf, True),
        ([3.0, 3.5], False, -math.inf, True),
    ],
)
def test_chance_is_left_by_a_share_of_the_way_to_what_is_perfect(
    values: list[float], rising: bool, perfect: float, flat: bool
) -> None:
    assert learning._is_flat(np.array(values), rising=rising, perfect=perfect) == flat


def test_server_rounds_that_failed() -> None:
    failed = row("fedavg", "round_failed", "server", asked=3, updates=1)
    assert said("failed rounds", [*SOUND, failed]) == [
        "fedavg: 1 of 2 server rounds (50%) failed for want of updates; what the clients had "
        "trained for them is lost"
    ]
    assert said("failed rounds", [*merges(), *rounds() * 9, failed]) == []


def worked(*ends_s: float, updates: int, closed_s: float, kind: str = "round") -> list[TraceRow]:
    """Local rounds that end at `ends_s`, and the server round from 0 to `closed_s`."""
    return [
        *(row("fedavg", "train", "client_0", end_s - 4.0) for end_s in ends_s),
        row("fedavg", kind, "server", duration_s=closed_s, asked=3, updates=updates),
    ]


def test_local_rounds_that_went_into_no_server_round() -> None:
    def unused(*rows: TraceRow, **settings: Any) -> list[str]:
        both = {**BOTH, "fedavg": {"deadline": "30 s", **settings}}
        return said("unused work", [*merges(), *rows], scenario=described(both))

    def told(lost: int, done: int, share: str) -> list[str]:
        return [
            f"fedavg: {lost} of {done} finished local rounds ({share}) went into no server round: "
            "their round was lost with the server, failed, or had closed"
        ]

    late = row("fedavg", "update_late", "server", peer="client_0")
    closed = worked(5.0, 6.0, 20.0, updates=2, closed_s=20.0)
    assert unused(*closed, late) == told(1, 3, "33%")
    assert unused(*closed, late, late_updates="next_round") == []
    # One of ten is not much, and what was trained for a round that is still open isn't lost.
    assert unused(*worked(*range(5, 15), updates=9, closed_s=20.0)) == []
    assert unused(*worked(5.0, 6.0, 20.25, updates=2, closed_s=20.0)) == []
    failed = worked(25.0, updates=0, closed_s=30.0, kind="round_failed")
    assert unused(*worked(5.0, 6.0, updates=2, closed_s=20.0), *failed) == told(1, 3, "33%")
    # With the server its round is gone, whether it comes back or not; another's crash is nothing.
    after = worked(5.0, 6.0, 25.0, updates=2, closed_s=20.0)
    crash = row("fedavg", "crash", "server", 22.0)
    assert unused(*after, crash) == told(1, 3, "33%")
    assert unused(*after, crash, row("fedavg", "recover", "server", 26.0)) == told(1, 3, "33%")
    assert unused(*after, crash, row("fedavg", "recover", "server", 24.0)) == []
    assert unused(*after, crash._replace(node="client_1")) == []
    # With a standby it begins again when that has been elected, and is lost with that.
    lead = row("fedavg", "lead", "standby_1", 22.0, duration_s=2.0)
    assert unused(*after, crash, lead) == []
    assert unused(*after, crash, lead._replace(duration_s=4.0)) == told(1, 3, "33%")
    assert unused(*after, lead, crash._replace(node="standby_1")) == told(1, 3, "33%")
    # A server that never averaged, or doesn't tell of how many: another caution's matter.
    assert unused(*worked(5.0, updates=0, closed_s=20.0, kind="round_failed")) == []


def test_a_deadline_that_nobody_can_meet() -> None:
    slow = row("fedavg", "train", "client_2", duration_s=45.0)
    assert said("missed deadline", [*merges(), *rounds(2), slow]) == [
        "fedavg: a local round of client_2 takes up to 45 s, longer than the deadline of 30 s: "
        "such updates are always late"
    ]
    assert said("missed deadline", [*SOUND, slow]) == []  # One of two: half of them are in time.


def test_updates_that_came_late() -> None:
    late = [row("fedavg", "update_late", "server", peer="client_1")]
    assert said("late updates", [*SOUND, *late]) == [
        "fedavg: 1 of 1 updates of client_1 came after their server round had closed and count "
        "for nothing (late_updates: discard)"
    ]
    assert said("late updates", [*merges(), *rounds() * 10, *late]) == []


REASONS = {
    "timeout": "took longer than transfer_timeout",
    "abandoned": "were abandoned (their round was over, or the other end was suspected)",
}


@pytest.mark.parametrize("cause", list(REASONS))
def test_transfers_that_were_given_up(cause: str) -> None:
    lost = [row("braintorrent", "transfer_lost", "client_0", peer="client_1", cause=cause)]
    assert said("given up", [*SOUND, *lost]) == [
        f"braintorrent: 1 of 4 transfers (25%) were given up: 1 {REASONS[cause]}"
    ]
    both = [each._replace(cause=other) for other in REASONS for each in lost]
    assert said("given up", [*SOUND, *both, both[1]]) == [
        "braintorrent: 3 of 6 transfers (50%) were given up: "
        f"1 {REASONS['timeout']} and 2 {REASONS['abandoned']}"
    ]
    rare = [*merges() * 20, *rounds(), *lost]  # 1 of 61; without any fault it is odd.
    assert len(said("given up", rare)) == (cause == "timeout")
    crash = {"blow": {"kind": "crash", "node": "client_0", "at": "1 s"}}
    assert said("given up", rare, scenario=described(faults=crash)) == []
    by_fault = [each._replace(cause="receiver_down") for each in lost]
    assert said("given up", [*SOUND, *by_fault]) == []


def test_memories_that_are_full() -> None:
    refused = [row("braintorrent", "not_kept", "client_1", peer="client_0")]
    assert said("full memories", [*SOUND, *refused]) == [
        "braintorrent: 1 of 3 models that came found no room in the memory of client_1, and went "
        "into no merge"
    ]
    assert said("full memories", [*merges() * 5, *rounds(), *refused]) == []  # One in 15.


def test_links_that_are_full() -> None:
    # Each sends and gets 1,024 B at 1,024 B/s: 1 s of 1.5 s; the server 3 s of 3 s at 2,048 B/s.
    assert said("full links", SOUND, virtual_s=1.5) == [
        "braintorrent: the uplink of client_0, client_1 and client_2 was full up to 67% of the "
        "time: bandwidth sets the pace",
        "braintorrent: the downlink of client_0, client_1 and client_2 was full up to 67% of the "
        "time: bandwidth sets the pace",
        "fedavg: the uplink of server, client_0, client_1 and client_2 was full up to 100% of the "
        "time: bandwidth sets the pace",
        "fedavg: the downlink of server, client_0, client_1 and client_2 was full up to 100% of "
        "the time: bandwidth sets the pace",
    ]
    assert said("full links", SOUND, virtual_s=3.5) == []


def test_unequal_work() -> None:
    assert said("unequal work", [*merges() * 3, *rounds()]) == [
        "local rounds done per seed: braintorrent 9, fedavg 3; equal time is not equal work here, "
        "so look at equal epochs and bytes, too"
    ]
    assert said("unequal work", [*merges() * 2, *rounds()]) == []
    # A reference need not do as much.
    scenario = described({**BOTH, "pooled": {}})
    assert said("unequal work", [*SOUND, row("pooled", "train", "pooled")], scenario=scenario) == []


def test_clients_that_left_at_other_times() -> None:
    def leaving(protocol: str, *times: float) -> list[TraceRow]:
        return [row(protocol, "leave", f"client_{i}", time_s) for i, time_s in enumerate(times)]

    early = leaving("braintorrent", 60.0, 120.0)
    assert said("left", [*SOUND, *early, *leaving("fedavg", 180.0)]) == [
        "clients left after their local rounds, so not at equal times: on average braintorrent "
        "1.5 min, fedavg 3 min"
    ]
    assert said("left", [*SOUND, *early])[0].endswith("braintorrent 1.5 min, fedavg never")
    assert said("left", [*SOUND, *early, *leaving("fedavg", 60.0, 120.0)]) == []
    # Who wanted to go isn't said to be hardly there.
    assert said("down", [*SOUND, *early]) == []


def test_members_that_have_no_way_to_each_other() -> None:
    row_of_three = {"kind": "edges", "pairs": [[0, 1], [1, 2]]}
    scenario = described(topology=row_of_three)
    names = [f"client_{i}" for i in range(3)]

    def looks(*absent: tuple[float, str]) -> list[ScoreRow]:
        rows = [score("braintorrent", t, 0.5, node=n) for t in (0.0, 60.0, 120.0) for n in names]
        return [each._replace(member=(each.time_s, each.node) not in absent) for each in rows]

    assert said("apart", merges(), looks((60.0, "client_1"), (120.0, "client_1")), scenario) == [
        "braintorrent: at 67% of the looks, from 1 min on, clients that are there have no way to "
        "each other: they are in up to 2 parts, because of who has left or not joined"
    ]
    # Who has left from an end of the row cuts off nobody, nor does anybody among all.
    assert said("apart", merges(), looks((60.0, "client_2")), scenario) == []
    assert said("apart", merges(), looks((60.0, "client_1"))) == []


def test_nodes_that_were_hardly_there() -> None:
    crashes = [
        row("fedavg", "crash", "server", 100.0),
        row("fedavg", "recover", "server", 300.0),
        row("fedavg", "crash", "server", 600.0),
        row("fedavg", "crash", "client_0", 100.0),
        row("fedavg", "recover", "client_0", 600.0),
    ]
    assert said("down", [*SOUND, *crashes]) == ["server: down up to 60% of the time"]
    assert said("down", [*SOUND, *crashes[3:]]) == []


def test_faults_that_change_nothing() -> None:
    faults: dict[str, Any] = {
        "after": {"kind": "crash", "node": "server", "at": "1000 s"},
        "one": {"kind": "crash", "node": "server", "at": "10 s", "recovers_after": "10 s"},
        "two": {"kind": "crash", "node": "server", "at": "15 s", "recovers_after": "1 s"},
        "three": {"kind": "crash", "node": "server", "at": "20 s", "recovers_after": "1 s"},
    }
    assert said("idle fault", SOUND, scenario=described(faults=faults)) == [
        "faults.after begins at 16.7 min, when the run of 16.7 min is over: it changes nothing",
        "faults.one and faults.two both act on server from 15 s on: while both hold a node down, "
        "one of them changes nothing",
    ]
    cut = {"kind": "partition", "groups": [["server"]], "at": "1 s", "heals_after": "2 s"}
    churn = {"kind": "churn", "nodes": "server", "failure_rate": "1 / h"}
    faults = {"cut": cut, "wear": churn | {"mean_time_to_repair": "1 s"}}
    alone = described({"braintorrent": {}, "local": {}}, faults=faults)
    assert said("idle fault", merges(), scenario=alone) == [
        "faults.cut strikes no node that a protocol runs on: it changes nothing",
        "faults.wear strikes no node that a protocol runs on: it changes nothing",
    ]
    assert said("idle fault", SOUND, scenario=described(faults=faults)) == []


def test_doubtful_data_of_the_runs_that_have_them() -> None:
    scenario = described(seeds=[0, 1])
    facts = {
        run: replace(FACTS, notes=("one is two", "it is odd")[: 2 - run[1]])
        for run in known(scenario)
    }
    runs = [
        run_tables(RunRecord(*run, 16.0, 1, {}), [], traced(merges() if run[1] else rounds()))
        for run in facts
    ]
    told = [each for each in cautions(evidence(scenario, runs, facts)) if each.kind == "data"]
    assert told == [
        Caution("data", None, "one is two", (0, 1)),
        Caution("data", None, "it is odd", (0,)),
    ]


def test_too_few_seeds() -> None:
    one, two = (said("few seeds", SOUND, scenario=described(seeds=list(range(n)))) for n in (1, 2))
    assert [text[:9] for text in (*one, *two)] == ["one seed ", "two seeds"]
    assert said("few seeds", SOUND, scenario=described(seeds=[0, 1, 2])) == []


def test_a_caution_says_under_which_seeds_it_holds() -> None:
    scenario = described(seeds=[3, 5])
    runs = [
        run_tables(RunRecord(name, seed, 16.0, 1, {}), [], traced(rows))
        for seed in (3, 5)
        for name, rows in (("braintorrent", merges()), ("fedavg", rounds() if seed == 3 else []))
    ]
    told = list(cautions(evidence(scenario, runs, known(scenario))))
    seeds = {each.kind: each.seeds for each in told}
    assert (seeds["never merged"], seeds["unused data"]) == ((5,), (5,))
    assert seeds["few seeds"] == (3, 5)
    assert {each.protocol for each in told} == {"fedavg", None}


def test_they_stand_in_the_folder_and_in_what_reads_it(tmp_path: Path) -> None:
    # Everybody is down from the start: nothing is learned, merged or sent.
    faults = {f"blow_{i}": {"kind": "crash", "node": f"client_{i}", "at": "0 s"} for i in range(3)}
    scenario = described({"braintorrent": {}}, faults=faults, duration="20 s")
    run_one(scenario, Session(tmp_path, 0, 10**9, lambda line: None, lambda progress: None))
    record = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    kinds = ["never merged", "unused data", "never left chance", "down", "few seeds"]
    assert [each["kind"] for each in record["cautions"]] == kinds
    assert list(load(tmp_path).cautions) == [
        {"point": "base", **each} for each in record["cautions"]
    ]
    assert "class" not in record["cautions"][1]["text"]  # All are gone, not some of them.
