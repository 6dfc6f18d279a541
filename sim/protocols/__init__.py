"""How nodes learn together: one file a protocol, and the literal registry of all of them."""

from sim.protocols.braintorrent import BrainTorrent
from sim.protocols.d_psgd import DPSGD
from sim.protocols.fedavg import FedAvg
from sim.protocols.local import Local
from sim.protocols.pooled import Pooled
from sim.protocols.protocol import Fastest, Protocol, Running, Seen

PROTOCOLS: dict[str, type[Protocol]] = {
    "braintorrent": BrainTorrent,
    "fedavg": FedAvg,
    "d_psgd": DPSGD,
    "pooled": Pooled,
    "local": Local,
}

__all__ = ["PROTOCOLS", "Fastest", "Protocol", "Running", "Seen"]
