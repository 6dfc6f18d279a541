"""Cautions about what was learned: by whom, from whose data, and whether at all."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import pyarrow.compute as pc

from sim.record.words import time_text
from sim.runs.cautions.evidence import Evidence, Found, Run, caution, listed

LEARNED = 0.05
"""Whoever came by less than this share of the way to a perfect score has learned nothing."""
STANDSTILL = 0.25
LONG = 3.0
"""A standstill is this many times longer than any wait for a local round before."""
MANY_FAILED_ROUNDS = 0.1
MUCH_UNUSED = 0.1


def diverged(evidence: Evidence) -> Found:
    """Scores that are no numbers."""
    for name, runs in evidence.runs.items():
        for metric in evidence.scenario.task.directions:
            found = [run for run in runs if not run.is_finite(metric)]
            if found:
                text = f"{metric} became infinite or no number: training diverged"
                yield caution("diverged", name, text, found)


def never_merged(evidence: Evidence) -> Found:
    """Protocols under which nobody learned from anybody else."""
    if evidence.scenario.clients.count == 1:
        return
    for name, runs in evidence.compared.items():
        has_server = evidence.scenario.protocols[name].needs_server
        # A protocol from elsewhere may average without a word, but not without a transfer.
        found = [
            run
            for run in runs
            if not run.number("merge") + run.number("round")
            and (has_server or not run.number("transfer"))
        ]
        if found:
            what = "the server finished no round" if has_server else "no client merged a model"
            text = f"{what}, so nobody learned from another's data; this is no federated learning"
            yield caution("never merged", name, text, found)


def aborted(evidence: Evidence) -> Found:
    """Jobs that somebody ended for good."""
    for name, runs in evidence.compared.items():
        first = {run: rows.slice(0, 1) for run in runs if (rows := run.rows("abort"))}
        if first:
            many = f"{len(first)} of {len(runs)} jobs were" if len(runs) > 1 else "the job was"
            times_s = [rows["time_s"][0].as_py() for rows in first.values()]
            earliest, latest = time_text(min(times_s)), time_text(max(times_s))
            who = listed(rows["peer"][0].as_py() for rows in first.values())
            text = (
                f"{many} aborted, at {earliest}"
                + (f" to {latest}" if latest != earliest else "")
                + f": {who} didn't acknowledge what was sent, or was gone; nothing was learned "
                "after it"
            )
            yield caution("aborted", name, text, first)


def stopped(evidence: Evidence) -> Found:
    """Protocols under which nobody learned anything any longer, long before the end."""
    clients = evidence.clients
    for name, runs in evidence.compared.items():
        # Who ended the job, or left nobody there, is named elsewhere.
        able = [run for run in runs if not run.number("abort") and run.is_anybody_up(clients)]
        shares = {run: _standstill(run) for run in able}
        shares = {run: share for run, share in shares.items() if share > STANDSTILL}
        if shares:
            text = (
                f"stood still in {len(shares)} of {len(runs)} runs: no local round was finished in "
                f"the last {max(shares.values()):.0%} of the time"
            )
            yield caution("stopped", name, text, shares)


def deserted(evidence: Evidence) -> Found:
    """Runs that went on when all clients had left."""
    for name, runs in evidence.compared.items():
        ends_s = {
            run: max(run.left_s.values())
            for run in runs
            if run.left_s and run.gone.issuperset(evidence.clients)
        }
        if ends_s:
            first = time_text(min(ends_s.values()))
            text = f"nobody was there after {first}: all clients had left, and nothing was learned"
            yield caution("deserted", name, text, ends_s)


def _standstill(run: Run) -> float:
    """The share of the time after the last finished local round, if no earlier wait was near it."""
    ends_s = np.sort(run.ends_s("train"))
    if not len(ends_s):
        return 0.0  # That is said of unused data.
    rest_s, longest_s = run.record.virtual_s - ends_s[-1], np.diff(ends_s, prepend=0.0).max()
    return float(rest_s / run.record.virtual_s) if rest_s > LONG * longest_s else 0.0


def never_took_part(evidence: Evidence) -> Found:
    """Clients that trained, but to whom nobody listened."""
    for name, runs in evidence.compared.items():
        late_count = evidence.scenario.protocols[name].late_updates_count
        found: dict[str, dict[str, list[Run]]] = defaultdict(dict)
        for run in runs:
            for client, why in _unheard(run, evidence.clients, late_count=late_count).items():
                found[why].setdefault(client, []).append(run)
        for why, clients in found.items():
            concerned = [run for several in clients.values() for run in several]
            text = f"{listed(clients)} trained but took part in no {why}"
            if evidence.scenario.task.learns:
                whose = {run: [c for c in clients if run in clients[c]] for run in concerned}
                share = f"{_share(whose):.0%} of the training samples"
                text += f": {share} went into no other model"
            yield caution("never took part", name, text, concerned)


def _unheard(run: Run, clients: Sequence[str], *, late_count: bool) -> dict[str, str]:
    """The clients that trained without taking part, each with in what, and why not."""
    trained = [client for client in clients if client in run.trained]
    if run.number("round"):
        sent, late = run.count("transfer"), run.count("update_late", "peer")
        counted = sent if late_count else sent - late
        return {
            client: "server round (its updates came too late)"
            if late[client]
            else "server round (no update of it arrived)"
            for client in trained
            if not counted[client]
        }
    merged = run.merged()
    return {client: "merge" for client in trained if merged and not merged[client]}


def unused_data(evidence: Evidence) -> Found:
    """Samples of clients that never finished a local round."""
    for name, runs in evidence.compared.items():
        idle = {
            run: [client for client in evidence.clients if client not in run.trained]
            for run in runs
        }
        idle = {run: clients for run, clients in idle.items() if clients}
        if idle:
            gone = Counter(c for run, clients in idle.items() for c in _classes_of(run, clients))
            classes = f", among them all of class {listed(map(str, sorted(gone)))}" if gone else ""
            who = listed(client for clients in idle.values() for client in clients)
            text = f"{who} finished no local round{_missing(idle)}"
            if evidence.scenario.task.learns:
                share = f"{_share(idle):.0%} of the training samples"
                text += f": nobody learned from {share}{classes}"
            yield caution("unused data", name, text, idle)


def _missing(clients: dict[Run, list[str]]) -> str:
    """Who of these clients never came, or left before."""
    gone = [(run, one) for run, few in clients.items() for one in few if one in run.gone]
    never = {one for run, one in gone if one not in run.left_s}
    left = {one for run, one in gone if one in run.left_s}
    why = {"never joined": never, "left before": left}
    told = " and ".join(f"{listed(who)} {what}" for what, who in why.items() if who)
    return f" ({told})" if told else ""


def _share(clients: dict[Run, list[str]]) -> float:
    """The share of the training samples that these clients hold, over all these runs."""
    theirs = sum(run.facts.samples[_number(one)] for run, few in clients.items() for one in few)
    return theirs / sum(sum(run.facts.samples) for run in clients)


def _classes_of(run: Run, clients: list[str]) -> list[int]:
    """The classes of which only these clients have samples."""
    if run.facts.label_shares is None:
        return []
    has = np.asarray(run.facts.label_shares) > 0
    theirs = np.isin(np.arange(len(has)), [_number(client) for client in clients])
    found: list[int] = np.flatnonzero(has[theirs].any(axis=0) & ~has[~theirs].any(axis=0)).tolist()
    return [] if theirs.all() else found


def _number(client: str) -> int:
    return int(client.rpartition("_")[2])


def never_left_chance(evidence: Evidence) -> Found:
    """Protocols whose models are at the end hardly better than at the beginning."""
    metric, rising, perfect = evidence.judged
    learning = evidence.runs if evidence.scenario.task.learns else {}
    for name, runs in learning.items():
        curves = {run: run.curve(metric) for run in runs}
        found = [
            run for run, curve in curves.items() if _is_flat(curve, rising=rising, perfect=perfect)
        ]
        if found:
            first = np.mean([curves[run][0] for run in found])
            best = np.mean([(max if rising else min)(curves[run]) for run in found])
            text = (
                f"{metric} of the mean client (received) was {best:.3f} at best and "
                f"{first:.3f} before any training: it never left chance, and no difference to it "
                "means anything"
            )
            yield caution("never left chance", name, text, found)


def _is_flat(
    curve: np.ndarray[tuple[int], np.dtype[np.float64]], *, rising: bool, perfect: float
) -> bool:
    if len(curve) < 2 or not np.isfinite(curve).all():
        return False
    came = curve.max() - curve[0] if rising else curve[0] - curve.min()
    if np.isfinite(perfect):
        return bool(came < LEARNED * abs(perfect - curve[0]))
    # Where nothing is perfect, only what never got better at all is known to have learned nothing.
    return bool(came <= 0)


def failed_rounds(evidence: Evidence) -> Found:
    """Servers to which too few updates came, again and again."""
    for name, runs in evidence.compared.items():
        failed = sum(run.number("round_failed") for run in runs)
        rounds = failed + sum(run.number("round") for run in runs)
        if failed > MANY_FAILED_ROUNDS * rounds:
            text = (
                f"{failed:,} of {rounds:,} server rounds ({failed / rounds:.0%}) failed for want "
                f"of updates; what the clients had trained for them is lost"
            )
            yield caution("failed rounds", name, text, runs)


def unused_work(evidence: Evidence) -> Found:
    """Finished local rounds whose updates no average of the server holds."""
    for name, runs in evidence.compared.items():
        late_count = evidence.scenario.protocols[name].late_updates_count
        # Only of a server that tells how many updates went into its rounds.
        telling = [run for run in runs if _averaged(run)]
        done = sum(run.number("train") for run in telling)
        unused = sum(_unused(run, late_count=late_count) for run in telling)
        if unused > MUCH_UNUSED * done:
            text = (
                f"{unused:,} of {done:,} finished local rounds ({unused / done:.0%}) went into no "
                "server round: their round was lost with the server, failed, or had closed"
            )
            yield caution("unused work", name, text, telling)


def _averaged(run: Run) -> int:
    """How many updates came in time, by what the server rounds tell."""
    return int(pc.sum(run.rows("round")["updates"]).as_py() or 0)


def _unused(run: Run, *, late_count: bool) -> int:
    """How many finished local rounds nobody averaged, nor could have at the run's end."""
    used = _averaged(run) + (run.number("update_late") if late_count else 0)
    under_way = int(np.count_nonzero(run.ends_s("train") > run.open_since_s))
    return max(0, run.number("train") - under_way - used)
