"""The report of `identity evaluate`: figures, curve and scores on one page without scripts or network."""

from __future__ import annotations

import math

import numpy as np

from tellapart.experiments.report.markup import Html, element, join, number, table
from tellapart.identities.evaluating import Evaluation

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; } body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto;
padding: 0 1rem; } table { border-collapse: collapse; } th, td { text-align: left; padding: .2rem .8rem .2rem 0; }
svg { width: 100%; height: auto; } .axis { stroke: #888; } text { font-size: 12px; fill: currentColor; }
.curve { fill: none; stroke: #0b7a5b; stroke-width: 2; } .same { fill: #0b7a5b88; } .other { fill: #b3541e88; }
"""
WIDTH, HEIGHT, RIM = 640, 300, 44
DECADES = 5
"""Powers of ten of the false-accept rate that are drawn."""

BINS = 60


def rows(found: Evaluation) -> list[tuple[str, str, str]]:
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


def page(found: Evaluation, encoder: str) -> str:
    """Write the page."""
    head = element(
        "head",
        Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
        element("title", "Identities told apart"),
        element("style", Html(STYLE)),
    )
    told = f"{encoder}: {found.views:,} views of {found.identities:,} identities"
    explained = (
        "TAR: share of the pairs of one identity that are accepted where at most the rate FAR of other pairs is. DIR:"
        " share of enrolled views that are given their name where at most the rate FPIR of strangers is given any."
        " Intervals resample identities (TAR, EER) or show the middle 95 % of 100 halvings (DIR)."
    )
    body = element(
        "body",
        element("h1", told),
        table(("", "value", "95 % interval"), rows(found)),
        element("p", explained),
        element("h2", "True accepts against false accepts"),
        _curve(found),
        element("h2", "Scores of the same identity (green) and of others (brown)"),
        _scores(found),
    )
    return "<!DOCTYPE html>\n" + element("html", join([head, body]), lang="en") + "\n"


def _between(low: float, high: float, digits: int) -> str:
    return "" if math.isnan(low) else f"{low:.{digits}f} to {high:.{digits}f}"


def _curve(found: Evaluation) -> Html:
    far = np.log10(np.maximum(found.curve.far, 10.0**-DECADES))
    x = RIM + (far + DECADES) / DECADES * (WIDTH - 2 * RIM)
    y = HEIGHT - RIM - found.curve.tar * (HEIGHT - 2 * RIM)
    keep = np.unique(np.linspace(0, len(x) - 1, 600).astype(int))
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x[keep], y[keep], strict=True))
    ticks = [
        element(
            "text",
            f"1e-{DECADES - step}",
            x=RIM + step / DECADES * (WIDTH - 2 * RIM) - 10,
            y=HEIGHT - RIM / 2,
        )
        for step in range(DECADES + 1)
    ]
    levels = [
        element("text", f"{level:.2f}", x=4, y=HEIGHT - RIM - level * (HEIGHT - 2 * RIM) + 4)
        for level in (0, 0.25, 0.5, 0.75, 1)
    ]
    return element(
        "svg", *_axes(), element("polyline", points=points, class_="curve"), *ticks, *levels, **_box()
    )


def _scores(found: Evaluation) -> Html:
    low = float(min(found.genuine.min(), found.impostors.min()))
    high = float(max(found.genuine.max(), found.impostors.max())) + 1e-6
    bars = []
    wide = (WIDTH - 2 * RIM) / BINS
    for values, kind in ((found.genuine, "same"), (found.impostors, "other")):
        counts, _ = np.histogram(values, BINS, (low, high))
        shares = counts / max(counts.max(), 1)
        bars += [
            element(
                "rect",
                x=RIM + place * wide,
                y=HEIGHT - RIM - share * (HEIGHT - 2 * RIM),
                width=wide,
                height=share * (HEIGHT - 2 * RIM),
                class_=kind,
            )
            for place, share in enumerate(shares.tolist())
            if share
        ]
    ticks = [
        element(
            "text",
            f"{low + share * (high - low):.2f}",
            x=RIM + share * (WIDTH - 2 * RIM) - 12,
            y=HEIGHT - RIM / 2,
        )
        for share in (0, 0.25, 0.5, 0.75, 1)
    ]
    return element("svg", *_axes(), *bars, *ticks, **_box())


def _axes() -> list[Html]:
    floor = HEIGHT - RIM
    return [
        element("line", x1=RIM, y1=floor, x2=WIDTH - RIM, y2=floor, class_="axis"),
        element("line", x1=RIM, y1=RIM, x2=RIM, y2=floor, class_="axis"),
    ]


def _box() -> dict[str, str]:
    return {"viewBox": f"0 0 {WIDTH} {HEIGHT}", "role": "img"}
