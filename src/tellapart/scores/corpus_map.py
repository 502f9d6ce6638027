"""A corpus as a picture: its units in the plane, with what tells them apart and what is odd about them.

The plane shows neighbours at best and distances never: two axes hold a small share of the variance, and t-SNE keeps
who is near whom, not how far. What is said of hubs, outliers and copies is measured on the vectors themselves.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Granularity
from tellapart.encoders.protocol import Vectors
from tellapart.engine import Index
from tellapart.errors import TellapartError
from tellapart.progress import Progress, silent
from tellapart.scores.colouring import Colours, cluster_names, clusters, coded, folders
from tellapart.scores.layout import MapLayout, arranged
from tellapart.scores.vectors import (
    NEIGHBOURS,
    Diagnostic,
    common_direction,
    copies,
    effective_rank,
    hubness,
    row_keys,
    without_vector,
)

MOST = 200_000
"""Points at most; of more units a sample is shown. A browser without a graphics card draws so many in .5 s."""

REFERENCE = 2_000
"""Units drawn at random against which all are measured: with them hubs and outliers cost one matrix product."""

BINS = 30
FORMAT = 1


@dataclass(frozen=True, slots=True)
class CountedBins:
    """Counts in equal bins from low to high, and what they say."""

    name: str
    low: float
    high: float
    counts: tuple[int, ...]
    meaning: str


@dataclass(frozen=True, slots=True, eq=False)
class CorpusMap:
    """Units in the plane; all arrays have one entry for each of the n points.

    `places` (n, 2) float32 within -1 to 1. `documents` and `ordinals` say which unit of `levels[level]` a point is.
    `colours` gives for each way of colouring the names and the number of each point's name (n,). `hubs` counts among
    the nearest `NEIGHBOURS` of how many of `reference` units drawn at random a unit is. `nearest` is its cosine with
    the nearest of those: low ones are outliers. `copied`: another unit has the same vector. `units` are all
    there are, of which the points may be a sample.
    """

    encoder: str
    levels: tuple[Granularity, ...]
    layout: MapLayout
    generation: int
    units: int
    reference: int
    places: NDArray[np.float32]
    documents: NDArray[np.int64]
    ordinals: NDArray[np.int64]
    level: NDArray[np.uint8]
    colours: dict[str, tuple[tuple[str, ...], NDArray[np.uint16]]]
    hubs: NDArray[np.int32]
    nearest: NDArray[np.float32]
    copied: NDArray[np.bool_]
    histograms: tuple[CountedBins, ...]
    diagnostics: tuple[Diagnostic, ...]

    def __len__(self) -> int:
        return len(self.places)

    def points_of(self, found: Sequence[tuple[int, Granularity, int]]) -> list[int | None]:
        """Find the points of units given by document number, level and ordinal; None for one not shown."""
        asked = {number for number, _, _ in found}
        rows = np.flatnonzero(np.isin(self.documents, list(asked)))
        known = {
            (int(self.documents[row]), self.levels[self.level[row]], int(self.ordinals[row])): int(row)
            for row in rows
        }
        return [known.get(each) for each in found]

    def write(self, path: Path) -> None:
        """Write to a file, whole or not at all."""
        said = {
            "format": FORMAT,
            "encoder": self.encoder,
            "levels": list(self.levels),
            "layout": self.layout,
            "generation": self.generation,
            "units": self.units,
            "reference": self.reference,
            "colours": {name: names for name, (names, _) in self.colours.items()},
            "histograms": [asdict(each) for each in self.histograms],
            "diagnostics": [asdict(each) for each in self.diagnostics],
        }
        arrays: dict[str, NDArray[Any]] = {name: getattr(self, name) for name in ARRAYS}
        arrays["said"] = np.frombuffer(json.dumps(said).encode(), dtype=np.uint8)
        arrays |= {f"colour-{name}": codes for name, (_, codes) in self.colours.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        with beside.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)
        beside.replace(path)

    @classmethod
    def read(cls, path: Path) -> CorpusMap | None:
        """Read what `write` wrote; None where there is none, or one of another version."""
        try:
            with np.load(path, allow_pickle=False) as kept:
                said = json.loads(kept["said"].tobytes())
                if said.pop("format") != FORMAT:
                    return None
                said["levels"] = tuple(Granularity(level) for level in said["levels"])
                said["layout"] = MapLayout(said["layout"])
                said["colours"] = {
                    name: (tuple(names), kept[f"colour-{name}"]) for name, names in said["colours"].items()
                }
                said["histograms"] = tuple(
                    CountedBins(**{**each, "counts": tuple(each["counts"])}) for each in said["histograms"]
                )
                said["diagnostics"] = tuple(Diagnostic(**each) for each in said["diagnostics"])
                return cls(**said, **{name: kept[name] for name in ARRAYS})
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _repr_html_(self) -> str:
        """Show it in a notebook: points coloured by group, without a server or a network."""
        from tellapart.pages.notebook import scatter

        names, codes = self.colours[Colours.CLUSTER]
        return scatter(
            self.places, codes, names, f"{len(self):,} of {self.units:,} units, {self.encoder}, {self.layout}"
        )


ARRAYS = ("places", "documents", "ordinals", "level", "hubs", "nearest", "copied")


def map_corpus(
    index: Index,
    *,
    layout: str = MapLayout.AXES,
    encoder: str | None = None,
    granularity: str | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> CorpusMap:
    """Lay the units of an index out in the plane.

    Args:
        index: Whose units.
        layout: `axes`, the two directions in which they differ most (PCA), or `neighbours` (t-SNE; extra `serve`).
        encoder: Whose vectors; None = those that a search uses.
        granularity: Which units; None = those that a search looks at.
        seed: Of the samples and of the layout.
        progress: Told of the steps.

    Raises:
        TellapartError: The index has no such vectors, or fewer than three.
    """
    draw = np.random.default_rng(seed)
    with index.reading() as snapshot:
        chosen = index.plan(ranker="knn", granularity=granularity, encoder=encoder).configuration
        name, levels = str(chosen.encoder), chosen.granularities
        tables = [snapshot.units(level) for level in levels]
        sides = [snapshot.vectors(name, level) for level in levels]
        alive = [
            np.arange(table.n_rows) if table.alive is None else np.flatnonzero(table.alive)
            for table in tables
        ]
        units = sum(len(rows) for rows in alive)
        shown = [_sample(rows, MOST * len(rows) // max(units, 1) + 1, draw) for rows in alive]
        vectors = np.concatenate([side.take(rows) for side, rows in zip(sides, shown, strict=True)])
        located = [table.locate(rows) for table, rows in zip(tables, shown, strict=True)]
        documents, ordinals = (np.concatenate([each[part] for each in located]) for part in (0, 1))
        level = np.repeat(np.arange(len(levels), dtype=np.uint8), [len(rows) for rows in shown])
        origins = index.store.origins()
        diagnostics = _diagnostics(sides[int(np.argmax([len(rows) for rows in alive]))], seed)
        generation = snapshot.generation
    seen = vectors.any(axis=1)
    vectors, documents, ordinals, level = vectors[seen], documents[seen], ordinals[seen], level[seen]
    if len(vectors) < 3:
        raise TellapartError(
            f"{index.place} has {len(vectors)} units with a vector of {name}: too few for a map"
        )
    with progress("measuring neighbours", None):
        hubs, nearest, reference = _neighbours(vectors, draw)
    with progress("finding groups", None):
        groups, middles = clusters(vectors, seed)
    paths = [origins.get(int(number), ("", None)) for number in documents]
    colours = {
        Colours.FOLDER.value: folders([path for path, _ in paths]),
        Colours.LANGUAGE.value: coded([language or "text" for _, language in paths]),
        Colours.CLUSTER.value: (
            cluster_names(index, vectors, groups, middles, documents, [levels[at] for at in level], ordinals),
            groups.astype(np.uint16),
        ),
    }
    return CorpusMap(
        name,
        levels,
        MapLayout(layout),
        generation,
        units,
        reference,
        arranged(vectors, MapLayout(layout), seed=seed, progress=progress),
        documents,
        ordinals,
        level,
        colours,
        hubs,
        nearest,
        _copied(vectors),
        _histograms(vectors, hubs, nearest, draw),
        diagnostics,
    )


def _sample(rows: NDArray[np.int64], most: int, draw: np.random.Generator) -> NDArray[np.int64]:
    return rows if len(rows) <= most else np.sort(draw.choice(rows, most, replace=False))


def _diagnostics(vectors: Any, seed: int) -> tuple[Diagnostic, ...]:  # noqa: ANN401
    moments = vectors.moments()
    return (
        without_vector(vectors),
        copies(vectors),
        common_direction(moments),
        effective_rank(moments),
        hubness(vectors, seed=seed),
    )


def _neighbours(
    vectors: Vectors, draw: np.random.Generator
) -> tuple[NDArray[np.int32], NDArray[np.float32], int]:
    """How many of the reference units have each among their nearest, and each one's cosine with the nearest of them."""
    chosen = _sample(np.arange(len(vectors)), REFERENCE, draw)
    k = min(NEIGHBOURS, len(vectors) - 1)
    hubs = np.zeros(len(vectors), dtype=np.int32)
    nearest = np.full(len(vectors), -1.0, dtype=np.float32)
    for first in range(0, len(chosen), 100):
        block = chosen[first : first + 100]
        scores = vectors[block] @ vectors.T
        scores[np.arange(len(block)), block] = -np.inf
        near = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        hubs += np.bincount(near.ravel(), minlength=len(vectors)).astype(np.int32)
        np.maximum(nearest, scores.max(axis=0), out=nearest)
    return hubs, np.clip(nearest, -1, 1), len(chosen)


