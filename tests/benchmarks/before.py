"""An earlier revision of this program, to be measured beside this one."""

import io
import subprocess
import tarfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def checkout(revision: str, into: Path) -> Path:
    """Unpack a revision's files into a folder; that folder."""
    archive = subprocess.run(
        ["git", "archive", revision], cwd=ROOT, check=True, capture_output=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(into, filter="data")
    return into
