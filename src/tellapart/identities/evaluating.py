"""How well an encoder tells identities apart: 1:1, 1:N with strangers, and the curves."""

from __future__ import annotations

import json
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
    for number, line in numbered_lines(path):
        if path.suffix == ".tsv":
            text, tab, name = line.rpartition("\t")
            if not tab:
                raise LineError(path, number, "expected a text, a tab and a name")
        else:
            try:
                entry = json.loads(line)
                text, name = str(entry["text"]), str(entry["label"])
            except (ValueError, KeyError, TypeError) as error:
                raise LineError(path, number, 'expected {"text": ..., "label": ...}') from error
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
