"""For tests of your own protocols, faults, partitions and networks.

`play` plays a protocol in a tiny world, whose times you work out by hand; `check_protocol` lets it
meet random ones, in which it must keep what all protocols promise. Neither trains anything: of a
model is known whose local rounds are in it. A protocol in which each client passes its model on:

>>> from braintorrent.extend import Protocol, Running
>>> class Passing(Running):
...     def behaviour(self, node):
...         world = self.world
...         right = world.clients[(node.index + 1) % len(world.clients)]
...         while True:
...             came = {each.source: each.payload for each in node.inbox}
...             node.inbox.clear()
...             base = world.averaged(came | {node.index: node.storage.model})
...             model = yield from node.train(base)
...             if model is not None:
...                 node.keep(model)
...                 if not self.suspects(node, right.index):
...                     node.offer(right, world.model_bytes, model)
>>> class Pass(Protocol):
...     def run(self, world):
...         return Passing(world)
>>> played = play(Pass, until_s=6.0, round_s=[2.0, 3.0])
>>> played.of("transfer")
[(3.0, 'client_0', 'transfer'), (4.0, 'client_1', 'transfer'), (5.0, 'client_0', 'transfer')]
>>> played.merges[0]
Merge(time_s=6.0, node='client_1', weights={'client_0.1': 0.5, 'client_1.1': 0.5})
>>> check_protocol(Pass, worlds=5)["transfer"] > 0
True
"""

from braintorrent import check_imports

check_imports()  # A user's `models.py` beside the test would otherwise be read for ours.

from braintorrent.testing.broken import Broken  # noqa: E402
from braintorrent.testing.checks import check_fault, check_protocol  # noqa: E402
from braintorrent.testing.networks import check_network  # noqa: E402
from braintorrent.testing.partitions import check_partition  # noqa: E402
from braintorrent.testing.playing import Merge, Played, play  # noqa: E402
from braintorrent.testing.tiny import scripted  # noqa: E402

__all__ = [
    "Broken",
    "Merge",
    "Played",
    "check_fault",
    "check_network",
    "check_partition",
    "check_protocol",
    "play",
    "scripted",
]
