"""A run in which everything that a user can name would be markup, if it were let."""

import json
from pathlib import Path

from tests.analysis.folders import described, edit_record, two_looks, write_run

NAMES = ("<b>one</b>", "</script><script>alert(1)</script>", "&lt;'\"%{x}${y}")
QUESTION = "<img src=http://127.0.0.1:9/a onerror=alert(2)> & why?"
CAUSE = "<a href='http://127.0.0.1:9/b'>out of memory</a>"


def an_evil_run(folder: Path) -> Path:
    """Three protocols of kind local, with two seeds, one of which has failed once."""
    scenario = described("question=what?")
    local = scenario.protocols["local"]
    update = {"protocols": dict.fromkeys(NAMES, local), "question": QUESTION, "name": "<i>evil</i>"}
    scenario = scenario.model_copy(update=update)
    write_run(folder, scenario, two_looks, failed=[("base", NAMES[0], 1)])
    runs = json.loads((folder / "run.json").read_text())["runs"]
    causes = [CAUSE if run["status"] == "failed" else "" for run in runs]
    told = [run | {"cause": cause} for run, cause in zip(runs, causes, strict=True)]
    edit_record(folder / "run.json", runs=told)
    return folder
