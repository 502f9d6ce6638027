"""What the vectors and scores of an index are worth: diagnostics, probabilities of hits, thresholds with a promise.

from tellapart.scores import calibrate

calibrate(index)                       # from now on hits have a probability
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tellapart.public import lazily

if TYPE_CHECKING:
    from tellapart.scores.answers import search_with_coverage as search_with_coverage
    from tellapart.scores.answers import search_with_precision as search_with_precision
    from tellapart.scores.calibrating import CalibrationReport as CalibrationReport
    from tellapart.scores.calibrating import calibrate as calibrate
    from tellapart.scores.calibration import CalibrationQuality as CalibrationQuality
    from tellapart.scores.calibration import HitCalibrator as HitCalibrator
    from tellapart.scores.calibration import cross_fitted as cross_fitted
    from tellapart.scores.calibration import expected_calibration_error as expected_calibration_error
    from tellapart.scores.clones import Clones as Clones
    from tellapart.scores.clones import find_clones as find_clones
    from tellapart.scores.inspecting import Inspection as Inspection
    from tellapart.scores.inspecting import inspect_index as inspect_index
    from tellapart.scores.thresholds import KeptThreshold as KeptThreshold
    from tellapart.scores.thresholds import false_accept_threshold as false_accept_threshold
    from tellapart.scores.thresholds import precision_threshold as precision_threshold
    from tellapart.scores.thresholds import recall_threshold as recall_threshold
    from tellapart.scores.vectors import Diagnostic as Diagnostic

__getattr__, __dir__, __all__ = lazily(__name__)
