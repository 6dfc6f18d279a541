"""Data frames, statistics and figures from result folders, which is all that is read here.

`load` a folder of `braintorrent run` or `sweep`, read its `scores` and its `trace`, give them to
the functions of `analysis.metrics`, and what comes out, one row per run, to those of
`analysis.statistics`.
"""

from analysis import metrics, statistics
from analysis.loading import load, load_run, load_sweep
from analysis.metrics import *  # noqa: F403
from analysis.results import Results
from analysis.statistics import *  # noqa: F403
from analysis.tables.closing import closing_table
from analysis.tuning import tuned
from sim.record.errors import ResultError

__all__ = ["ResultError", "Results", "load", "load_run", "load_sweep"]
__all__ += ["closing_table", "tuned"]
__all__ += metrics.__all__
__all__ += statistics.__all__
