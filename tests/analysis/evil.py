"""A run in which everything that a user can name would be markup somewhere, if it were let."""

import json
from collections.abc import Sequence
from pathlib import Path

from sim.record.rows import ScoreRow, TraceRow
from tests.analysis.folders import Run, described, edit_record, score, two_looks, write_run

HTML = ("<b>one</b>", "</script><script>alert(1)</script>", "&lt;'\"%{x}${y}")
NAMES = (
    *HTML,
    "[red]two[/red] [/] :100:",
    "\x1b[31mred\x1b[2J\x07",
    "\u202egpj.exe",
    r"$x_1$ \frac{1",
    "=1+1",
    "@SUM(A1)",
    "-1+1|cmd",
    "a|b *c* _d_ `e` ~f~",
    "[g](http://127.0.0.1:9/h)",
    r"\textbf{i} ~ ^ # % &",
    "_j",
    "../../k",
    "%s {0} l",
    "m\tn\ro",
    "\u00df \u03c0 \u0416",
)
"""Of protocols."""
DRAWN = {
    NAMES[4]: r"\x1b[31mred\x1b[2J\x07",
    NAMES[5]: r"\u202egpj.exe",
    "m\tn\ro": r"m\tn\ro",
}
"""What is seen of those that hold commands; of all others what they are."""
QUESTION = "<img src=http://127.0.0.1:9/a onerror=alert(2)> & $why$?\x1b[2J"
CAUSE = "<a href='http://127.0.0.1:9/b'>out of [red]memory</a>\x1b[2J"
CAUTION = "[bold]not :100: fair[/bold] <i>at</i> all\x1b[2J"
STRUCTURES = ("$left$ _hippo_", "<i>right</i>\x1b", "=amygdala")
COMMANDS = ("\x1b", "\x07", "\u202e", "\r")
"""What no terminal, page or picture may get of them."""


def an_evil_run(folder: Path, names: Sequence[str] = HTML) -> Path:
    """Protocols of kind local, with two seeds, one of which has failed once."""
    local = described("question=what?").protocols["local"]
    update = {"protocols": dict.fromkeys(names, local), "question": QUESTION, "name": "<i>evil</i>"}
    scenario = described("question=what?").model_copy(update=update)
    write_run(folder, scenario, _looks, failed=[("base", names[0], 1)])
    record = json.loads((folder / "run.json").read_text())
    causes = [CAUSE if run["status"] == "failed" else "" for run in record["runs"]]
    edit_record(
        folder / "run.json",
        runs=[run | {"cause": cause} for run, cause in zip(record["runs"], causes, strict=True)],
        cautions=[{"kind": "data", "protocol": None, "text": CAUTION, "seeds": [0, 1]}],
        directions=record["directions"] | {"dice": "higher"},
    )
    return folder


def _looks(run: Run) -> tuple[Sequence[ScoreRow], Sequence[TraceRow]]:
    scores, traces = two_looks(run)
    structures = [
        score(run, 60.0, node, 0.5, metric=f"dice_{name}")
        for node in ("client_0", "client_1")
        for name in STRUCTURES
    ]
    return [*scores, *structures], traces


def drawn(name: str) -> str:
    """What is to be seen of a name."""
    return DRAWN.get(name, name)
