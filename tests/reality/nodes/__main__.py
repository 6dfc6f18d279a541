"""One node in a process of its own: `python -m tests.reality.nodes CONFIG`."""

import asyncio
import sys
import time
from pathlib import Path

from tests.reality.nodes.config import Config
from tests.reality.nodes.node import Node
from tests.reality.nodes.protocols import protocol


def main() -> None:
    config = Config.load(Path(sys.argv[1]))
    if config.begins_s > 0:  # What is in storage by then counts.
        time.sleep(max(0.0, config.start_at + config.begins_s - time.monotonic()))
    asyncio.run(Node(config, protocol(config)).live())


if __name__ == "__main__":
    main()
