"""Gossip, a network and a fault, as a user writes them."""

from torch import nn

from braintorrent import extend as own


class Gossip(own.Protocol):
    """Each client averages what has come, trains, and sends its model to another one."""

    period: own.PositiveSeconds = 20.0

    def run(self, world: own.World) -> own.Running:
        return Gossiping(world, self.period)


class Gossiping(own.Running):
    def __init__(self, world: own.World, period_s: float) -> None:
        super().__init__(world)
        self.period_s = period_s

    def behaviour(self, node: own.Node) -> own.Behaviour:
        others = [other for other in self.world.clients if other is not node]
        draws = self.world.streams.stream("gossip", node.name, node.rounds)
        while True:
            came = {transfer.source: transfer.payload for transfer in node.inbox}
            node.inbox.clear()
            base = self.world.averaged(came | {node.index: node.storage.model})
            node.storage.received = base
            model = yield from node.train(base)
            if model is not None:
                node.keep(model)
                other = others[draws.integers(len(others))]
                node.offer(other, self.world.model_bytes, model)
            yield self.world.clock.after(self.period_s, own.Tie.TIMEOUT)


class Blackout(own.Fault):
    """All clients are down for a while."""

    at: own.Seconds
    lasts: own.PositiveSeconds

    def start(self, name: str, world: own.World) -> None:
        world.clock.process(self._dark(name, world))

    def _dark(self, name: str, world: own.World) -> own.Behaviour:
        yield world.clock.at(self.at, own.Tie.FAULT)
        for node in world.clients:
            node.crash(name)
        yield world.clock.after(self.lasts, own.Tie.FAULT)
        for node in world.clients:
            node.recover(name)


def small(input_shape: tuple[int, ...], outputs: int, *, width: int = 8) -> nn.Module:
    """One hidden layer."""
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(width), nn.ReLU(), nn.Linear(width, outputs))
