"""BrainTorrent: each client asks its peers for newer models, merges them and fine-tunes.

Roy, Siddiqui, Pölsterl, Navab, Wachinger, "BrainTorrent: A Peer-to-Peer Environment for
Decentralized Federated Learning", 2019, arXiv 1905.06731, section 2.
"""

import asyncio
from typing import ClassVar

from tests.reality.nodes.node import Protocol
from tests.reality.nodes.wire import Fields, Reply

Versions = dict[str, int]
"""How often whose model had been fine-tuned."""


class BrainTorrent(Protocol):
    """A client at its own pace. Settings: `ping_timeout`, `transfer_timeout`."""

    only: ClassVar = {
        "schedule": "independent",
        "peers": "all",
        "max_senders": "all",
        "transfer": "whole",
    }

    async def run(self) -> None:
        while True:
            arrived: Versions = {}
            if self.version:  # Who never trained only trains.
                arrived = await self.newer_models()
            if arrived:
                await self.node.merge(arrived)
            await self.node.train()
            self.node.keep_trained(merged=self.merged | arrived)

    @property
    def version(self) -> int:
        """How often the client has fine-tuned its model."""
        return int(self.node.storage.get("rounds", 0))

    @property
    def merged(self) -> Versions:
        """Which version of each peer's model is in its own."""
        return dict(self.node.storage.get("merged", {}))

    async def newer_models(self) -> Versions:
        """Ping all, fetch from those with v_new > v_old; the versions that came."""
        peers = self.node.trusted(self.node.neighbours)
        answers = await self.node.ping(peers, self.settings["ping_timeout"])
        merged = self.merged
        newer = [p for p, told in answers.items() if told["version"] > merged.get(p, 0)]
        fetched = await asyncio.gather(*map(self.fetch, newer))
        return {peer: version for peer, version in zip(newer, fetched, strict=True) if version}

    async def fetch(self, peer: str) -> int | None:
        """A peer's model, as it is when it is asked: its version, or None if it doesn't come."""
        within_s = self.settings["transfer_timeout"]
        reply = await self.node.reach(peer, "ask_weights", within_s=within_s)
        return None if reply is None else reply.fields["version"]

    # -- what others ask -----------------------------------------------------------------------

    def pinged(self) -> Fields:
        return {"version": self.version}

    def on_ask_weights(self, _: str) -> Reply:
        return Reply({"version": self.version}, self.node.config.model_bytes)
