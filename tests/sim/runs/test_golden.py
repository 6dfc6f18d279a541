"""What one small scenario came to under every protocol, kept as digests: no change may pass unseen.

`python -m tests.sim.runs.test_golden` writes them anew, for a change that is meant to alter results
and says so in the changelog.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch

from sim.record.rows import ScoreRow
from sim.results import folder as results
from sim.runs.session import Session
from sim.runs.sweep import run_one
from sim.scenario import Scenario, restricted
from tests.tables import read_scores, read_traces

KEPT = Path(__file__).with_name("golden.json")
# Every fault at once; each client and the server is down for a while, packets and whole models are
# lost, detectors err, and updates come late.
SCENARIO: dict[str, Any] = {
    "name": "golden",
    "duration": "4 min",
    "seeds": [0],
    "task": {"name": "digits", "partition": {"kind": "dirichlet", "alpha": 0.5}},
    "model": {"name": "cnn", "channels": [2, 4]},
    "training": {"learning_rate": 0.1, "batch_size": 64, "local_steps": 3},
    "clients": {
        "count": 4,
        "step_time": {"distribution": "lognormal", "median": "2 s", "sigma": 0.5},
        "round_jitter": 0.1,
        "merge_time": "100 ms",
    },
    "network": {
        "latency": {"distribution": "uniform", "low": "20 ms", "high": "150 ms"},
        "uplink": "1 Mbit/s",
        "downlink": "4 Mbit/s",
        "packet_loss": 0.02,
        "transfer_loss": 0.02,
    },
    "server": {"uplink": "8 Mbit/s", "downlink": "8 Mbit/s", "aggregation_time": "1 s"},
    "failure_detection": {"kind": "heartbeat", "interval": "2 s", "timeout": "5 s"},
    "faults": {
        "server_crash": {
            "kind": "crash", "node": "server", "at": "1 min", "recovers_after": "30 s",
        },
        "wiped": {
            "kind": "crash", "node": "client_1", "at": "2 min", "recovers_after": "20 s",
            "loses_storage": True,
        },
        "churn": {
            "kind": "churn", "nodes": "clients", "failure_rate": "20 / h",
            "mean_time_to_repair": "20 s",
        },
        "slow": {
            "kind": "slowdown", "nodes": ["client_2"], "factor": 3.0, "at": "50 s",
            "lasts": "1 min",
        },
        "split": {
            "kind": "partition", "groups": [["client_0", "client_3"]], "at": "90 s",
            "heals_after": "20 s",
        },
        "dropout": {"kind": "client_dropout", "probability": 0.2},
    },
    "protocols": {
        "braintorrent": {"max_senders": 2},
        "random_initiator": {"kind": "braintorrent", "schedule": "random_initiator"},
        "lockstep": {"kind": "braintorrent", "schedule": "lockstep"},
        "fedavg": {
            "deadline": "40 s", "participation": 0.75, "close_at": 0.6,
            "late_updates": "next_round", "training": {"learning_rate": 0.05},
        },
        "pooled": {},
        "local": {},
        "chunks": {"kind": "braintorrent", "transfer": "chunks", "topology": "ring"},
        "standbys": {
            "kind": "fedavg", "deadline": "40 s", "standbys": 2, "replicate_every": 2,
            "server_optimizer": "yogi", "training": {"proximal": 0.1},
        },
        "scaffold": {"deadline": "40 s"},
        "fedasync": {"deadline": "40 s", "concurrency": 3},
        "fedbuff": {"deadline": "40 s", "buffer": 3},
        "swarm": {"next": "round_robin", "minimum_peers": 2},
        "plexus": {"sample": 3, "aggregators": 2},
        "cyclic": {"order": "shuffled", "resend": True},
        "gossip": {"period": "10 s", "exchange": "push_pull"},
        "epidemic": {},
        "push_sum": {"local_round": "debiased"},
        "d_psgd": {"exchange": "nonblocking", "topology": "ring"},
        "d_psgd_blocking": {"kind": "d_psgd", "receive_timeout": "20 s"},
        "ad_psgd": {},
    },
    "evaluation": {"every": "30 s"},
}  # fmt: skip


def came_to(protocol: str, folder: Path) -> dict[str, Any]:
    """What the protocol's run is remembered by."""
    scenario = restricted(Scenario.model_validate(SCENARIO), [protocol], [])
    run_one(scenario, Session(folder, 0, 1 << 30, print, lambda now: None))
    scores, traces = read_scores(folder), read_traces(folder)
    (run,) = results.finished_record(folder)["runs"]
    return {
        "events": run["events"],
        "looks": digest(row[:7] + row[9:11] for row in scores if row.metric == "loss"),
        "trace": digest(row[2:8] for row in traces),
        "last": {row.node: round(row.value, 4) for row in _last(scores)},
        "scores": {capability(): digest(row[2:11] for row in scores)},
    }


def capability() -> str:
    """What of a processor decides the last bits."""
    return torch.backends.cpu.get_cpu_capability()


def digest(rows: Iterable[tuple[Any, ...]]) -> str:
    """Of the rows as they are written out; floats exactly."""
    return hashlib.sha256("\n".join(map(repr, rows)).encode()).hexdigest()[:16]


def _last(scores: list[ScoreRow]) -> list[ScoreRow]:
    return [row for row in scores if row.metric == "loss" and row.time_s == scores[-1].time_s]


QUICK = ("braintorrent", "random_initiator", "lockstep", "fedavg", "pooled", "local")


@pytest.mark.parametrize(
    "protocol",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
        for name in SCENARIO["protocols"]
    ],
)
def test_a_protocol_comes_to_what_it_came_to(protocol: str, tmp_path: Path) -> None:
    kept = json.loads(KEPT.read_text(encoding="utf-8"))[protocol]
    found = came_to(protocol, tmp_path / "out")
    assert found["last"] == pytest.approx(kept.pop("last"), abs=0.01)
    # To the last bit where the processor is one of those that the digests were made on.
    exact = kept.pop("scores")
    assert found["scores"][capability()] == exact.get(capability(), found["scores"][capability()])
    assert {name: found[name] for name in kept} == kept


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        found = {name: came_to(name, Path(place) / name) for name in SCENARIO["protocols"]}
    KEPT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
