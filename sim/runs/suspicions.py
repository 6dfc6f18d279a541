"""What each node believes of the others, as rows of the trace; nobody but the observer sees it."""

from collections.abc import Callable

import numpy as np

from sim.world import Behaviour, Node, World


def remembered(
    world: World, node: Node, behave: Callable[[], Behaviour]
) -> Callable[[], Behaviour]:
    """`behave`, beside which the trace is told whenever the node's belief in another changes.

    That takes no virtual time, and no luck from anybody. A crash ends it; who starts anew suspects
    nobody.
    """

    def both() -> Behaviour:
        node.spawn(_believe(world, node))
        return behave()

    return both


def _believe(world: World, node: Node) -> Behaviour:
    peers = np.array([one.index for one in world.nodes if one is not node], dtype=np.int64)
    names = [one.name for one in world.nodes if one is not node]
    believed = np.zeros(len(peers), dtype=np.bool_)
    while True:
        # Who hasn't joined, or has left, is not believed to be down: it isn't expected.
        expected = world.network.members(node.index, peers)
        suspected = world.detector.suspects(node.index, peers) & expected
        for place in np.flatnonzero(suspected != believed).tolist():
            kind = "suspect" if suspected[place] else "trust"
            world.trace.record(world.clock.now, node.name, kind, peer=names[place])
        believed = suspected
        watch = world.detector.watch(node.index, peers)
        try:
            yield watch.news
        finally:
            watch.end()
