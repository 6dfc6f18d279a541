"""Cautions about the experiment itself: too few seeds, unequal work, faults that do nothing."""

import itertools
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from sim.record.words import time_text
from sim.runs.cautions.evidence import Evidence, Found, Run, caution, listed
from sim.world import Complete, Streams, TopologySettings

UNEQUAL = 2.0
MOSTLY = 0.5


def doubtful_data(evidence: Evidence) -> Found:
    """What was assumed of the user's files, or makes scores on them doubtful."""
    found: dict[str, list[Run]] = defaultdict(list)
    for run in itertools.chain(*evidence.runs.values()):
        for note in run.facts.notes:
            found[note].append(run)
    for note, runs in found.items():
        yield caution("data", None, note, runs)


def unequal_work(evidence: Evidence) -> Found:
    """Protocols that train much more than others in the same time."""
    done = {
        name: float(np.mean([run.number("train") for run in runs]))
        for name, runs in evidence.compared.items()
    }
    if done and max(done.values()) > UNEQUAL * min(done.values()):
        rounds = ", ".join(f"{name} {number:,.0f}" for name, number in done.items())
        text = (
            f"local rounds done per seed: {rounds}; equal time is not equal work here, so look at "
            "equal epochs and bytes, too"
        )
        yield caution("unequal work", None, text, itertools.chain(*evidence.compared.values()))


def down(evidence: Evidence) -> Found:
    """Nodes that were hardly ever there."""
    shares: dict[str, list[float]] = defaultdict(list)
    runs = list(itertools.chain(*evidence.compared.values()))
    for run in runs:
        for node, seconds in _down_s(run).items():
            shares[node].append(seconds / run.record.virtual_s)
    mostly = {node: float(np.mean(each)) for node, each in shares.items()}
    mostly = {node: share for node, share in mostly.items() if share > MOSTLY}
    if mostly:
        over = (
            "of the time, on average over seeds"
            if len(evidence.scenario.seeds) > 1
            else "of the time"
        )
        text = f"{listed(mostly)}: down up to {max(mostly.values()):.0%} {over}"
        yield caution("down", None, text, runs)


def _down_s(run: Run) -> dict[str, float]:
    """Virtual seconds for which each node that ever crashed was down."""
    seconds: dict[str, float] = defaultdict(float)
    for kind, sign in (("crash", -1.0), ("recover", 1.0)):
        rows = run.rows(kind)
        nodes, times = rows["node"].to_pylist(), rows["time_s"].to_pylist()
        for node, time_s in zip(nodes, times, strict=True):
            seconds[node] += sign * time_s
    back = run.count("recover")
    for node, crashes in run.count("crash").items():
        if crashes > back[node]:
            seconds[node] += run.left_s.get(node, run.record.virtual_s)
    return seconds


def left(evidence: Evidence) -> Found:
    """Clients that left after so many rounds, which come sooner under some protocols."""
    times: dict[str, list[tuple[int, str, float]]] = {
        name: [(run.record.seed, *one) for run in runs for one in run.left_s.items()]
        for name, runs in evidence.compared.items()
    }
    if len(set(map(frozenset, times.values()))) > 1:
        when = ", ".join(f"{name} {_mean_text(each)}" for name, each in times.items())
        text = f"clients left after their local rounds, so not at equal times: on average {when}"
        yield caution("left", None, text, itertools.chain(*evidence.compared.values()))


def _mean_text(leaves: Sequence[tuple[int, str, float]]) -> str:
    if not leaves:
        return "never"
    return time_text(float(np.mean([time_s for _, _, time_s in leaves])))


def apart(evidence: Evidence) -> Found:
    """Clients that can't learn from each other, because of who is between them and isn't there."""
    scenario = evidence.scenario
    for name, runs in evidence.compared.items():
        settings = scenario.protocols[name].own_topology or scenario.topology
        if not scenario.protocols[name].uses_topology or isinstance(settings, Complete):
            continue
        looks = {run: _parts(run, settings, evidence.clients) for run in runs}
        found = {run: times for run, times in looks.items() if max(times.values(), default=0) > 1}
        if found:
            many = [(time_s, n) for times in found.values() for time_s, n in times.items() if n > 1]
            share = len(many) / sum(map(len, looks.values()))
            text = (
                f"at {share:.0%} of the looks, from {time_text(min(many)[0])} on, clients that are "
                f"there have no way to each other: they are in up to {max(n for _, n in many)} "
                "parts, because of who has left or not joined"
            )
            yield caution("apart", name, text, found)


def _parts(run: Run, settings: TopologySettings, clients: Sequence[str]) -> dict[float, int]:
    """By look the number of parts into which the graph of members falls, where some are absent."""
    looks = run.absent()
    if not any(looks.values()):
        return dict.fromkeys(looks, 1)
    import networkx  # takes 0.2 s, which only who loses members waits for

    topology = settings.build(len(clients), Streams(run.record.seed))
    graph = networkx.Graph({i: topology.neighbours(i).tolist() for i in range(len(clients))})
    graph = networkx.relabel_nodes(graph, dict(enumerate(clients)))

    def parts(absent: Sequence[str]) -> int:
        here = graph.subgraph(set(clients).difference(absent))
        return int(networkx.number_connected_components(here))

    numbers = {absent: parts(absent) for absent in dict.fromkeys(looks.values())}
    return {time_s: numbers[absent] for time_s, absent in looks.items()}


def idle_faults(evidence: Evidence) -> Found:
    """Faults that change nothing, whatever the protocol, and those that meet at a node."""
    runs = list(itertools.chain(*evidence.runs.values()))
    for text in evidence.scenario.idle_faults():
        yield caution("idle fault", None, text, runs)


def idle_settings(evidence: Evidence) -> Found:
    """Settings that change nothing."""
    runs = list(itertools.chain(*evidence.runs.values()))
    for text in evidence.scenario.idle_settings():
        yield caution("idle setting", None, text, runs)


def few_seeds(evidence: Evidence) -> Found:
    """Too few seeds to tell a difference from chance."""
    number = len(evidence.scenario.seeds)
    text = {
        1: "one seed tells no spread: a difference may be chance alone",
        2: "two seeds: their 95 % interval is 12.7 standard errors wide on either side, more than "
        "five times that of ten seeds",
    }.get(number)
    if text:
        yield caution("few seeds", None, text, itertools.chain(*evidence.runs.values()))
