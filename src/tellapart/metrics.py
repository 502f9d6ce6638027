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
    from tellapart.experiments.measures import Evaluation, Measure, evaluate_run
    from tellapart.experiments.qrels import Qrels, read_qrels
    from tellapart.experiments.statistics import Comparison, compare, holm
    from tellapart.experiments.trec import read_run, write_run
    from tellapart.experiments.verification import (
        Acceptance,
        Identification,
        Neighbours,
        PairScores,
        Roc,
        equal_error_rate,
        guaranteed_threshold,
        identify_all,
        min_dcf,
        nearest_neighbours,
        roc,
        tar_at_far,
        threshold_at_far,
    )
    from tellapart.rankers.run import RankedDocuments, Run
    from tellapart.scores.calibration import expected_calibration_error

__all__ = [
    "Acceptance",
    "Comparison",
    "Evaluation",
    "Identification",
    "Measure",
    "Neighbours",
    "PairScores",
    "Qrels",
    "RankedDocuments",
    "Roc",
    "Run",
    "compare",
    "equal_error_rate",
    "evaluate_run",
    "expected_calibration_error",
    "guaranteed_threshold",
    "holm",
    "identify_all",
    "min_dcf",
    "nearest_neighbours",
    "read_qrels",
    "read_run",
    "roc",
    "tar_at_far",
    "threshold_at_far",
    "write_run",
]

__getattr__ = lazily(
    __name__,
    {
        "tellapart.experiments.qrels": (
            "Qrels",
            "read_qrels",
        ),
        "tellapart.experiments.measures": (
            "Evaluation",
            "Measure",
            "evaluate_run",
        ),
        "tellapart.experiments.statistics": (
            "Comparison",
            "compare",
            "holm",
        ),
        "tellapart.experiments.trec": (
            "read_run",
            "write_run",
        ),
        "tellapart.experiments.verification": (
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
        ),
        "tellapart.rankers.run": (
            "RankedDocuments",
            "Run",
        ),
        "tellapart.scores.calibration": ("expected_calibration_error",),
    },
)


def __dir__() -> list[str]:
    return __all__
