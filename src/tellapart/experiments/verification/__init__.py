"""Do vectors tell identities apart? Verification (1:1), identification (1:N) and retrieval, blockwise, in numpy."""

from tellapart.experiments.verification.identification import (
    Identification,
    Neighbours,
    identify_all,
    nearest_neighbours,
)
from tellapart.experiments.verification.pairs import PairScores
from tellapart.experiments.verification.thresholds import (
    Acceptance,
    Roc,
    equal_error_rate,
    guaranteed_threshold,
    min_dcf,
    roc,
    tar_at_far,
    threshold_at_far,
)

__all__ = [
    "Acceptance",
    "Identification",
    "Neighbours",
    "PairScores",
    "Roc",
    "equal_error_rate",
    "guaranteed_threshold",
    "identify_all",
    "min_dcf",
    "nearest_neighbours",
    "roc",
    "tar_at_far",
    "threshold_at_far",
]
