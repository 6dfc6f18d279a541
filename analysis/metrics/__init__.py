"""Pure functions from score and trace frames to what runs are compared by, one concept a file.

All take frames as `Results.scores` and `Results.trace` give them, and give one row per run, look,
node or failure; a run is one (point, protocol, seed), and none is left out without a word.
"""

from analysis.metrics.clients import of_model, over_clients
from analysis.metrics.common import LOOK, RUN
from analysis.metrics.equal_work import at_equal_work
from analysis.metrics.fairness import fairness_over_time
from analysis.metrics.losses import LOSS_KINDS, lost_by_cause, work_lost
from analysis.metrics.own_site import at_own_site
from analysis.metrics.progress import area_under_curve, final, progress_after_crash
from analysis.metrics.recovery import RECOVERY_KINDS, recovery_of_nodes, recovery_of_score
from analysis.metrics.staleness import staleness_over_time
from analysis.metrics.states import OUTAGE_KINDS, STATE_KINDS, outages, time_by_state
from analysis.metrics.targets import to_target, with_work
from analysis.metrics.work import WORK_KINDS, cumulated, epochs_per_round

__all__ = [
    "LOOK",
    "LOSS_KINDS",
    "OUTAGE_KINDS",
    "RECOVERY_KINDS",
    "RUN",
    "STATE_KINDS",
    "WORK_KINDS",
    "area_under_curve",
    "at_equal_work",
    "at_own_site",
    "cumulated",
    "epochs_per_round",
    "fairness_over_time",
    "final",
    "lost_by_cause",
    "of_model",
    "outages",
    "over_clients",
    "progress_after_crash",
    "recovery_of_nodes",
    "recovery_of_score",
    "staleness_over_time",
    "time_by_state",
    "to_target",
    "with_work",
    "work_lost",
]
