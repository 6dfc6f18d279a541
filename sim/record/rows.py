"""The rows of a result folder's tables, what their columns mean, and the names that they use."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

CLIENT = "client_"
"""How the names of clients begin; a number from 0 follows."""
SERVER = "server"
"""Node name of the server; in score rows, of the global model that it holds."""
STANDBY = "standby_"
"""How the names of servers begin that may take over; a number from 1 follows."""
MOST_STANDBYS = 9
AGGREGATE = "aggregate"
"""Node name of score rows about the average of all clients' current models."""
RECEIVED = "received"
"""Stage of a client's model: the newest that came from others, as it was before any training."""
TRAINED = "trained"
"""Stage of a client's model: what its last finished local round made of it."""
STAGES = (RECEIVED, TRAINED)
POOLED = "pooled"
"""Node name of the one virtual machine that has all clients' data and computing power."""
FINISHED = "finished"
"""Status of a run whose scores are there."""
FAILED = "failed"
"""Status of a run that needs a real operation which could not be done."""
MISSING = "missing"
"""Status of a run that should be there and isn't; only readers say so."""

TRACE_KINDS = {
    "train": "a finished local round",
    "train_lost": "a local round that a crash or a dropout ended",
    "ping": "a client asked others for their versions",
    "transfer": "a model that was delivered",
    "transfer_lost": "a model that was not",
    "message_lost": "a request or an answer without a model that was not delivered",
    "merge": "a client averaged others' models with its own",
    "round": "a server round",
    "round_failed": "a server round to which too few updates came",
    "lead": "an election that a server won, which leads from its end on; answered voted for it",
    "abort": "a client ended the job for good; peer didn't acknowledge what it sent, or was gone",
    "update_late": "an update that came after its server round had closed; peer sent it",
    "not_kept": "a model that came when a client's memory was full; peer sent it",
    "crash": "a node went down",
    "join": "a client that was not there from the beginning came for the first time",
    "leave": "a client left for good",
    "recover": "a node came back",
    "storage_lost": "a node lost what had survived its crashes",
    "slowdown": "a node computes slower from here on; at a factor of 1 no longer",
    "degrade": "a node's links are slower from here on, or messages later; factor 1: no longer",
    "suspect": "a node began to believe that peer is down",
    "trust": "it believes so no longer",
    "partition": "the network fell apart",
    "heal": "it is whole again",
    "look": "the observer's, of a thinned trace or of some clients: by then all finished local "
    "rounds (round), those and lost ones (attempt), bytes delivered, and how many learn (asked)",
}
"""What a trace may tell of."""
LOOK = "look"
MESSAGE_KINDS = ("ping", "transfer", "transfer_lost", "message_lost", "not_kept")
"""Those that tell of single messages: most rows of a trace."""
Detail = Literal["all", "rounds", "none"]
"""How much a trace tells: with `rounds` all but single messages, with `none` looks alone."""
LEFT_OUT: Mapping[Detail, tuple[str, ...]] = {
    "all": (),
    "rounds": MESSAGE_KINDS,
    "none": tuple(kind for kind in TRACE_KINDS if kind != LOOK),
}
"""The kinds that a trace of such detail doesn't tell of."""


class Column(NamedTuple):
    """What a table's column means."""

    meaning: str
    unit: str = ""


Protocol = Annotated[str, Column("the name that the scenario gives the protocol")]
Seed = Annotated[int, Column("seed of the run")]


def standby_name(number: int) -> str:
    """The name of a server that may take over; numbers begin at 1."""
    return f"{STANDBY}{number}"


def is_server(name: str) -> bool:
    """Whether a node is a server, the first or one that may take over."""
    return name == SERVER or name.startswith(STANDBY)


def client_name(number: int) -> str:
    """The name of a client."""
    return f"{CLIENT}{number}"


