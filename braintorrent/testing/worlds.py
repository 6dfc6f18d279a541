"""Random worlds, each from a seed and a number: who learns, how messages travel, what fails."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from braintorrent.testing.kinds import validated
from braintorrent.testing.tiny import MODEL_BYTES
from sim.faults import Fault
from sim.protocols import Protocol
from sim.record.rows import SERVER, is_server
from sim.runs.build import Facts
from sim.scenario import Scenario, dump
from sim.world import Streams

# Few values on a common grid, so that much happens at the same instant.
_TIMES = (0.0, 0.25, 1.0, 2.5, 5.0, 7.75, 13.0, 20.0, 39.5, 40.0)
_EARLY, _LATE = _TIMES[:5], _TIMES[5:]
_SPANS = (10.0, 0.25, 1.0, 3.0, 5.5, 30.0)
# Of 24 nodes, for 300 s, on the same grid.
_LIVES = Path(__file__).with_name("lives.csv")
_BANDWIDTHS = ("8192 B/s", "1024 B/s", "2048 B/s", "4096 B/s", "512 B/s", "1 MB/s")
_DETECTIONS = (
    {"kind": "heartbeat", "interval": "1 s", "timeout": "3 s"},
    {"kind": "heartbeat"},
    {"kind": "perfect"},
    {"kind": "none"},
)
# Such as any number of clients can have.
_TOPOLOGIES = (
    "complete",
    "complete",
    "ring",
    "k_regular",
    {"kind": "erdos_renyi", "probability": 0.5},
)

_LAWS = (
    {"distribution": "weibull", "shape": 0.5, "scale": "5.5 s"},
    {"distribution": "gamma", "shape": 0.5, "mean": "10 s"},
    {"distribution": "lognormal", "median": "3 s", "sigma": 1.5},
    {"distribution": "uniform", "low": "0 s", "high": "30 s"},
    "2.5 s",
)


@dataclass(frozen=True)
class RandomWorld:
    """One world, whatever is played in it.

    `number`: which of the worlds of its seed; `sections`: a scenario's but its protocols;
    `facts`: what would be known of the learner; `luck`: the seed of the run.
    """

    number: int
    sections: Mapping[str, Any]
    facts: Facts
    luck: int

    def scenario(self, protocol: Protocol, faults: Mapping[str, Fault]) -> Scenario:
        """The world with a protocol called `it`, and with `faults` beside its own."""
        sections = dict(self.sections)
        if sections["topology"] == "complete" and any(one.uses_topology for one in faults.values()):
            sections["topology"] = "ring"
        if protocol.needs_detection and sections["failure_detection"] == _DETECTIONS[-1]:
            sections["failure_detection"] = _DETECTIONS[0]
        faults = sections.pop("faults") | dict(faults)
        return validated(
            TypeAdapter(Scenario),
            sections | {"faults": faults, "protocols": {"it": protocol}},
            f"world {self.number}",
        )

    def text(self, scenario: Scenario) -> str:
        """It as YAML, with what a scenario leaves to the data in its first lines."""
        facts = self.facts
        learner = f"samples {[*facts.samples]}, steps {[*facts.steps]} in a local round"
        return f"# {learner}, {MODEL_BYTES} B a model\n{dump(scenario)}"


def random_world(
    seed: int, number: int, lasts_s: float, servers: Sequence[str] = ()
) -> RandomWorld:
    """The world of that number: up to 11 clients and a server, for `lasts_s` seconds or less.

    `servers`: the names of several.
    """
    dice = Dice(Streams(seed).stream("world", number))
    clients = dice.of(4, 3, 4, 3, 5, 7, 9, 11, 2, 1)
    nodes = [*(f"client_{i}" for i in range(clients)), *(servers or (SERVER,))]
    luck = dice.below(2**16)
    # Draws of their own: what machines may have leaves all else of a world as it is.
    machines = _machines(Dice(Streams(seed).stream("machines", number)))
    sections: dict[str, Any] = {
        "name": f"world_{number}",
        "duration": f"{lasts_s * dice.of(1.0, 1.0, 2 / 3, 2 / 3, 1 / 12)} s",
        "seeds": [luck],
        "task": {"name": "digits", "partition": {"kind": "iid"}},
        "model": {"name": "mlp"},
        "training": {"learning_rate": 0.1, "batch_size": 32, "local_epochs": 1},
        "clients": _clients(dice, clients) | machines,
        "network": _network(dice, clients),
        "failure_detection": dice.of(*_DETECTIONS),
        "server": {
            "uplink": "4 kB/s",
            "downlink": "4 kB/s",
            "aggregation_time": f"{dice.of(0.0, 0.5)} s",
            "checkpoint_every": dice.of(1, 2, 3),
        },
        "evaluation": {"every": f"{lasts_s / 6} s"},
    }
    _roads(Dice(Streams(seed).stream("roads", number)), sections["network"])
    sections["topology"] = dice.of(*_TOPOLOGIES)
    possible = {"targeted": sections["topology"] != "complete", "join": clients > 1}
    kinds = [kind for kind in _FAULTS if possible.get(kind, True)]
    sections["faults"] = {f"fault_{i}": _fault(dice, nodes, kinds) for i in range(dice.below(5))}
    _ends(Dice(Streams(seed).stream("ends", number)), sections["faults"])
    samples = tuple(1 + dice.below(50) for _ in range(clients))
    steps = tuple(1 + dice.below(6) for _ in range(clients))
    facts = Facts(samples, steps, sum(samples), sum(steps), MODEL_BYTES // 4)
    return RandomWorld(number, sections, facts, luck)


class Dice:
    """Draws from few choices, of one world or of one protocol's settings."""

    def __init__(self, draws: np.random.Generator) -> None:
        self._draws = draws

    def below(self, number: int) -> int:
        return int(self._draws.integers(number))

    def of(self, *choices: Any) -> Any:
        return choices[self.below(len(choices))]

    def span(self) -> str:
        return f"{self.of(*_SPANS)} s"

    def time(self) -> str:
        return f"{self.of(*_TIMES)} s"

    def some(self, nodes: list[str]) -> list[str]:
        """At least one of them, and not all; in any order."""
        number = 1 + self.below(len(nodes) - 1)
        return [nodes[i] for i in self._draws.permutation(len(nodes))[:number]]


