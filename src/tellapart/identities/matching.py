"""The identities of a gallery as rows that a view is compared with, in memory, while templates come and go."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.encoders.protocol import Vectors
from tellapart.identities.answers import Floats, Rows, Scoring
from tellapart.index.vectors.scan import faiss, search

CODED_ROWS = 50_000
"""From so many rows on, codes of one bit a dimension propose candidates. Not measured: it changes
time, and from there on what is overlooked."""

PROPOSED = 400
"""Candidates that are scored exactly. Not measured: what it overlooks on galleries of that size is unknown."""

CHANGED = 0.1
"""Codes are built again once a tenth of the rows came or went since. Not measured: half builds
them twice as often."""

REGULARISATION = 10.0
"""Of the whitening, in mean eigenvalues: the default of the closed-form SVM in search (rankers)."""

FITTED = 20_000
"""Identities from which the whitening is estimated, at most: 39 for each of 512 dimensions.
Not measured at half or twice."""


class Whitening:
    """Centre and whiten by the gallery: its cosine is the closed-form exemplar SVM's (Hariharan et al. 2012)."""

    def __init__(self, means: Vectors) -> None:
        centred = means - means.mean(axis=0)
        values, axes = np.linalg.eigh((centred.T @ centred).astype(np.float64) / len(means))
        ridge = REGULARISATION * max(float(values.mean()), 1e-9)
        self.centre = means.mean(axis=0)
        self.matrix = (axes / np.sqrt(np.maximum(values, 0) + ridge) @ axes.T).astype(np.float32)

    def __call__(self, vectors: Vectors) -> Vectors:
        """Give vectors (n, dim) whitened, of unit length."""
        return unit((vectors - self.centre) @ self.matrix)


