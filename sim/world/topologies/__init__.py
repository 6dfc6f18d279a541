"""Whom each client may talk to, for protocols that talk to neighbours."""

from sim.world.topologies.drawn import BarabasiAlbert, ErdosRenyi, KRegular, SmallWorld
from sim.world.topologies.fixed import Complete, Ring, Torus
from sim.world.topologies.listed import Edges
from sim.world.topologies.topology import Topology, TopologySettings

TOPOLOGIES: dict[str, type[TopologySettings]] = {
    "complete": Complete,
    "ring": Ring,
    "torus": Torus,
    "k_regular": KRegular,
    "erdos_renyi": ErdosRenyi,
    "small_world": SmallWorld,
    "barabasi_albert": BarabasiAlbert,
    "edges": Edges,
}

__all__ = ["TOPOLOGIES", "Complete", "Topology", "TopologySettings"]
