"""Pure functions from score and trace frames to what runs are compared by.

All take frames as `Results.scores` and `Results.trace` give them, and give one row per run, look,
node or failure; a run is one (point, protocol, seed), and none is left out without a word.
"""

from analysis.metrics.clients import (
    at_own_site,
    fairness_over_time,
    of_model,
    over_clients,
    staleness_over_time,
)
from analysis.metrics.common import LOOK, RUN
from analysis.metrics.costs import COST_KINDS, COSTS, costs
from analysis.metrics.presence import (
    PRESENCE_KINDS,
    SUSPICION_KINDS,
    catching_up,
    presence,
    suspicions,
)
from analysis.metrics.progress import (
    area_under_curve,
    final,
    progress_after_crash,
    recovery_of_score,
    to_target,
)
from analysis.metrics.stages import SCORES, reached_target, score_curves, score_name
from analysis.metrics.states import (
    OUTAGE_KINDS,
    RECOVERY_KINDS,
    SHARES,
    STATE_KINDS,
    outages,
    recovery_of_nodes,
    time_by_state,
    time_shares,
)
from analysis.metrics.work import (
    LOSS_KINDS,
    WORK_KINDS,
    at_equal_work,
    cumulated,
    epochs_per_round,
    lost_by_cause,
    not_after,
    round_lengths,
    thinned_work,
    with_work,
    work_lost,
)

__all__ = [
    "COSTS",
    "COST_KINDS",
    "LOOK",
    "LOSS_KINDS",
    "OUTAGE_KINDS",
    "PRESENCE_KINDS",
    "RECOVERY_KINDS",
    "RUN",
    "SCORES",
    "SHARES",
    "STATE_KINDS",
    "SUSPICION_KINDS",
    "WORK_KINDS",
    "area_under_curve",
    "at_equal_work",
    "at_own_site",
    "catching_up",
    "costs",
    "cumulated",
    "epochs_per_round",
    "fairness_over_time",
    "final",
    "lost_by_cause",
    "not_after",
    "of_model",
    "outages",
    "over_clients",
    "presence",
    "progress_after_crash",
    "reached_target",
    "recovery_of_nodes",
    "recovery_of_score",
    "round_lengths",
    "score_curves",
    "score_name",
    "staleness_over_time",
    "suspicions",
    "thinned_work",
    "time_by_state",
    "time_shares",
    "to_target",
    "with_work",
    "work_lost",
]
