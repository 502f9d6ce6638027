"""How well an encoder tells identities apart: 1:1, 1:N with strangers, and the curves."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.protocol import Vectors
from tellapart.errors import TellapartError
from tellapart.experiments.textfiles import LineError, numbered_lines
from tellapart.experiments.verification import (
    Acceptance,
    PairScores,
    Roc,
    equal_error_rate,
    identify_all,
    nearest_neighbours,
    roc,
    tar_at_far,
)
from tellapart.identities.views import Item, labelled_files
from tellapart.pages.charts import Chart, Scale, histogram, line, upward
from tellapart.pages.rendering import number, render_page


def labelled_items(path: Path, *, images: bool) -> tuple[list[str], list[Item]]:
    """Read names and items: (n,) and (n,).

    A folder has a folder for each identity; an .npz holds `images` (n, height, width[, 3]) uint8 and `labels` (n,);
    a .tsv has a text and a name on each line, a .jsonl objects with "text" and "label".

    Raises:
        TellapartError: It is none of these, or does not fit the encoder.
    """
    if path.is_dir():
        grouped = labelled_files(path, images=images)
        return [name for name, files in grouped.items() for _ in files], [
            file for files in grouped.values() for file in files
        ]
    if not path.is_file():
        raise TellapartError(f"there is no {path}: give a folder of folders, an .npz, a .tsv or a .jsonl")
    if (path.suffix == ".npz") != images:
        raise TellapartError(
            f"{path} does not fit the encoder, which looks at {'images' if images else 'texts'}: choose with --encoder"
        )
    return _arrays(path) if images else _texts(path)


def _arrays(path: Path) -> tuple[list[str], list[Item]]:
    try:
        with np.load(path, allow_pickle=False) as content:
            images, labels = content["images"], content["labels"]
    except (ValueError, KeyError, OSError) as error:
        raise TellapartError(f"{path} must hold the arrays 'images' and 'labels': {error}") from error
    if images.dtype != np.uint8 or len(images) != len(labels):
        raise TellapartError(
            f"{path}: {len(images)} images of {images.dtype} for {len(labels)} labels; give uint8"
        )
    return [str(label) for label in labels.tolist()], list(images)


def _texts(path: Path) -> tuple[list[str], list[Item]]:
    names: list[str] = []
    items: list[Item] = []
    for position, row in numbered_lines(path):
        if path.suffix == ".tsv":
            text, tab, name = row.rpartition("\t")
            if not tab:
                raise LineError(path, position, "expected a text, a tab and a name")
        else:
            try:
                entry = json.loads(row)
                text, name = str(entry["text"]), str(entry["label"])
            except (ValueError, KeyError, TypeError) as error:
                raise LineError(path, position, 'expected {"text": ..., "label": ...}') from error
        names.append(name)
        items.append(text)
    if not names:
        raise TellapartError(f"{path} is empty")
    return names, items


RATES = (1e-1, 1e-2, 1e-3, 1e-4)
"""False-accept rates that are reported where the pairs can carry them."""

FPIRS = (0.1, 0.05, 0.01)
HALVINGS = 100
"""Times that half of the identities are enrolled and the other half are strangers."""

FEWEST = 10
"""Impostors beyond a threshold for its rate to be reported; the product's own thresholds ask for more."""


@dataclass(frozen=True, slots=True)
class Detection:
    """DIR at a rate of strangers let in: mean over halvings, and the middle 95 % of them."""

    fpir: float
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class IdentityEvaluation:
    """What an encoder is worth on labelled views."""

    identities: int
    views: int
    rank1: float
    map_at_r: float
    eer: float
    eer_low: float
    eer_high: float
    accepts: tuple[tuple[float, Acceptance], ...]
    detections: tuple[Detection, ...]
    curve: Roc
    genuine: NDArray[np.float64]
    impostors: NDArray[np.float64]


