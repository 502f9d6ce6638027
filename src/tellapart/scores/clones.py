"""Clones of a code base: functions that are nearly the same, or do the same, and how unusual that is there.

Near-duplicates share most shingles of their tokens once names, texts and numbers are all alike. Functional clones are
each other's nearest neighbours among the vectors, where there are any. What is listed, and how each group stands
out, follows from pairs of functions of different files drawn at random: how similar unrelated code is differs from
code base to code base.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.code.normalised import normalised_tokens
from tellapart.corpus.code.split import language_of
from tellapart.corpus.document import Granularity, Kind
from tellapart.corpus.places import lines
from tellapart.engine import Index
from tellapart.engine.results import unit_id
from tellapart.errors import TellapartError
from tellapart.index.snapshot import Snapshot
from tellapart.index.store import StoredDocument
from tellapart.progress import Progress, silent
from tellapart.scores.shingles import ShingleSets, shingle_hashes

NEAR, FUNCTIONAL = "near-duplicate", "functional"

MIN_TOKENS = 30
"""Tokens from which on a function is looked at, as in CCFinder (Kamiya, Kusumoto and Inoue 2002): shorter ones are
alike by chance."""

UNRELATED = 20_000
"""Pairs of functions of different files drawn at random: a share of 1 in 1,000 is then known within a
quarter."""

RARE = 0.001
"""Share of the unrelated pairs that are as similar as what is listed, or more. It decides what is worth a
look, not what is a clone."""

LOWEST, HIGHEST = 0.4, 0.7
"""Jaccard similarity from which on near-duplicates are listed, at least and at most, whatever unrelated pairs are
like: candidates are found reliably from the first on (scores/shingles.py), and where much is copied, copies are
among the pairs drawn at random."""

BLOCK = 1024
"""Vectors compared with all others at a time."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function that was compared; `row` is its place among the index's functions."""

    id: str
    document: str
    label: str
    span: tuple[int, int]
    lines: tuple[int, int]
    tokens: int
    row: int


@dataclass(frozen=True, slots=True)
class CloneGroup:
    """Functions of which any two are at least so similar: Jaccard (near-duplicate) or cosine (functional).

    `percentile` is the share of unrelated pairs that are less similar; None where there are no such pairs.
    """

    kind: str
    similarity: float
    percentile: float | None
    functions: tuple[Function, ...]

    @property
    def repeated(self) -> int:
        """Tokens that would go if one function stayed."""
        sizes = sorted(each.tokens for each in self.functions)
        return sum(sizes[:-1])


@dataclass(frozen=True, slots=True)
class Unrelated:
    """How similar functions of different files are that were drawn at random; `listed`: the cut that follows."""

    pairs: int
    median: float | None
    high: float | None
    listed: float

    @classmethod
    def of(cls, similarities: NDArray[np.float64], lowest: float, highest: float) -> Unrelated:
        """Summarise; `high` is what the share RARE of the pairs exceeds."""
        if not len(similarities):
            return cls(0, None, None, highest)
        median, high = np.quantile(similarities, [0.5, 1 - RARE]).tolist()
        return cls(len(similarities), median, high, min(max(high, lowest), highest))


@dataclass(frozen=True, slots=True)
class Clones:
    """What was found among how many functions, and what unrelated pairs are like, by kind of clone."""

    groups: tuple[CloneGroup, ...]
    functions: int
    unrelated: Mapping[str, Unrelated]
    encoder: str | None


