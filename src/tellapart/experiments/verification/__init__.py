"""Do vectors tell identities apart? Verification (1:1), identification (1:N) and retrieval, blockwise, in numpy."""

from tellapart.experiments.verification.identification import Identification as Identification
from tellapart.experiments.verification.identification import Neighbours as Neighbours
from tellapart.experiments.verification.identification import identify_all as identify_all
from tellapart.experiments.verification.identification import nearest_neighbours as nearest_neighbours
from tellapart.experiments.verification.pairs import PairScores as PairScores
from tellapart.experiments.verification.thresholds import Acceptance as Acceptance
from tellapart.experiments.verification.thresholds import Roc as Roc
from tellapart.experiments.verification.thresholds import equal_error_rate as equal_error_rate
from tellapart.experiments.verification.thresholds import guaranteed_threshold as guaranteed_threshold
from tellapart.experiments.verification.thresholds import min_dcf as min_dcf
from tellapart.experiments.verification.thresholds import roc as roc
from tellapart.experiments.verification.thresholds import tar_at_far as tar_at_far
from tellapart.experiments.verification.thresholds import threshold_at_far as threshold_at_far
