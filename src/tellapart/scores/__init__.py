"""What the vectors and scores of an index are worth: diagnostics, probabilities of hits, thresholds with a promise.

from tellapart.scores import calibrate

calibrate(index)                       # from now on hits have a probability
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tellapart.public import lazily

if TYPE_CHECKING:
    from tellapart.scores.answers import search_with_coverage, search_with_precision
    from tellapart.scores.calibrating import CalibrationReport, calibrate
    from tellapart.scores.calibration import (
        CalibrationQuality,
        HitCalibrator,
        cross_fitted,
        expected_calibration_error,
    )
    from tellapart.scores.clones import Clones, find_clones
    from tellapart.scores.inspecting import Inspection, inspect_index
    from tellapart.scores.thresholds import (
        KeptThreshold,
        false_accept_threshold,
        precision_threshold,
        recall_threshold,
    )
    from tellapart.scores.vectors import Diagnostic

__all__ = [
    "CalibrationQuality",
    "CalibrationReport",
    "Clones",
    "Diagnostic",
    "HitCalibrator",
    "Inspection",
    "KeptThreshold",
    "calibrate",
    "cross_fitted",
    "expected_calibration_error",
    "false_accept_threshold",
    "find_clones",
    "inspect_index",
    "precision_threshold",
    "recall_threshold",
    "search_with_coverage",
    "search_with_precision",
]

__getattr__ = lazily(
    __name__,
    {
        "tellapart.scores.answers": (
            "search_with_coverage",
            "search_with_precision",
        ),
        "tellapart.scores.calibrating": (
            "CalibrationReport",
            "calibrate",
        ),
        "tellapart.scores.calibration": (
            "CalibrationQuality",
            "HitCalibrator",
            "cross_fitted",
            "expected_calibration_error",
        ),
        "tellapart.scores.clones": (
            "Clones",
            "find_clones",
        ),
        "tellapart.scores.vectors": ("Diagnostic",),
        "tellapart.scores.inspecting": (
            "Inspection",
            "inspect_index",
        ),
        "tellapart.scores.thresholds": (
            "KeptThreshold",
            "false_accept_threshold",
            "precision_threshold",
            "recall_threshold",
        ),
    },
)


def __dir__() -> list[str]:
    return __all__