def find_clones(index: Index, *, encoder: str | None = None, progress: Progress = silent) -> Clones:
    """Find the clones among the functions of an index, most repeated code first.

    Args:
        index: With code in it; functional clones need vectors of its functions.
        encoder: Whose vectors; None takes those the index would search with, if there are any.
        progress: Where long work is reported.

    Raises:
        TellapartError: The index has no functions, or no vectors of that encoder.
    """
    with index.reading() as snapshot:
        if encoder is not None and not snapshot.has_vectors(encoder, Granularity.FUNCTION):
            raise snapshot.unknown_encoder(encoder)
        if Granularity.FUNCTION not in snapshot.granularities:
            raise TellapartError(
                f"the index {index.place} has no functions: index a folder with code, 'tellapart index PATH'"
            )
        functions, sets = _functions(index, snapshot, progress)
        drawn = _drawn(functions)
        jaccards = sets.similarities(drawn)
        # Equal functions among the pairs drawn are no unrelated ones.
        drawn, jaccards = drawn[jaccards < 1], jaccards[jaccards < 1]
        usual = {NEAR: Unrelated.of(jaccards, LOWEST, HIGHEST)}
        near = _near_duplicates(sets, usual[NEAR].listed)
        found = [(NEAR, similarity, members, jaccards) for similarity, members in near]
        chosen = encoder or _encoder(index, snapshot)
        if chosen is not None and len(functions) > 1:
            rows = np.array([each.row for each in functions], np.int64)
            vectors = snapshot.vectors(chosen, Granularity.FUNCTION).take(rows).astype(np.float32)
            owner = _owners(near, len(functions))
            drawn = drawn[owner[drawn[:, 0]] != owner[drawn[:, 1]]]
            cosines = np.einsum("ij,ij->i", vectors[drawn[:, 0]], vectors[drawn[:, 1]]).astype(np.float64)
            usual[FUNCTIONAL] = Unrelated.of(cosines, -1, 1)
            pairs = _mutual(vectors, owner, usual[FUNCTIONAL].listed, progress)
            found += [(FUNCTIONAL, similarity, members, cosines) for similarity, members in pairs]
    groups = [
        CloneGroup(kind, similarity, _percentile(similarity, usual_), tuple(functions[at] for at in members))
        for kind, similarity, members, usual_ in found
    ]
    groups.sort(key=lambda each: (each.kind != NEAR, -_beyond_chance(each, usual), each.functions[0].id))
    return Clones(tuple(groups), len(functions), usual, chosen)


def _beyond_chance(group: CloneGroup, usual: Mapping[str, Unrelated]) -> float:
    """Tokens repeated, times how far the similarity exceeds that of unrelated code: weak likenesses are no copies."""
    return group.repeated * (group.similarity - usual[group.kind].listed)


def clones_json(clones: Clones) -> dict[str, Any]:
    """Give what was found in the documented shape (schema 1, docs/json.md)."""
    return {
        "schema": 1,
        "functions": clones.functions,
        "encoder": clones.encoder,
        "unrelated": {
            kind: {"pairs": each.pairs, "median": each.median, "high": each.high, "listed_from": each.listed}
            for kind, each in clones.unrelated.items()
        },
        "groups": [
            {
                "rank": rank,
                "kind": each.kind,
                "similarity": each.similarity,
                "percentile": each.percentile,
                "repeated_tokens": each.repeated,
                "functions": [
                    {
                        "id": one.id,
                        "document": one.document,
                        "name": one.label,
                        "span": list(one.span),
                        "lines": list(one.lines),
                        "tokens": one.tokens,
                    }
                    for one in each.functions
                ],
            }
            for rank, each in enumerate(clones.groups, start=1)
        ],
    }


def _functions(index: Index, snapshot: Snapshot, progress: Progress) -> tuple[list[Function], ShingleSets]:
    """Read every function of enough tokens, with its shingles."""
    table = snapshot.units(Granularity.FUNCTION)
    first = dict(zip(table.documents.tolist(), table.offsets.tolist(), strict=False))
    code = [number for number, kind in index.store.kinds().items() if kind is Kind.CODE and number in first]
    functions: list[Function] = []
    sets = []
    numbering: dict[str, int] = {}
    with progress("reading code", len(code)) as advance:
        for number in sorted(code):
            stored = index.store.documents([number])[number]
            for ordinal, tokens in _of_document(stored, numbering):
                functions.append(_function(stored, ordinal, len(tokens), first[number] + ordinal))
                sets.append(shingle_hashes(tokens))
            advance(1)
    return functions, ShingleSets.of(sets)


