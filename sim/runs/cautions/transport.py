"""Cautions about the way between nodes: what came too late, was given up, or filled a link."""

from collections import Counter
from collections.abc import Mapping
from typing import Literal

from sim.record.words import time_text
from sim.runs.cautions.evidence import Evidence, Found, Run, caution, listed

MANY_LATE = 0.1
MANY_GIVEN_UP = 0.02
MANY_REFUSED = 0.1
FULL = 0.5
GIVEN_UP = {
    "timeout": "took longer than transfer_timeout",
    "abandoned": "were abandoned (their round was over, or the other end was suspected)",
}
"""Causes of a lost transfer that are somebody's decision, and no fault."""
LINKS: tuple[tuple[Literal["uplink", "downlink"], str], ...] = (
    ("uplink", "node"),
    ("downlink", "peer"),
)
"""Each with the column that names whose it is."""


def missed_deadline(evidence: Evidence) -> Found:
    """Clients that can't be back by the time their server stops waiting."""
    for name, runs in evidence.compared.items():
        deadline_s = evidence.scenario.protocols[name].round_ends_s
        if deadline_s is None:
            continue
        typical = {
            (run, client): seconds
            for run in runs
            for client, seconds in run.median_s("train").items()
        }
        slow = {key: seconds for key, seconds in typical.items() if seconds > deadline_s}
        if slow:
            text = (
                f"a local round of {listed(client for _, client in slow)} takes up to "
                f"{time_text(max(slow.values()))}, longer than the deadline of "
                f"{time_text(deadline_s)}: such updates are always late"
            )
            yield caution("missed deadline", name, text, (run for run, _ in slow))


def late_updates(evidence: Evidence) -> Found:
    """Clients whose updates come when their server round has closed, again and again."""
    for name, runs in evidence.compared.items():
        late, sent = Counter[str](), Counter[str]()
        for run in runs:
            late += run.count("update_late", "peer")
            sent += run.count("transfer")
        many = [client for client in evidence.clients if late[client] > MANY_LATE * sent[client]]
        if many:
            counts = evidence.scenario.protocols[name].late_updates_count
            effect, said = (
                ("count in a later round", "next_round")
                if counts
                else ("count for nothing", "discard")
            )
            number, all_sent = (sum(each[client] for client in many) for each in (late, sent))
            text = (
                f"{number:,} of {all_sent:,} updates of {listed(many)} came after their server "
                f"round had closed and {effect} (late_updates: {said})"
            )
            yield caution("late updates", name, text, runs)


def given_up(evidence: Evidence) -> Found:
    """Transfers that somebody's patience ended."""
    nothing_fails = not evidence.scenario.is_unreliable
    for name, runs in evidence.compared.items():
        lost = Counter[str]()
        for run in runs:
            lost += run.count("transfer_lost", "cause")
        sent = sum(lost.values()) + sum(run.number("transfer") for run in runs)
        number = sum(lost[cause] for cause in GIVEN_UP)
        if number > MANY_GIVEN_UP * sent or (nothing_fails and lost["timeout"]):
            causes = (f"{lost[cause]:,} {why}" for cause, why in GIVEN_UP.items() if lost[cause])
            text = (
                f"{number:,} of {sent:,} transfers ({number / sent:.0%}) were given up: "
                + " and ".join(causes)
            )
            yield caution("given up", name, text, runs)


def full_memories(evidence: Evidence) -> Found:
    """Models that came, and for which clients' memories had no room."""
    for name, runs in evidence.compared.items():
        came, refused = sum(run.number("transfer") for run in runs), Counter[str]()
        for run in runs:
            refused += run.count("not_kept")
        if refused.total() > MANY_REFUSED * came:
            text = (
                f"{refused.total():,} of {came:,} models that came found no room in the memory of "
                f"{listed(refused)}, and went into no merge"
            )
            yield caution("full memories", name, text, runs)


def full_links(evidence: Evidence) -> Found:
    """Links that carried for more than half of the time all that they can."""
    if evidence.scenario.network.sharing == "none":
        return
    for name, runs in evidence.compared.items():
        for link, column in LINKS:
            shares = {
                (run, node): share
                for run in runs
                for node, share in _busy(
                    run, evidence.bandwidths(link, run.record.seed), column
                ).items()
                if share > FULL
            }
            if shares:
                text = (
                    f"the {link} of {listed(node for _, node in shares)} was full up to "
                    f"{min(1.0, max(shares.values())):.0%} of the time: bandwidth sets the pace"
                )
                yield caution("full links", name, text, (run for run, _ in shares))


def _busy(run: Run, rates: Mapping[str, float], column: str) -> dict[str, float]:
    """Of each node the share of the time for which delivered models filled its link."""
    return {
        node: size_bytes / (rates[node] * run.record.virtual_s)
        for node, size_bytes in run.bytes_by(column).items()
        if node in rates
    }
