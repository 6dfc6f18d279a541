"""How nodes learn together: one file a protocol, and the literal registry of all of them."""

from sim.protocols.ad_psgd import ADPSGD
from sim.protocols.braintorrent import BrainTorrent
from sim.protocols.cyclic import Cyclic
from sim.protocols.d_psgd import DPSGD
from sim.protocols.epidemic import Epidemic
from sim.protocols.fedasync import FedAsync
from sim.protocols.fedavg import FedAvg
from sim.protocols.fedbuff import FedBuff
from sim.protocols.gossip import Gossip
from sim.protocols.local import Local
from sim.protocols.plexus import Plexus
from sim.protocols.pooled import Pooled
from sim.protocols.protocol import MOST_PAIRED, Fastest, Protocol, Running, Seen
from sim.protocols.push_sum import PushSum
from sim.protocols.scaffold import Scaffold
from sim.protocols.shared.asynchronous import STALENESS_WEIGHTS
from sim.protocols.shared.server_optimizers import SERVER_OPTIMIZERS
from sim.protocols.swarm import Swarm

PROTOCOLS: dict[str, type[Protocol]] = {
    "braintorrent": BrainTorrent,
    "fedavg": FedAvg,
    "scaffold": Scaffold,
    "fedasync": FedAsync,
    "fedbuff": FedBuff,
    "swarm": Swarm,
    "plexus": Plexus,
    "cyclic": Cyclic,
    "gossip": Gossip,
    "epidemic": Epidemic,
    "push_sum": PushSum,
    "d_psgd": DPSGD,
    "ad_psgd": ADPSGD,
    "pooled": Pooled,
    "local": Local,
}

__all__ = [
    "MOST_PAIRED",
    "PROTOCOLS",
    "SERVER_OPTIMIZERS",
    "STALENESS_WEIGHTS",
    "Fastest",
    "Protocol",
    "Running",
    "Seen",
]