def _of_document(
    stored: StoredDocument, numbering: dict[str, int]
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    document, level = stored.document, stored.tree.levels[Granularity.FUNCTION]
    if len(level.blocks) == len(level.starts):
        return
    words, starts = normalised_tokens(document.text, language_of(document))
    tokens = np.array([numbering.setdefault(word, len(numbering)) for word in words], np.int64)
    edges = np.append(np.searchsorted(starts, level.starts), len(tokens)).tolist()
    for ordinal, (begin, end) in enumerate(pairwise(edges)):
        if ordinal not in level.blocks and end - begin >= MIN_TOKENS:
            yield ordinal, tokens[begin:end]


def _function(stored: StoredDocument, ordinal: int, tokens: int, row: int) -> Function:
    start, end = stored.tree.span(Granularity.FUNCTION, ordinal)
    return Function(
        unit_id(stored, Granularity.FUNCTION, ordinal),
        stored.document.path or stored.document.id,
        stored.tree.levels[Granularity.FUNCTION].labels[ordinal],
        (start, end),
        lines(stored.document.text, start, end),
        tokens,
        row,
    )


def _encoder(index: Index, snapshot: Snapshot) -> str | None:
    named = index.plan(granularity=Granularity.FUNCTION).configuration.encoder
    return named if named is not None and snapshot.has_vectors(named, Granularity.FUNCTION) else None


def _drawn(functions: Sequence[Function]) -> NDArray[np.int64]:
    """Draw pairs of functions of different files (n, 2); all of them where there are few."""
    count = len(functions)
    _, files = np.unique([each.document for each in functions], return_inverse=True)
    if count * (count - 1) // 2 <= UNRELATED:
        pairs = np.stack(np.triu_indices(count, 1), axis=1)
    else:
        pairs = np.random.default_rng(0).integers(0, count, (UNRELATED, 2))
    return cast("NDArray[np.int64]", pairs[files[pairs[:, 0]] != files[pairs[:, 1]]].astype(np.int64))


def _near_duplicates(sets: ShingleSets, least: float) -> list[tuple[float, list[int]]]:
    """Group sets of which any two are at least so similar (complete linkage); equal ones count as one until then."""
    firsts = sets.equal()
    equal: dict[int, list[int]] = {}
    for at, first in enumerate(firsts.tolist()):
        equal.setdefault(first, []).append(at)
    pairs = sets.candidates(np.array(sorted(equal), np.int64))
    similarities = sets.similarities(pairs)
    kept = similarities >= least
    pairs, similarities = pairs[kept], similarities[kept]
    known = {(a, b): value for (a, b), value in zip(pairs.tolist(), similarities.tolist(), strict=True)}
    groups = {first: [first] for first in equal}
    group_of = {first: first for first in equal}
    lowest: dict[int, float] = {}
    for at in np.argsort(-similarities, kind="stable").tolist():
        a, b = (group_of[one] for one in pairs[at].tolist())
        if a == b:
            continue
        # A pair that no candidate was made of is below the cut, or as good as.
        across = min(known.get((min(x, y), max(x, y)), 0.0) for x in groups[a] for y in groups[b])
        if across < least:
            continue
        lowest[a] = min(across, lowest.get(a, 1.0), lowest.get(b, 1.0))
        for one in groups[b]:
            group_of[one] = a
        groups[a] += groups.pop(b)
    found = []
    for name, members in groups.items():
        every = sorted(at for first in members for at in equal[first])
        if len(every) > 1:
            found.append((lowest.get(name, 1.0), every))
    return found


def _owners(groups: Sequence[tuple[float, list[int]]], count: int) -> NDArray[np.int64]:
    """Number each function's group of near-duplicates; one without has a number of its own."""
    owner = np.arange(count, dtype=np.int64)
    for _, members in groups:
        owner[members] = members[0]
    return owner


def _mutual(
    vectors: NDArray[np.float32], owner: NDArray[np.int64], least: float, progress: Progress
) -> list[tuple[float, list[int]]]:
    """Pair functions that are each other's nearest outside their own group of near-duplicates."""
    count = len(vectors)
    nearest, closest = np.zeros(count, np.int64), np.full(count, -np.inf, np.float32)
    with progress("comparing vectors", count) as advance:
        for first in range(0, count, BLOCK):
            part = slice(first, min(first + BLOCK, count))
            cosines = vectors[part] @ vectors.T
            cosines[owner[part, None] == owner[None, :]] = -np.inf
            nearest[part] = cosines.argmax(axis=1)
            closest[part] = cosines.max(axis=1)
            advance(part.stop - part.start)
    mutual = (nearest[nearest] == np.arange(count)) & (np.arange(count) < nearest) & (closest > least)
    return [(float(closest[at]), [at, int(nearest[at])]) for at in np.flatnonzero(mutual).tolist()]


def _percentile(similarity: float, unrelated: NDArray[np.float64]) -> float | None:
    return float((unrelated < similarity).mean()) if len(unrelated) else None
