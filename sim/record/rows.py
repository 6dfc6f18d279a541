"""What a simulation hands over when it ends.

A room of its own, and on the ground floor, because the world writes these values while results,
summary and command line read them: none of them needs to import the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

AGGREGATE = "aggregate"
"""Node name of score rows about the average of all clients' current models."""
SERVER = "server"
"""Node name of the server; in score rows, of the global model that it holds."""
POOLED = "pooled"
"""Node name of the one virtual machine on which the `pooled` reference trains."""
FINISHED = "finished"
"""Status of a run whose scores are there."""
FAILED = "failed"
"""Status of a run that needs a real operation which could not be done."""


class ScoreRow(NamedTuple):
    """One metric of one model at one look of the observer."""

    protocol: str
    """The name the scenario's user gave it."""
    seed: int
    time_s: float
    """Virtual seconds since the start."""
    node: str
    """`client_3`, `server`, `aggregate` or `pooled`."""
    local_round: int
    """Local rounds finished, for `aggregate` by all clients; server rounds for `server`."""
    version: int
    """How often the model was fine-tuned since the node last lost its storage."""
    staleness: float
    """How many rounds the model lags behind, as its protocol counts them."""
    metric: str
    value: float
    up: bool
    """Whether the node was up at that time."""


class TraceRow(NamedTuple):
    """One thing that happened in the world."""

    protocol: str
    seed: int
    time_s: float
    """Virtual seconds since the start, when it began."""
    duration_s: float
    """Virtual seconds that it took; 0 for what is an instant."""
    node: str
    kind: str
    """For example `train`, `train_lost`, `transfer`, `crash`."""
    peer: str
    """The other node, or empty."""
    bytes: int
    detail: str
    """Cause or counts, or empty."""


class FinalModel(NamedTuple):
    """Which model a kept file holds: one node's, as the observer last saw it."""

    protocol: str
    seed: int
    node: str
    local_round: int
    version: int
    time_s: float
    """Virtual seconds since the start; these three are the columns of the model's score rows."""
    name: str
    """Its content name: equal names are equal bits."""


@dataclass(frozen=True)
class RunRecord:
    """One run that has ended: one protocol under one seed."""

    protocol: str
    seed: int
    virtual_s: float
    """Virtual time at the end; shorter than the scenario's duration after `stop_when`."""
    events: int
    """Events that the clock stepped through."""
    counters: Mapping[str, int]
    """Messages sent, delivered, lost and so on, by name."""
    status: str = FINISHED
    cause: str = ""
    """Why it failed, or empty."""


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