def _clients(dice: Dice, count: int) -> dict[str, Any]:
    drawn = {"distribution": "lognormal", "median": "0.5 s", "sigma": 0.5}
    return {
        "count": count,
        "step_time": dice.of("250 ms", "1 s", drawn, drawn),
        "round_jitter": dice.of(0.0, 0.5),
        "merge_time": f"{dice.of(0.0, 0.25)} s",
    }


def _machines(dice: Dice) -> dict[str, Any]:
    """Clients of named devices, and with room for few models."""
    shares = {"phone_high": 0.25, "phone_mid": 0.75}
    phones = {"device": shares, "reference": "250 ms", "measured_on": "phone_high"}
    step_time, room = dice.of(None, None, None, phones), dice.of(None, None, 2, 3, 5)
    memory = {} if room is None else {"memory": f"{room * MODEL_BYTES} B"}
    return memory if step_time is None else memory | {"step_time": step_time}


def _network(dice: Dice, clients: int) -> dict[str, Any]:
    drawn = {"distribution": "uniform", "low": "10 ms", "high": "400 ms"}
    return {
        "latency": dice.of("0 s", "125 ms", "250 ms", drawn, drawn, drawn),
        "uplink": [dice.of(*_BANDWIDTHS) for _ in range(clients)],
        "downlink": [dice.of(*_BANDWIDTHS) for _ in range(clients)],
        "sharing": dice.of("max_min", "equal", "none"),
        "packet_loss": dice.of(0.0, 0.0, 0.0, 0.0, 0.02, 0.02, 0.1, 0.1, 0.5, 0.99),
        "transfer_loss": dice.of(0.0, 0.0, 0.3),
        "stall_timeout": dice.of("30 s", "2 s"),
    }


def _roads(dice: Dice, network: dict[str, Any]) -> None:
    """Let transfers take their time, and in some worlds regions say what links are like."""
    tcp = {"kind": "tcp", "latency_factor": 3.0, "window": dice.of("256 B", "1 kB", "endless")}
    network["transport"] = dice.of("fluid", "fluid", "tcp", tcp)
    if dice.of(False, False, True):
        network["regions"] = _regions(dice)
        for name in ("latency", "uplink", "downlink"):
            if dice.of(True, True, False):
                del network[name]


def _regions(dice: Dice) -> dict[str, Any]:
    table = {
        name: {
            "latency": {"near": there, "far": dice.of("0 s", "125 ms", "400 ms")},
            "uplink": dice.of(*_BANDWIDTHS),
            "downlink": dice.of(*_BANDWIDTHS),
        }
        for name, there in {"near": "125 ms", "far": "250 ms"}.items()
    }
    return {
        "table": table,
        "clients": dice.of("near", {"near": 0.5, "far": 0.5}, {"near": 0.8, "far": 0.2}),
        "server": dice.of("near", "far"),
        "spread": dice.of(0.0, 0.5),
    }


def _fault(dice: Dice, nodes: list[str], kinds: list[str]) -> dict[str, Any]:
    """One fault of any of these kinds."""
    kind = dice.of(*kinds)
    return {"kind": kind, **_FAULTS[kind](dice, nodes)}


def _crash(dice: Dice, nodes: list[str]) -> dict[str, Any]:
    return {
        **dice.of({"node": dice.of(*nodes)}, {"nodes": dice.some(nodes)}),
        "at": dice.time(),
        "recovers_after": dice.of(None, dice.span()),
        "loses_storage": dice.of(False, True),
    }


def _ends(dice: Dice, faults: Mapping[str, dict[str, Any]]) -> None:
    """Let some crashes be of a process alone."""
    for fault in faults.values():
        if fault["kind"] == "crash":
            fault["of"] = dice.of("host", "process")


