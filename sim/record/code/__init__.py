"""A user's own code: read as text, loaded under names of its own, compared by what it does."""

from sim.record.code.loading import (
    activate,
    active,
    definition,
    everything,
    is_named,
    is_own,
    kinds,
    mistake_in,
    own,
    suggest,
    whose_fault,
)
from sim.record.code.meaning import Meaning, differences, meaning
from sim.record.code.names import speechless
from sim.record.code.source import CODE_FOLDER, NO_CODE, OURS, Code, Module, kept, read

__all__ = [
    "CODE_FOLDER",
    "NO_CODE",
    "OURS",
    "Code",
    "Meaning",
    "Module",
    "activate",
    "active",
    "definition",
    "differences",
    "everything",
    "is_named",
    "is_own",
    "kept",
    "kinds",
    "meaning",
    "mistake_in",
    "own",
    "read",
    "speechless",
    "suggest",
    "whose_fault",
]