class ScoreRow(NamedTuple):
    """One metric of one model at one look of the observer."""

    protocol: Protocol
    seed: Seed
    time_s: Annotated[float, Column("virtual time of the look", "s")]
    node: Annotated[str, Column("whose model: client_0 and so on, server, aggregate or pooled")]
    stage: Annotated[
        str | None,
        Column("received or trained; of server and aggregate received; none of a reference"),
    ]
    local_round: Annotated[
        int, Column("local rounds finished, for aggregate by all clients; of server its rounds")
    ]
    version: Annotated[int, Column("fine-tunings since the node last lost its storage")]
    staleness: Annotated[
        float, Column("how far the model lags behind, as its protocol counts it", "rounds")
    ]
    metric: Annotated[str, Column("what was measured, on held-out data")]
    value: Annotated[float, Column("the score, in the metric's own unit")]
    up: Annotated[bool, Column("whether the node was up")]
    member: Annotated[bool, Column("whether the node had joined, and not left")] = True


class TraceRow(NamedTuple):
    """One thing that happened in the world; what doesn't apply is None."""

    protocol: Protocol
    seed: Seed
    time_s: Annotated[float, Column("virtual time at which it began", "s")]
    duration_s: Annotated[float, Column("virtual time that it took, 0 for an instant", "s")]
    node: Annotated[str, Column("who did it or bore it; empty for the network")]
    kind: Annotated[str, Column("what happened")]
    peer: Annotated[str, Column("to whom a message went, or empty")]
    bytes: Annotated[int, Column("size of the model that was sent", "B")]
    round: Annotated[int | None, Column("number of the local or the server round")] = None
    attempt: Annotated[int | None, Column("number of the attempt at a local round")] = None
    cause: Annotated[str | None, Column("the fault's name, or why a message was lost")] = None
    peers: Annotated[tuple[str, ...] | None, Column("whose models were merged")] = None
    asked: Annotated[int | None, Column("how many were asked")] = None
    answered: Annotated[int | None, Column("how many of them answered in time")] = None
    updates: Annotated[int | None, Column("how many updates came in a server round")] = None
    factor: Annotated[
        float | None, Column("how many times longer computing takes, or a transfer")
    ] = None


class FinalModel(NamedTuple):
    """Which model a kept file holds: one node's, as the observer last saw it."""

    protocol: str
    seed: int
    node: str
    stage: str
    """Empty for a reference, whose models have none."""
    local_round: int
    version: int
    time_s: float
    """Virtual seconds since the start; these are the columns of the model's score rows."""
    name: str
    """Its content name: equal names are equal bits."""


@dataclass(frozen=True)
class RunRecord:
    """One run that has ended: one protocol under one seed."""

    protocol: Protocol
    seed: Seed
    virtual_s: Annotated[float, Column("virtual time at the end", "s")]
    """Shorter than the scenario's duration after `stop_when`."""
    events: Annotated[int, Column("events that the clock stepped through")]
    counters: Mapping[str, int]
    """Messages sent, delivered, lost and so on, by name."""
    status: Annotated[str, Column("finished, or failed")] = FINISHED
    cause: Annotated[str, Column("why it failed, or empty")] = ""


@dataclass(frozen=True)
class Caution:
    """What a reader should know before believing a comparison."""

    kind: str
    """One word or two for what it is about, the same in every folder."""
    protocol: str | None
    """Whose runs it is about; None if it is about all."""
    text: str
    """What happened, to whom, how often, and what it makes of the comparison: one sentence."""
    seeds: tuple[int, ...]
    """Under which it happened."""


@dataclass(frozen=True)
class Operations:
    """How much real work the score demands caused, over all runs that were made together.

    `computed` counts this session's; what an earlier one had stored is not computed again.
    """

    asked: int
    computed: int
    shared: int
    never_needed: int
    steps_asked: int
    """Optimiser steps of all trainings named, each time that they were."""
    steps_demanded: int
    """Those left after sharing, laziness and what the store held."""
    steps_computed: int
