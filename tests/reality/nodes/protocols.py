"""The protocols by name."""

from tests.reality.nodes.braintorrent import BrainTorrent
from tests.reality.nodes.config import Config
from tests.reality.nodes.d_psgd import DPSGD
from tests.reality.nodes.fedavg import Client, Server
from tests.reality.nodes.gossip import Gossip
from tests.reality.nodes.node import Protocol
from tests.reality.nodes.standbys import StandbyServer, VotingClient
from tests.reality.nodes.swarm import Swarm

SERVERLESS: dict[str, type[Protocol]] = {
    "braintorrent": BrainTorrent,
    "d_psgd": DPSGD,
    "gossip": Gossip,
    "swarm": Swarm,
}


def protocol(config: Config) -> type[Protocol]:
    """What the node does."""
    if config.protocol in SERVERLESS:
        return SERVERLESS[config.protocol]
    is_client = config.name.startswith("client_")
    if "standby_1" in config.addresses:
        return VotingClient if is_client else StandbyServer
    return Client if is_client else Server