def _churn(dice: Dice, nodes: list[str]) -> dict[str, Any]:
    whom = dice.of("all", "clients", "server", dice.some(nodes))
    short = {"mean_time_to_failure": dice.span(), "mean_time_to_repair": dice.span()}
    laws = {"time_to_failure": dice.of(*_LAWS), "time_to_repair": dice.of(*_LAWS)}
    more = dice.of(
        {"nodes": whom},
        {"nodes": whom, "begins": "equilibrium"},
        {"nodes": whom, "daily": {"peak": "0 h", "swing": 1.0}},
        {"nodes": "clients", "spread": 1.0, "tied_to": "samples"},
        {"groups": [dice.some(nodes)], "begins": "equilibrium"},
    )
    return {**more, **dice.of(short, laws), "loses_storage": dice.of(False, True)}


def _slowdown(dice: Dice, nodes: list[str]) -> dict[str, Any]:
    factor = dice.of(1.0, 2.0, 50.0)
    return {"nodes": dice.some(nodes), "factor": factor, "at": dice.time(), "lasts": dice.span()}


def _partition(dice: Dice, nodes: list[str]) -> dict[str, Any]:
    return {
        "groups": [dice.some(nodes)],
        "at": dice.time(),
        "direction": dice.of("both", "both", "out", "in"),
        **_rhythm(dice, "heals_after"),
    }


def _degrade(dice: Dice, nodes: list[str]) -> dict[str, Any]:
    change = {"bandwidth": dice.of(0.5, 0.05)}, {"extra_latency": dice.of("250 ms", "4 s")}
    begin = {"at": dice.time(), **_rhythm(dice, "lasts")}
    daily = {"at_local_time": "0 s", "lasts": dice.span()}
    return {
        "nodes": dice.of("all", dice.some(nodes)),
        **dice.of(*change, change[0] | change[1]),
        **dice.of(begin, begin, daily),
    }


def _rhythm(dice: Dice, lasts: str) -> dict[str, Any]:
    """Once, in a fixed rhythm, or at random; `lasts`: the setting that says how long."""
    span = dice.of(3.0, 1.0, 10.0)
    drawn = {"distribution": "exponential", "mean": f"{span} s"}
    every = {"every": f"{2 * span} s", "times": dice.of(None, 3)}
    again: dict[str, Any] = dice.of({}, every, {"pauses": drawn})
    length = drawn if "pauses" in again else f"{span} s"
    return {lasts: length if again else dice.span(), **again}


def _learners(nodes: list[str]) -> list[str]:
    return [name for name in nodes if not is_server(name)]


def _join(dice: Dice, nodes: list[str]) -> dict[str, Any]:
    # A time that is given comes before anybody leaves, and leaves somebody there at first.
    drawn = {"distribution": "uniform", "low": "0 s", "high": dice.span()}
    some = [*dict.fromkeys(dice.of(*_learners(nodes)[1:]) for _ in range(3))]
    several = {"nodes": some, "at": dice.of(drawn, f"{dice.of(*_EARLY)} s")}
    return {
        **dice.of(several, several, several, {"nodes": "clients", "at": drawn}),
        "starts_from": dice.of("peers", "peers", "initial"),
    }


def _leave(dice: Dice, nodes: list[str]) -> dict[str, Any]:
    occasion = dice.of({"at": f"{dice.of(*_LATE)} s"}, {"after_rounds": 1 + dice.below(5)})
    one = [dice.of(*_learners(nodes))]
    nodes = dice.of(one, one, one, "clients")
    return {"nodes": nodes, **occasion, "announced": dice.of(True, True, False)}


def _targeted(dice: Dice, nodes: list[str]) -> dict[str, Any]:
    return {
        "number": 1 + dice.below(len(_learners(nodes))),
        "by": dice.of("degree", "betweenness"),
        "at": dice.time(),
        "every": dice.of("0 s", dice.span()),
        "recovers_after": dice.of(None, dice.span()),
    }


def _availability(dice: Dice, nodes: list[str]) -> dict[str, Any]:
    return {
        "file": str(_LIVES),
        "lists": dice.of("down", "down", "up"),
        "unit": "s",
        "offset": dice.of("0 s", dice.time()),
        "assign": dice.of("in_order", "drawn"),
        "nodes": dice.of("clients", dice.some(nodes)),
    }


def _disk_failure(dice: Dice, nodes: list[str]) -> dict[str, Any]:
    life = {"distribution": "lognormal", "median": dice.span(), "sigma": 1.0}
    laws = ({"failure_rate": "0.05 / s"}, {"time_to_failure": life}, {"at": dice.time()})
    return {"nodes": dice.some(nodes), "replaced_after": dice.span(), **dice.of(*laws)}


_FAULTS: Mapping[str, Callable[[Dice, list[str]], dict[str, Any]]] = {
    "crash": _crash,
    "churn": _churn,
    "client_dropout": lambda dice, nodes: {"probability": dice.of(0.3, 0.05, 0.9, 1.0)},
    "slowdown": _slowdown,
    "partition": _partition,
    "degrade": _degrade,
    "join": _join,
    "leave": _leave,
    "targeted": _targeted,
    "availability": _availability,
    "disk_failure": _disk_failure,
}
