"""What a ranking, a pair of vectors or a probability is worth.

    from tellapart.metrics import PairScores, tar_at_far

    tar_at_far(PairScores.within(vectors, labels), 1e-3)

Rankings: measures spelled as ir_measures spells them, runs and judgements as TREC has them, paired comparisons.
Vectors with labels: verification (1:1), identification (1:N), nearest neighbours. Probabilities: calibration error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tellapart.public import lazily

if TYPE_CHECKING:
    from tellapart.experiments.measures import Evaluation as Evaluation
    from tellapart.experiments.measures import Measure as Measure
    from tellapart.experiments.measures import evaluate_run as evaluate_run
    from tellapart.experiments.qrels import Qrels as Qrels
    from tellapart.experiments.qrels import read_qrels as read_qrels
    from tellapart.experiments.statistics import Comparison as Comparison
    from tellapart.experiments.statistics import compare as compare
    from tellapart.experiments.statistics import holm as holm
    from tellapart.experiments.trec import read_run as read_run
    from tellapart.experiments.trec import write_run as write_run
    from tellapart.experiments.verification import Acceptance as Acceptance
    from tellapart.experiments.verification import Identification as Identification
    from tellapart.experiments.verification import Neighbours as Neighbours
    from tellapart.experiments.verification import PairScores as PairScores
    from tellapart.experiments.verification import Roc as Roc
    from tellapart.experiments.verification import equal_error_rate as equal_error_rate
    from tellapart.experiments.verification import guaranteed_threshold as guaranteed_threshold
    from tellapart.experiments.verification import identify_all as identify_all
    from tellapart.experiments.verification import min_dcf as min_dcf
    from tellapart.experiments.verification import nearest_neighbours as nearest_neighbours
    from tellapart.experiments.verification import roc as roc
    from tellapart.experiments.verification import tar_at_far as tar_at_far
    from tellapart.experiments.verification import threshold_at_far as threshold_at_far
    from tellapart.rankers.run import RankedDocuments as RankedDocuments
    from tellapart.rankers.run import Run as Run
    from tellapart.scores.calibration import expected_calibration_error as expected_calibration_error

__getattr__, __dir__, __all__ = lazily(__name__)
