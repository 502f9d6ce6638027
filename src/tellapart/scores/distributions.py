"""How the cosines of an encoder are spread: pairs without relation, pairs that belong together, judged pairs.

What is called near by one encoder is noise for another, and even one encoder's groups overlap: this measures by how
much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Granularity
from tellapart.engine import Index
from tellapart.errors import TellapartError
from tellapart.experiments.query_set import QuerySet
from tellapart.index.reading import DocumentStore
from tellapart.index.snapshot import Snapshot, UnitTable
from tellapart.index.vectors import VectorReader

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

PAIRS = 4_000
"""Pairs of each group at most: an AUC is then known to about .01."""

RIVALS = 50
"""Units of other documents of which the nearest makes a hard unrelated pair: about as near as
the best wrong hit in a list of that length."""

READ_DOCUMENTS = 500
"""Documents whose sections are looked at. Reading them takes longest; more do not move the curves visibly."""

BINS = 60

UNRELATED, HARD = "unrelated", "hard unrelated"
SAME_DOCUMENT, SAME_SECTION, JUDGED = "same document", "same section", "judged relevant"


@dataclass(frozen=True, slots=True)
class PairGroup:
    """Cosines of one kind of pairs (m,), and how far they stand apart from unrelated ones.

    Attributes:
        name: Of the kind.
        values: Cosines (m,).
        auc: Probability that one of these pairs is nearer than an unrelated pair; None for the unrelated themselves.
        overlap: Share that the two distributions have in common, 0 to 1, in bins.
        d_prime: Difference of the means in units of the mean spread.
    """

    name: str
    values: Floats
    auc: float | None = None
    overlap: float | None = None
    d_prime: float | None = None

    @classmethod
    def against(cls, name: str, values: Floats, unrelated: Floats) -> PairGroup:
        """Compare a group with unrelated pairs."""
        return cls(
            name, values, auc(values, unrelated), overlap(values, unrelated), d_prime(values, unrelated)
        )


@dataclass(frozen=True, slots=True)
class CosinePicture:
    """The groups of one encoder at one granularity; a group that the corpus does not have is not there."""

    encoder: str
    granularity: Granularity
    groups: tuple[PairGroup, ...]

    def group(self, name: str) -> PairGroup | None:
        """Give the group of a name."""
        return next((each for each in self.groups if each.name == name), None)

    def to_json(self) -> dict[str, object]:
        """Give the figures without the cosines."""
        return {
            "encoder": self.encoder,
            "granularity": self.granularity.value,
            "groups": [
                {
                    "name": each.name,
                    "pairs": len(each.values),
                    "mean": float(each.values.mean()),
                    "spread": float(each.values.std()),
                    "auc": each.auc,
                    "overlap": each.overlap,
                    "d_prime": each.d_prime,
                }
                for each in self.groups
            ],
        }


def cosine_pictures(
    index: Index,
    encoders: Sequence[str] = (),
    granularity: str | None = None,
    queries: QuerySet | None = None,
    *,
    seed: int = 0,
) -> list[CosinePicture]:
    """Measure the groups of every encoder of an index; `queries` with known answers add the judged pairs.

    Raises:
        TellapartError: No such encoder or granularity, or fewer than two documents.
    """
    pictures = []
    with index.reading() as snapshot:
        level = index.plan(ranker="knn", granularity=granularity).configuration.granularities[0]
        for name in encoders or [each for each in snapshot.encoders if snapshot.has_vectors(each, level)]:
            if name not in snapshot.encoders:
                raise snapshot.unknown_encoder(name)
            pictures.append(_picture(index, snapshot, name, level, queries, seed))
    return pictures


def _picture(
    index: Index, snapshot: Snapshot, encoder: str, level: Granularity, queries: QuerySet | None, seed: int
) -> CosinePicture:
    vectors, table = snapshot.vectors(encoder, level), snapshot.units(level)
    rows = np.arange(vectors.n_rows) if vectors.alive is None else np.flatnonzero(vectors.alive)
    documents = np.repeat(table.documents, np.diff(table.offsets))
    if len(np.unique(documents[rows])) < 2:
        raise TellapartError("pairs without relation need two documents: index more, or a finer granularity")
    draw = np.random.default_rng(seed)

    def cosines(left: Rows, right: Rows) -> Floats:
        return np.asarray(np.einsum("ij,ij->i", vectors.take(left), vectors.take(right)), dtype=np.float64)

    left = rows[draw.integers(len(rows), size=PAIRS)]
    right = rows[draw.integers(len(rows), size=PAIRS)]
    apart = documents[left] != documents[right]
    unrelated = cosines(left[apart], right[apart])
    pairs = {HARD: _hard(vectors.take(left), left, rows, documents, vectors, draw)}
    together = _together(rows, documents, draw)
    pairs[SAME_DOCUMENT] = cosines(*together)
    pairs[SAME_SECTION] = cosines(*_in_one_section(index.store, snapshot, table, level, rows, draw))
    groups = [PairGroup(UNRELATED, unrelated)]
    groups += [PairGroup.against(name, values, unrelated) for name, values in pairs.items() if len(values)]
    if queries is not None:
        judged, random = _judged(index, snapshot, encoder, level, queries, rows, draw)
        if len(judged):
            groups.append(PairGroup.against(JUDGED, judged, random))
    return CosinePicture(encoder, level, tuple(groups))


def _hard(
    left: NDArray[np.float32],
    own: Rows,
    rows: Rows,
    documents: Rows,
    vectors: VectorReader,
    draw: np.random.Generator,
) -> Floats:
    """Cosine of each unit with the nearest of some units of other documents (m,)."""
    rivals = rows[draw.integers(len(rows), size=min(RIVALS * 8, len(rows)))]
    scores = left @ vectors.take(rivals).T
    scores[documents[own][:, None] == documents[rivals][None, :]] = -np.inf
    columns = draw.integers(len(rivals), size=(len(own), min(RIVALS, len(rivals))))
    best = np.take_along_axis(scores, columns, axis=1).max(axis=1)
    return np.asarray(best[best > -np.inf], dtype=np.float64)


def _together(rows: Rows, documents: Rows, draw: np.random.Generator) -> tuple[Rows, Rows]:
    """Pairs of different units of one document."""
    own = documents[rows]
    first = np.flatnonzero(np.r_[True, own[1:] != own[:-1]])
    sizes = np.diff(np.r_[first, len(own)])
    several = np.flatnonzero(sizes > 1)
    if not len(several):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    chosen = several[draw.integers(len(several), size=PAIRS)]
    a = draw.integers(sizes[chosen])
    b = (a + draw.integers(1, sizes[chosen])) % sizes[chosen]
    return rows[first[chosen] + a], rows[first[chosen] + b]


def _in_one_section(
    store: DocumentStore,
    snapshot: Snapshot,
    table: UnitTable,
    level: Granularity,
    rows: Rows,
    draw: np.random.Generator,
) -> tuple[Rows, Rows]:
    """Neighbouring units with the same parent, where that is less than the document."""
    numbers, ordinals = table.locate(rows)
    kept = set(draw.permutation(np.unique(numbers))[:READ_DOCUMENTS].tolist())
    parents: dict[int, object] = {}
    for row, number, ordinal in zip(rows.tolist(), numbers.tolist(), ordinals.tolist(), strict=True):
        if number in kept:
            tree = snapshot.fetch(store, [number])[number].tree
            parent = tree.parent(level, ordinal)
            if parent is not None and len(tree.levels[parent[0]].starts) > 1:
                parents[row] = (number, *parent)
    left = [row for row in parents if parents.get(row + 1) == parents[row]]
    chosen = np.array(sorted(left), dtype=np.int64)[:PAIRS]
    return chosen, chosen + 1


def _judged(
    index: Index,
    snapshot: Snapshot,
    encoder: str,
    level: Granularity,
    queries: QuerySet,
    rows: Rows,
    draw: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Cosines of queries with the best unit of each relevant document, and with random units."""
    vectors, table = snapshot.vectors(encoder, level), snapshot.units(level)
    numbers = {identifier: number for number, identifier in index.store.identifiers().items()}
    place = {int(number): at for at, number in enumerate(table.documents.tolist())}
    asked = queries.answerable()[:PAIRS]
    encoded = index.encode_queries(encoder, [queries.queries[query] for query in asked])
    best = []
    for query, vector in zip(asked, encoded, strict=True):
        for name, grade in queries.qrels.grades[query].items():
            at = place.get(numbers.get(name, -1))
            if grade > 0 and at is not None and table.offsets[at + 1] > table.offsets[at]:
                own = np.arange(table.offsets[at], table.offsets[at + 1])
                best.append(float((vectors.take(own) @ vector).max()))
    drawn = rows[draw.integers(len(rows), size=(len(asked), 20))]
    random = [vectors.take(some) @ vector for some, vector in zip(drawn, encoded, strict=True)]
    return np.array(best), np.concatenate(random).astype(np.float64) if random else np.zeros(0)


