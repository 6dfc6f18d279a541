"""Stable storage: what a node still knows when it is back from a crash."""

import json
import os
from pathlib import Path
from typing import Any


class Storage:
    """A few named values in a file of a folder, replaced as a whole.

    A model is bytes of nothing, so what is kept of it is which one it is.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "kept.json"
        self._kept: dict[str, Any] = {}
        if self._file.exists():
            self._kept = json.loads(self._file.read_text(encoding="utf-8"))

    def get(self, name: str, default: Any) -> Any:
        """What was last kept by that name."""
        return self._kept.get(name, default)

    def keep(self, **changes: Any) -> None:
        """Keep all of this, or, if the process is killed meanwhile, nothing of it."""
        self._kept |= changes
        whole = self._file.with_suffix(".part")
        whole.write_text(json.dumps(self._kept), encoding="utf-8")
        os.replace(whole, self._file)  # Processes die here, not disks: no need to flush.
