"""The report of `identity evaluate`: figures, curve and scores."""

from __future__ import annotations

import math

import numpy as np

from tellapart.identities.evaluating import IdentityEvaluation
from tellapart.pages.charts import Chart, Scale, histogram, line, upward
from tellapart.pages.rendering import number, render_page

DECADES = 5
"""Powers of ten of the false-accept rate that are drawn: a lower rate
than 1e-5 needs more than 3 million pairs of strangers (30 errors)."""

BINS = 60
"""Of the histogram of scores: about the square root of 4,000 scores, and wide enough to see on a page."""

POINTS = 600
"""Of the curve that are drawn at most: the width of the picture in pixels."""


def rows(found: IdentityEvaluation) -> list[tuple[str, str, str]]:
    """Give the figures: what, value, 95 % interval."""
    lines = [
        ("nearest other view is of the same identity (rank-1)", number(found.rank1), ""),
        ("MAP@R", number(found.map_at_r), ""),
        ("equal error rate", f"{found.eer:.4f}", _between(found.eer_low, found.eer_high, 4)),
    ]
    for rate, accept in found.accepts:
        lines.append((f"TAR at FAR {rate:g}", number(accept.tar), _between(accept.low, accept.high, 3)))
    for detection in found.detections:
        between = _between(detection.low, detection.high, 3)
        lines.append((f"DIR at FPIR {detection.fpir:g}, half enrolled", number(detection.mean), between))
    return lines


def page(found: IdentityEvaluation, encoder: str) -> str:
    """Write the page."""
    return render_page(
        "identities.html",
        title=f"{encoder}: {found.views:,} views of {found.identities:,} identities",
        rows=rows(found),
        charts=[_curve(found), _scores(found)],
    )


def _between(low: float, high: float, digits: int) -> str:
    return "" if math.isnan(low) else f"{low:.{digits}f} to {high:.{digits}f}"


def _curve(found: IdentityEvaluation) -> Chart:
    across, (marks, grid) = Scale(-DECADES, 0), upward(Scale(0, 1))
    rates = np.log10(np.maximum(found.curve.far, 10.0**-DECADES))
    drawn = np.unique(np.linspace(0, len(rates) - 1, POINTS).astype(int))
    points = [(across(rates[at]), 100 * (1 - found.curve.tar[at])) for at in drawn]
    return Chart(
        "True accepts against false accepts",
        [*grid, line(points, "curve choice")],
        marks,
        [(across(power), f"1e{power}" if power else "1") for power in range(-DECADES, 1)],
        "TAR against FAR (logarithmic)",
    )


def _scores(found: IdentityEvaluation) -> Chart:
    low = float(min(found.genuine.min(), found.impostors.min()))
    high = float(max(found.genuine.max(), found.impostors.max())) + 1e-6
    groups = [
        (name, kind, np.histogram(values, BINS, (low, high))[0].tolist())
        for name, kind, values in (
            ("same identity", "choice", found.genuine),
            ("different identities", "other", found.impostors),
        )
    ]
    return histogram("Scores of pairs", low, high, groups)
