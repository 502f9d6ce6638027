"""Does a gallery still fit whom it meets? Views added automatically, and the scores of those who were recognised."""

from __future__ import annotations

import numpy as np

from tellapart.errors import TellapartError
from tellapart.identities.gallery import Gallery
from tellapart.identities.matching import unit

LEAST = 20
"""Answers in each half of the log that can say something: 20 of normal scores show a fall of one standard
deviation in three of four trials at the level below, 10 in one of three."""

ALPHA = 0.01
"""Significance of a fall in the scores looked at often, so stricter than .05: once a week
for two years warns falsely once."""


def find_drift(gallery: Gallery) -> list[str]:
    """Say in words what drifted; nothing where nothing did, or nothing can be said."""
    return [*_strayed(gallery), *_fallen(gallery)]


def _strayed(gallery: Gallery) -> list[str]:
    """Identities whose automatic views no longer look like what a person enrolled."""
    try:
        calibration = gallery.calibrate()
        bound = calibration.fpir_bound(None, gallery.assumed)
    except TellapartError:
        return []
    found = []
    for identity in gallery.identities():
        if not identity.automatic:
            continue
        known = gallery.store.templates(gallery.encoder.dim, of=[identity.number])
        vectors = gallery.known().transformed(known.vectors)
        if known.automatic.all():
            found.append(f"{identity.name!r} has automatic views only: enrol one by hand, or delete it")
            continue
        first = unit(vectors[~known.automatic].mean(axis=0)[None])[0]
        scores = vectors[known.automatic] @ first
        if float(scores.mean()) <= bound.threshold:
            found.append(
                f"{identity.name!r}: its {len(scores)} automatic views score {scores.mean():.3f} on average with those"
                f" a person enrolled, needed are {bound.threshold:.3f}: look at them, delete or split them"
            )
    return found


def _fallen(gallery: Gallery) -> list[str]:
    """Scores of those recognised, the later half of the log against the earlier: one-sided rank test."""
    scores = np.array(
        [entry.details["score"] for entry in gallery.log() if entry.action == "identify" and entry.identities]
    )
    half = len(scores) // 2
    if half < LEAST:
        return []
    from scipy.stats import mannwhitneyu

    p = float(mannwhitneyu(scores[half:], scores[:half], alternative="less").pvalue)
    if p >= ALPHA:
        return []
    return [
        f"those recognised score {np.median(scores[half:]):.3f} lately, {np.median(scores[:half]):.3f} before"
        f" (p {p:.4f}): enrol fresh views, or see what changed at the camera"
    ]
