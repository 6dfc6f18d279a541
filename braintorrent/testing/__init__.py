"""What tests of your own protocols, faults, partitions and networks need."""

from braintorrent import check_imports

check_imports()  # A user's `models.py` beside the test would otherwise be read for ours.

from braintorrent.testing.broken import Broken  # noqa: E402
from braintorrent.testing.checks import check_fault, check_protocol  # noqa: E402
from braintorrent.testing.playing import Merge, Played, play  # noqa: E402
from braintorrent.testing.tiny import scripted  # noqa: E402

__all__ = [
    "Broken",
    "Merge",
    "Played",
    "check_fault",
    "check_protocol",
    "play",
    "scripted",
]
