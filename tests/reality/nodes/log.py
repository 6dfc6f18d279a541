"""What a node did and bore, line by line, in the words of a result folder's trace."""

import json
from pathlib import Path
from typing import Any


class Log:
    """A file of JSON lines; each is there, whole, before the node goes on.

    Each has `time_s`, when it began, in the world's time; `duration_s`, 0 for an instant; `node`,
    who did it or bore it; and `kind`. What else there is has the name of the trace's column:

    train            round, attempt
    ping             asked, answered (how many)
    transfer         of a model, by its receiver: node (who sent it), peer (who got it), bytes
    merge            peers (whose models, besides the node's own)
    suspect, trust   peer
    round            of a server: round, asked, updates; a failed one is round_failed
    lead             of a new leader: round, asked, answered (voters, votes)
    update_late      peer
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, kind: str, node: str, began_s: float, ended_s: float, **what: Any) -> None:
        """Add a line, of what ended now."""
        line = {"time_s": began_s, "duration_s": ended_s - began_s, "node": node, "kind": kind}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line | what) + "\n")