def evaluate_identities(
    vectors: Vectors, labels: Sequence[str], *, draws: int = 1_000, seed: int = 0
) -> IdentityEvaluation:
    """Judge unit vectors (n, dim) by the names (n,) of what they show.

    Args:
        vectors: One row for each view.
        labels: Whom each shows.
        draws: Resamples of identities behind the intervals.
        seed: Of these, and of the halvings.

    Raises:
        TellapartError: There are fewer than two identities, or none has two views.
    """
    names = np.asarray(labels)
    pairs = PairScores.within(vectors, names)
    near = nearest_neighbours(vectors, names)
    accepts = []
    for rate in RATES:
        try:
            accepts.append((rate, tar_at_far(pairs, rate, support=FEWEST, draws=draws, seed=seed)))
        except TellapartError:
            continue
    low, high = _eer_interval(vectors, names, draws=min(draws, 200), seed=seed)
    sample = np.random.default_rng(seed).integers(0, len(vectors), (2, 20_000))
    strangers = names[sample[0]] != names[sample[1]]
    left, right = vectors[sample[0][strangers]], vectors[sample[1][strangers]]
    return IdentityEvaluation(
        identities=len(np.unique(names)),
        views=len(names),
        rank1=float(near.recall_at_1.mean()),
        map_at_r=float(near.map_at_r.mean()),
        eer=equal_error_rate(pairs),
        eer_low=low,
        eer_high=high,
        accepts=tuple(accepts),
        detections=_detections(vectors, names, seed),
        curve=roc(pairs),
        genuine=pairs.genuine,
        impostors=np.einsum("ij,ij->i", left, right).astype(np.float64),
    )


def _eer_interval(vectors: Vectors, names: NDArray[np.str_], *, draws: int, seed: int) -> tuple[float, float]:
    """Percentile interval over identities drawn again; copies of one identity are never impostors of each other."""
    random = np.random.default_rng(seed)
    owners, members = np.unique(names, return_inverse=True)
    if len(vectors) > 3_000:
        return float("nan"), float("nan")
    scores = vectors @ vectors.T
    upper = np.triu_indices(len(vectors), 1)
    a, b, found = members[upper[0]], members[upper[1]], scores[upper]
    order = np.argsort(-found, kind="stable")
    a, b, same = a[order], b[order], (a == b)[order]
    values = []
    for _ in range(draws):
        drawn = np.bincount(random.integers(0, len(owners), len(owners)), minlength=len(owners)).astype(
            np.float64
        )
        accepted = np.cumsum(np.where(same, drawn[a], 0.0))
        passed = np.cumsum(np.where(same, 0.0, drawn[a] * drawn[b]))
        if accepted[-1] and passed[-1]:
            gap = passed / passed[-1] - (1 - accepted / accepted[-1])
            crossing = int(np.argmax(gap >= 0))
            values.append(float(passed[crossing] / passed[-1]))
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def _detections(vectors: Vectors, names: NDArray[np.str_], seed: int) -> tuple[Detection, ...]:
    """Enrol half of the identities with half of their views; the other identities are strangers."""
    random = np.random.default_rng(seed)
    owners, sizes = np.unique(names, return_counts=True)
    able = owners[sizes >= 2]
    if len(able) < 2 or len(owners) < 4:
        return ()
    found: dict[float, list[float]] = {rate: [] for rate in FPIRS}
    for _ in range(HALVINGS):
        enrolled = random.permutation(able)[: max(1, len(owners) // 2)]
        gallery = np.zeros(len(names), dtype=bool)
        for owner in enrolled:
            rows = np.flatnonzero(names == owner)
            gallery[random.permutation(rows)[: max(1, len(rows) // 2)]] = True
        known = np.unique(names[gallery])
        means = np.stack([vectors[gallery & (names == owner)].mean(axis=0) for owner in known])
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        answer = identify_all(vectors[~gallery], names[~gallery], means, known)
        for rate in FPIRS:
            try:
                found[rate].append(answer.dir_at_fpir(rate, support=1).tar)
            except TellapartError:
                continue
    return tuple(
        Detection(rate, float(np.mean(values)), *map(float, np.quantile(values, [0.025, 0.975])))
        for rate, values in found.items()
        if len(values) == HALVINGS
    )


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