def auc(values: Floats, others: Floats) -> float:
    """Probability that a value exceeds one of the others, ties counting half (Mann and Whitney 1947)."""
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([values, others]))[: len(values)]
    return float((ranks.sum() - len(values) * (len(values) + 1) / 2) / (len(values) * len(others)))


def overlap(values: Floats, others: Floats) -> float:
    """Share that two distributions have in common, from histograms of equal bins."""
    edges = np.linspace(min(values.min(), others.min()), max(values.max(), others.max()) + 1e-9, BINS + 1)
    shares = [np.histogram(each, edges)[0] / len(each) for each in (values, others)]
    return float(np.minimum(*shares).sum())


def d_prime(values: Floats, others: Floats) -> float:
    """Difference of means divided by the root mean square of the two spreads (signal detection theory)."""
    spread = float(np.sqrt((values.var() + others.var()) / 2))
    return float((values.mean() - others.mean()) / spread) if spread > 0 else 0.0


COLOURS: Mapping[str, str] = {
    UNRELATED: "#8a8f98",
    HARD: "#d08a2e",
    SAME_DOCUMENT: "#4c8fd6",
    SAME_SECTION: "#7a5fc9",
    JUDGED: "#2f9e62",
}

ROW, WIDTH, LEFT = 96, 760, 165


