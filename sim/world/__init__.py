"""One run's world on virtual time: the clock, the nodes, the network between them, the trace."""

from sim.world.clock import MOST_AT_ONCE, Clock, Tie, old_objects_left_alone
from sim.world.detection import DETECTORS, Detector, FailureDetection, Heartbeat, Watch
from sim.world.history import History
from sim.world.links.latencies import Given, Latencies, Regional, by_law
from sim.world.links.windows import Cut, Degraded, Windows
from sim.world.medium import LossCause, Wiring
from sim.world.network import Network, Transfer
from sim.world.node import INCARNATION, Behaviour, Machine, Node
from sim.world.pings import Ping
from sim.world.random_streams import Streams, node_numbers
from sim.world.topologies import TOPOLOGIES, Complete, Topology, TopologySettings
from sim.world.trace import Trace
from sim.world.transport import FLUID, TRANSPORTS, Transport
from sim.world.world import World

__all__ = [
    "DETECTORS",
    "FLUID",
    "INCARNATION",
    "MOST_AT_ONCE",
    "TOPOLOGIES",
    "TRANSPORTS",
    "Behaviour",
    "Clock",
    "Complete",
    "Cut",
    "Degraded",
    "Detector",
    "FailureDetection",
    "Given",
    "Heartbeat",
    "History",
    "Latencies",
    "LossCause",
    "Machine",
    "Network",
    "Node",
    "Ping",
    "Regional",
    "Streams",
    "Tie",
    "Topology",
    "TopologySettings",
    "Trace",
    "Transfer",
    "Transport",
    "Watch",
    "Windows",
    "Wiring",
    "World",
    "by_law",
    "node_numbers",
    "old_objects_left_alone",
]
