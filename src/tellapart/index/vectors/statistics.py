"""Moments and spectrum kept as derived files, so that a search process reads instead of computing them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.index.vectors.derived import fingerprint, load_or_make
from tellapart.index.vectors.halves import Halves
from tellapart.index.vectors.moments import Moments, Spectrum

_SPECTRUM_FIELDS = ("n", "values", "vectors", "mean", "mean_eigenvalue")


def moments_name(segment: Halves) -> str:
    """Name of the derived file with the moments of one segment."""
    return f"moments-{fingerprint(segment)}"


def segment_moments(folder: Path | None, segment: Halves) -> Moments:
    """Moments of all rows of one segment, the later dead included; they never change."""

    def make() -> dict[str, NDArray[np.float64]]:
        made = Moments.of([np.asarray(segment)], segment.shape[1])
        return {"n": np.array(float(made.n)), "total": made.total, "gram": made.gram}

    stored = load_or_make(folder, moments_name(segment), make)
    return Moments(int(stored["n"]), stored["total"], stored["gram"])


def spectrum_name(version: str) -> str:
    """Name of the derived file with the spectrum of one version of the data."""
    return f"spectrum-{version}"


def stored_spectrum(folder: Path | None, version: str, moments: Callable[[], Moments]) -> Spectrum:
    """Spectrum of all live rows of one version of the data."""

    def make() -> dict[str, NDArray[np.float64]]:
        made = Spectrum.of(moments())
        return {name: np.asarray(getattr(made, name), dtype=np.float64) for name in _SPECTRUM_FIELDS}

    stored = load_or_make(folder, spectrum_name(version), make)
    return Spectrum(
        int(stored["n"]),
        stored["values"],
        stored["vectors"],
        stored["mean"],
        float(stored["mean_eigenvalue"]),
    )