def svg(pictures: Sequence[CosinePicture]) -> str:
    """Draw the pictures under each other, one row an encoder, all on the same axis of cosines.

    The text takes the colour of the page around it, so that it is readable on light and dark ground.
    """
    values = np.concatenate([group.values for each in pictures for group in each.groups])
    low, high = max(float(np.quantile(values, 0.001)), -1.0), min(float(values.max()) + 0.01, 1.0)
    edges = np.linspace(low, high, BINS + 1)
    height = ROW * len(pictures) + 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif"'
        f' font-size="12" fill="#777" role="img" aria-label="Cosines of pairs, by encoder">'
    ]
    names = dict.fromkeys(group.name for each in pictures for group in each.groups)
    for at, name in enumerate(names):
        x = LEFT + at * 120
        parts.append(f'<rect x="{x}" y="8" width="11" height="11" fill="{COLOURS[name]}" fill-opacity=".7"/>')
        parts.append(f'<text x="{x + 15}" y="18">{name}</text>')
    for row, each in enumerate(pictures):
        base = 30 + ROW * (row + 1) - 12
        parts.append(f'<text x="4" y="{base - 30}" font-weight="bold">{each.encoder}</text>')
        told = each.group(JUDGED) or each.group(SAME_DOCUMENT) or each.groups[-1]
        if told.auc is not None and told.overlap is not None:
            parts.append(f'<text x="4" y="{base - 14}">{told.name}:</text>')
            parts.append(f'<text x="4" y="{base}">AUC {told.auc:.3f}, overlap {told.overlap:.0%}</text>')
        for group in each.groups:
            shares = np.histogram(group.values, edges)[0] / len(group.values)
            top = shares.max() or 1.0
            points = " ".join(
                f"{LEFT + (WIDTH - LEFT - 10) * (at + 0.5) / BINS:.1f},{base - (ROW - 24) * share / top:.1f}"
                for at, share in enumerate(shares)
            )
            colour = COLOURS[group.name]
            parts.append(
                f'<polygon points="{LEFT},{base} {points} {WIDTH - 10},{base}" fill="{colour}"'
                f' fill-opacity=".35" stroke="{colour}"/>'
            )
    for mark in np.arange(np.ceil(low * 5) / 5, high, 0.2):
        x = LEFT + (WIDTH - LEFT - 10) * (mark - low) / (high - low)
        shown = f"{mark:.1f}".replace("-0.0", "0.0")
        parts.append(f'<text x="{x:.1f}" y="{height - 12}" text-anchor="middle">{shown}</text>')
    parts.append(f'<text x="{WIDTH - 10}" y="{height - 12}" text-anchor="end">cosine</text></svg>')
    return "\n".join(parts) + "\n"