def _copied(vectors: Vectors) -> NDArray[np.bool_]:
    _, inverse, counts = np.unique(row_keys(vectors), return_inverse=True, return_counts=True)
    return np.asarray(counts[inverse] > 1)


def _histograms(
    vectors: Vectors, hubs: NDArray[np.int32], nearest: NDArray[np.float32], draw: np.random.Generator
) -> tuple[CountedBins, ...]:
    left = draw.integers(len(vectors), size=5_000)
    right = (left + draw.integers(1, len(vectors), size=5_000)) % len(vectors)
    pairs = np.einsum("ij,ij->i", vectors[left], vectors[right])
    low = float(min(0.0, pairs.min()))
    highest = max(int(hubs.max()), 1)
    return (
        _binned("unrelated pairs", pairs, low, 1.0, "cosine of two units drawn at random: what says nothing"),
        _binned(
            "nearest unit", nearest, low, 1.0, "cosine with the nearest of a sample: low ones are outliers"
        ),
        _binned(
            "hubs", hubs, 0.0, float(highest), "for how many of a sample a unit is among the nearest ten"
        ),
    )


def _binned(name: str, values: NDArray[Any], low: float, high: float, meaning: str) -> CountedBins:
    counts, _ = np.histogram(values, bins=BINS, range=(low, high))
    return CountedBins(name, low, high, tuple(int(count) for count in counts), meaning)
