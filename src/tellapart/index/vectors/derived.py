"""Files that can be computed again from the vectors: kept in a folder, keyed by what they came from."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.index.vectors.moments import Moments, Spectrum
from tellapart.index.vectors.segment import replace
from tellapart.index.vectors.stored import StoredRows

Arrays = Mapping[str, NDArray[np.float64]]

# Part of every key: raise it when the content of any derived file changes its meaning.
FORMAT = "2"
_SAMPLED_ROWS = 64


def fingerprint(segment: StoredRows) -> str:
    """Hash a segment's name, shape and 64 evenly spaced rows: enough for files that never change."""
    digest = hashlib.sha256(f"{FORMAT} {segment.shape}".encode())
    name = getattr(segment, "filename", None)
    digest.update(Path(str(name)).name.encode() if name else b"")
    step = max(1, len(segment) // _SAMPLED_ROWS)
    digest.update(np.ascontiguousarray(segment[::step]).tobytes())
    return digest.hexdigest()[:24]


def combined(parts: Sequence[str | bytes]) -> str:
    """Hash several keys into one, short enough for a file's name."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()[:24]


def load_or_make(folder: Path | None, name: str, make: Callable[[], Arrays]) -> Arrays:
    """Read `name`.npz, or compute its arrays and keep them where the folder can be written."""
    if folder is None:
        return make()
    path = folder / f"{name}.npz"
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, KeyError):
        arrays = make()  # absent or damaged: it can always be computed again
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type,unused-ignore]
    except OSError:
        pass  # a read-only index or a full disk costs time, not answers
    return arrays


_SPECTRUM_FIELDS = ("n", "values", "vectors", "mean", "mean_eigenvalue")


def moments_name(segment: StoredRows) -> str:
    """Name of the derived file with the moments of one segment."""
    return f"moments-{fingerprint(segment)}"


def segment_moments(folder: Path | None, segment: StoredRows) -> Moments:
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
