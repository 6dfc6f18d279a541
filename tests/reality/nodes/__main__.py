"""One node in a process of its own: `python -m tests.reality.nodes CONFIG`."""

import asyncio
import sys
from pathlib import Path

from tests.reality.nodes.config import Config
from tests.reality.nodes.node import Node
from tests.reality.nodes.protocols import protocol


def main() -> None:
    config = Config.load(Path(sys.argv[1]))
    asyncio.run(Node(config, protocol(config)).live())


if __name__ == "__main__":
    main()
