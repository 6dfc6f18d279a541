"""Random topologies: drawn by networkx from a stream of their own, so that a run's seed decides."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from sim.record.errors import Refusal
from sim.record.settings import Count
from sim.world.random_streams import Streams
from sim.world.topologies.topology import KIND, Adjacency, Topology, TopologySettings

if TYPE_CHECKING:
    import networkx

MOST_DRAWS = 100
"""So many graphs are drawn until one joins all clients."""

Probability = Annotated[float, Field(ge=0, le=1)]


class Drawn(TopologySettings):
    """A graph that is drawn again until it is connected."""

    remedy: ClassVar[tuple[str, str]]
    """The setting that is to blame if it never is, and what would help."""

    def build(self, clients: int, streams: Streams) -> Topology:
        import networkx

        for seed in streams.stream("topology").integers(2**32, size=MOST_DRAWS).tolist():
            graph = self.graph(clients, seed)
            if networkx.is_connected(graph):
                return Adjacency(clients, list(graph.edges))
        blamed, allowed = self.remedy
        what = f"none of {MOST_DRAWS} graphs that were drawn joins all {clients} clients"
        raise Refusal(what, allowed, (blamed,))

    @abstractmethod
    def graph(self, clients: int, seed: int) -> networkx.Graph:
        """One draw: nodes are the clients' indices."""

    def check_degree(self, degree: int, clients: int, name: str) -> None:
        """Raise Refusal if nobody can have so many neighbours."""
        if degree >= clients:
            what = f"{degree} neighbours are more than there are, of {clients} clients"
            raise Refusal(what, f"at most {clients - 1}", (name,))


class KRegular(Drawn):
    """A random graph in which all have equally many neighbours.

    Kim, Vu, "Generating random regular graphs", STOC 2003.
    """

    remedy = "degree", "at least 3"
    is_regular = True

    kind: Literal["k_regular"] = Field(description=KIND)
    degree: Count | None = Field(
        default=None,
        description="each one's neighbours; if left out, the clients' log2, rounded up, and one "
        "more where that can't be",
    )

    def check(self, clients: int) -> None:
        degree = self.degree_of(clients)
        self.check_degree(degree, clients, "degree")
        if degree * clients % 2:
            what = f"{degree} neighbours each of {clients} clients: one of them lacks one"
            raise Refusal(what, "an even degree, or an even number of clients", ("degree",))
        if degree == 1 and clients > 2:
            raise Refusal("joins clients in pairs alone", "at least 2", ("degree",))

    def degree_of(self, clients: int) -> int:
        """How many neighbours each client has."""
        if self.degree is not None:
            return self.degree
        degree = math.ceil(math.log2(clients))
        return degree + degree * clients % 2

    def graph(self, clients: int, seed: int) -> networkx.Graph:
        import networkx

        degree, others = self.degree_of(clients), clients - 1
        if degree <= others / 2:
            return networkx.random_regular_graph(degree, clients, seed)
        # Dense ones are hardly ever met by pairing at random; those that they lack are sparse.
        return networkx.complement(networkx.random_regular_graph(others - degree, clients, seed))


class ErdosRenyi(Drawn):
    """A random graph in which each two clients are neighbours with the same probability.

    Batagelj, Brandes, "Efficient generation of large random networks", Physical Review E 71, 2005.
    """

    remedy = "probability", "a higher probability, e.g. 2 log(n) / n for n clients"

    kind: Literal["erdos_renyi"] = Field(description=KIND)
    probability: Probability = Field(description="chance that two clients are neighbours")

    def graph(self, clients: int, seed: int) -> networkx.Graph:
        import networkx

        return networkx.fast_gnp_random_graph(clients, self.probability, seed)


class SmallWorld(Drawn):
    """A ring of near neighbours, of which some are exchanged for distant ones.

    Watts, Strogatz, "Collective dynamics of 'small-world' networks", Nature 393, 1998.
    """

    remedy = "rewired", "less, or a higher degree"

    kind: Literal["small_world"] = Field(description=KIND)
    degree: Count = Field(
        description="each one's neighbours at first, half of them on either side; an even number"
    )
    rewired: Probability = Field(description="chance that an edge gets another end")

    def check(self, clients: int) -> None:
        if self.degree % 2 or self.degree >= clients:
            what = f"{self.degree} neighbours can't be as many on either side, of {clients} clients"
            raise Refusal(what, f"an even number up to {(clients - 1) // 2 * 2}", ("degree",))

    def graph(self, clients: int, seed: int) -> networkx.Graph:
        import networkx

        return networkx.watts_strogatz_graph(clients, self.degree, self.rewired, seed)


class BarabasiAlbert(Drawn):
    """Few clients have many neighbours: each one that comes prefers those who have many.

    Barabási, Albert, "Emergence of scaling in random networks", Science 286, 1999.
    """

    remedy = "edges", "more"

    kind: Literal["barabasi_albert"] = Field(description=KIND)
    edges: Count = Field(description="to how many of the earlier ones each client is joined")

    def check(self, clients: int) -> None:
        self.check_degree(self.edges, clients, "edges")

    def graph(self, clients: int, seed: int) -> networkx.Graph:
        import networkx

        return networkx.barabasi_albert_graph(clients, self.edges, seed)