class Reference:
    """One row for each identity (for `max`: for each template), searched by cosine.

    Views added automatically have rows of their own, marked `strict`: they never move the row that persons enrolled.
    A row that changes is written anew at the end, so that codes built before stay right.
    """

    def __init__(self, dim: int, scoring: Scoring, whitening: Whitening | None = None) -> None:
        self.scoring, self.whitening = scoring, whitening
        self._sums = np.zeros((0, dim), dtype=np.float32)
        self._rows = np.zeros((0, dim), dtype=np.float32)
        self._owners = np.zeros(0, dtype=np.int64)
        self._strict = np.zeros(0, dtype=bool)
        self._alive = np.zeros(0, dtype=bool)
        self.used = 0
        self._place: dict[tuple[int, bool], int] = {}
        self._identities: set[int] = set()
        self._codes: Any = None
        self._coded = 0
        self._dead = 0

    @property
    def identities(self) -> int:
        """How many identities have a row."""
        return len(self._identities)

    @property
    def rows(self) -> Vectors:
        """Give the rows (m, dim) that are compared, of unit length."""
        return self._rows[: self.used][self._alive[: self.used]]

    def transformed(self, vectors: Vectors) -> Vectors:
        """Give vectors (n, dim) as rows are kept."""
        return self.whitening(vectors) if self.whitening is not None else vectors

    def add(self, owners: Rows, automatic: NDArray[np.bool_], weights: Floats, vectors: Vectors) -> None:
        """Add templates of identities `owners` (n,) with weights (n,) and vectors (n, dim)."""
        if not len(owners):
            return
        self._identities.update(owners.tolist())
        weighted = self.transformed(vectors) * np.maximum(weights, 1e-3)[:, None].astype(np.float32)
        if self.scoring is Scoring.MAX:
            self._append(owners, automatic, weighted)
            return
        order = np.lexsort((automatic, owners))
        changed = np.flatnonzero(
            np.r_[True, (np.diff(owners[order]) != 0) | (np.diff(automatic[order].astype(np.int8)) != 0)]
        )
        sums = np.add.reduceat(weighted[order], changed, axis=0)
        keys = list(zip(owners[order][changed].tolist(), automatic[order][changed].tolist(), strict=True))
        for number, key in enumerate(keys):
            if (place := self._place.get(key)) is not None:
                sums[number] += self._sums[place]
                self._kill(place)
        first = self.used
        self._append(owners[order][changed], automatic[order][changed], sums)
        self._place.update((key, first + number) for number, key in enumerate(keys))

    def scores(self, vectors: Vectors) -> tuple[Rows, Vectors]:
        """Score views (n, dim) with every identity: identities (m,) rising, scores (n, m)."""
        rows = np.flatnonzero(self._alive[: self.used])
        order = rows[np.argsort(self._owners[rows], kind="stable")]
        owners, starts = np.unique(self._owners[order], return_index=True)
        found = self.transformed(vectors) @ self._rows[order].T
        return owners, np.maximum.reduceat(found, starts, axis=1)

    def best(self, vector: Vectors, k: int) -> list[tuple[int, float, bool]]:
        """Give the k best identities for a view (dim,): number, score, and whether an automatic view decided."""
        asked = self.transformed(vector[None])
        found = self._best_among(self._proposed(asked, k), asked, k)
        if len(found) < min(k, self.identities):  # the nearest rows are of a few identities
            found = self._best_among(np.arange(self.used), asked, k)
        return found

    def _best_among(self, rows: Rows, asked: Vectors, k: int) -> list[tuple[int, float, bool]]:
        rows = rows[self._alive[rows]]
        scores = self._rows[rows] @ asked[0]
        found: dict[int, tuple[float, bool]] = {}
        for place in np.argsort(-scores, kind="stable").tolist():
            owner = int(self._owners[rows[place]])
            if owner not in found:
                found[owner] = (float(scores[place]), bool(self._strict[rows[place]]))
                if len(found) == k:
                    break
        return [(owner, *each) for owner, each in found.items()]

    def _proposed(self, asked: Vectors, k: int) -> Rows:
        self._build_codes()
        if self._codes is None:
            found = self._rows[: self.used] @ asked[0]
            found[~self._alive[: self.used]] = -np.inf
            return _highest(found, k * 8 + 64)
        _, rows = search(self._codes, asked, PROPOSED)
        tail = np.arange(self._coded, self.used)
        fresh = _highest(self._rows[self._coded : self.used] @ asked[0], PROPOSED)
        return np.concatenate([rows[0][rows[0] >= 0], tail[fresh]]).astype(np.int64)

    def _build_codes(self) -> None:
        """Build codes where there are many rows and none, or stale ones."""
        changed = self.used - self._coded + self._dead
        if self.used < CODED_ROWS or (self._codes is not None and changed < CHANGED * self.used):
            return
        self._compact()
        made = faiss().index_factory(self._rows.shape[1], "RaBitQfs", faiss().METRIC_INNER_PRODUCT)
        made.train(self._rows[: self.used])
        made.add(self._rows[: self.used])
        self._codes, self._coded, self._dead = made, self.used, 0

    def _compact(self) -> None:
        keep = np.flatnonzero(self._alive[: self.used])
        for name in ("_sums", "_rows", "_owners", "_strict", "_alive"):
            setattr(self, name, getattr(self, name)[keep])
        self.used = len(keep)
        if self.scoring is not Scoring.MAX:
            keys = zip(self._owners.tolist(), self._strict.tolist(), strict=True)
            self._place = {key: row for row, key in enumerate(keys)}

    def _append(self, owners: Rows, strict: NDArray[np.bool_], sums: Vectors) -> None:
        needed = self.used + len(owners)
        if needed > len(self._owners):
            room = max(needed, 2 * len(self._owners)) if self.used else needed
            for name in ("_sums", "_rows", "_owners", "_strict", "_alive"):
                old = getattr(self, name)
                grown = np.zeros((room, *old.shape[1:]), dtype=old.dtype)
                grown[: self.used] = old[: self.used]
                setattr(self, name, grown)
        part = slice(self.used, needed)
        self._sums[part], self._rows[part] = sums, unit(sums)
        self._owners[part], self._strict[part], self._alive[part] = owners, strict, True
        self.used = needed

    def _kill(self, row: int) -> None:
        self._alive[row] = False
        self._dead += 1


def unit(vectors: Vectors) -> Vectors:
    """Scale rows to unit length; rows of zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)


def _highest(scores: Vectors, count: int) -> Rows:
    if len(scores) <= count:
        return np.arange(len(scores))
    return np.argpartition(-scores, count)[:count]
