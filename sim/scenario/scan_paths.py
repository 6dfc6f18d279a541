"""The places of a user's scans, made absolute so that a stored scenario stands on its own."""

from __future__ import annotations

import os
from pathlib import Path

from sim.scenario.yaml_loader import Document

_NAMES = ("scans", "label_map")


def with_scan_paths(document: Document, folder: Path) -> None:
    """Let the paths that ``task`` names, which are relative to ``folder``, say where they lead.

    Links are not followed: what a file names in turn is relative to where the user put it.
    """
    task = document.value.get("task")
    if not isinstance(task, dict):
        return
    for name in _NAMES:
        if isinstance(path := task.get(name), str) and path:
            task[name] = os.path.abspath(folder / path)
