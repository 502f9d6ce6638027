"""What the ranker of code looks at: for each candidate file, how its words, its names and its place answer a query.

Files are numbered as in `UnitTable.documents`; every feature is an array over all of them until the candidates
are chosen, so that nothing is done one file at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Granularity
from tellapart.index.names import Names
from tellapart.rankers.query import Query, Units
from tellapart.rankers.structure_names import (
    EXAMPLES,
    PROSE,
    TESTS,
    Asked,
    DefiningUnit,
    Dense,
    Positions,
    RowsOfFiles,
    defined_in_code,
    definitions,
    label_matches,
    path_matches,
    static_features,
    stem_is_name,
)
from tellapart.rankers.structure_places import named_files

FEATURES = (
    "best",
    "third",
    "sum",
    "rank",
    "stem_covered",
    "stem_words",
    "path_words",
    "defined",
    "defined_loosely",
    "stem_is_name",
    "label_covered",
    "test_folder",
    "test_name",
    "example",
    "prose",
    "depth",
    "stem_length",
)
NEAR_FEATURES = ("near_best", "near_second", "near_rank")
"""Columns of `Candidates.features` in order; those of the second kind only where there are vectors."""

TOP_ROWS = 200
SUMMED_ROWS = 100
BY_WORDS, BY_NAMES = 40, 15
"""Units looked at for second and third hits and for the sum, and how many files each list of candidates gives; with
these the right file is among some 60 candidates of nearly every query (bench/code_search.py prints the share)."""

SOUGHT = 0.5
"""How surely a query means a file that defines what it asks the definition of: less than one whose path it has, which
is from .75 to 1. The judged queries ask for none."""


@dataclass(frozen=True, slots=True)
class Side:
    """The units of one granularity that a query is put to; `offsets` (documents + 1,) says which are whose."""

    granularity: Granularity
    query: Query
    units: Units
    offsets: Positions


@dataclass(frozen=True, slots=True)
class Candidates:
    """Files that may answer: positions (n,) ascending, and features (n, columns).

    `dense` holds each side's BM25 scores, one per row, and `highest` the best of each file; `definitions` those of
    the query's names, best first; `named` (n,) is above 0 where the query has the path of the file or asks for what it
    defines, and `lines` maps files to the lines that stand with their paths.
    """

    asked: Asked
    positions: Positions
    features: Dense
    dense: tuple[Dense, ...]
    highest: tuple[Dense, ...]
    definitions: tuple[DefiningUnit, ...]
    named: Dense
    lines: Mapping[int, int]


def candidates(
    asked: Asked,
    sides: Sequence[Side],
    names: Names,
    k1: float,
    b: float,
    near: Sequence[Dense] | None = None,
) -> Candidates:
    """Choose the files to look at and measure them; `near` are standardised similarities of every side's rows."""
    n = names.n_documents
    static = static_features(names)
    words = _Words.of(sides, names, k1, b)
    stem, path, covered = path_matches(asked, names)
    label = label_matches(asked, names)
    found = tuple(definitions(asked, names))
    if asked.goes_to and found:
        asked = replace(asked, symbol=True)  # it is looked up like a name
    may = _allowed(sides, names)
    allowed = None if may.all() else may
    defined = np.zeros((2, n), np.float32)
    for each in found:
        defined[1, each.document] = 1
        if each.exact:
            defined[0, each.document] = 1
    called = np.zeros(n, np.float32)
    called[stem_is_name(asked, names)] = 1
    if defined_in_code(found, names):
        called[names.is_prose] = 0  # a page of documentation is called like what it is about
    closest = None if near is None else _closest(sides, near, n)
    files = named_files(sides[0].query.text, names)
    named = np.zeros(n, np.float32)
    for position, file in files.items():
        named[position] = file.weight if may[position] else 0
    if asked.goes_to:
        sought = [each.document for each in found if each.exact and may[each.document]]
        named[sought] = np.maximum(named[sought], SOUGHT)
    chosen = named > 0
    for scores, count in (
        *(() if closest is None else ((closest[0], BY_WORDS),)),
        (words.best, BY_WORDS),
        (words.total, BY_WORDS),
        (path + covered, BY_NAMES),
        (label, BY_NAMES),
        *(((defined.sum(axis=0), BY_NAMES),) if found else ()),
    ):
        chosen[_top(scores, count, allowed)] = True
    at = np.flatnonzero(chosen)
    best, total = words.best[at], words.total[at]
    highest = max(float(words.best.max(initial=0.0)), 1e-9)
    n_words = max(len(asked.words), 1)
    n_columns = len(FEATURES) + (0 if closest is None else len(NEAR_FEATURES))
    columns = np.empty((n_columns, len(at)), np.float32)
    np.divide(best, highest, out=columns[0])
    np.divide(words.third[at], highest, out=columns[1])
    np.divide(total, max(float(words.total.max(initial=0.0)), 1e-9), out=columns[2])
    np.multiply(_reciprocal_rank(best), best > 0, out=columns[3])
    columns[4] = covered[at]
    np.divide(stem[at], n_words, out=columns[5])
    np.divide(path[at], n_words, out=columns[6])
    columns[7:9] = defined[:, at]
    columns[9] = called[at]
    columns[10] = label[at]
    columns[11:17] = static.priors[:, at]
    for rows, asks in ((slice(11, 13), TESTS), (13, EXAMPLES), (14, PROSE)):
        if asked.asks_for(asks):
            columns[rows] = 0
    if closest is not None:
        columns[17:] = closest[0][at], closest[1][at], _reciprocal_rank(closest[0][at])
    lines = {position: file.line for position, file in files.items() if file.line is not None}
    return Candidates(asked, at, columns.T, words.dense, words.highest, found, named[at], lines)


def _reciprocal_rank(scores: Dense) -> Dense:
    """1 / (1 + r / 3) for the r-th best, r from 0."""
    rank = np.empty(len(scores), np.float32)
    rank[(-scores).argsort(kind="stable")] = np.arange(len(scores), dtype=np.float32)
    return np.float32(1) / (1 + rank / np.float32(3))


def _closest(sides: Sequence[Side], near: Sequence[Dense], n: int) -> tuple[Dense, Dense]:
    """Similarity of each file's best and second-best unit; the second is the best where there is only one."""
    best, second = np.full(n, -10, np.float32), np.full(n, -10, np.float32)
    for side, dense in zip(sides, near, strict=True):
        filled = np.flatnonzero(side.offsets[1:] > side.offsets[:-1])
        if not len(filled):
            continue
        starts = side.offsets[filled]
        highest = np.maximum.reduceat(dense, starts)
        best[filled] = highest
        below = np.where(
            dense == np.repeat(highest, side.offsets[filled + 1] - starts), np.float32(-10), dense
        )
        others = np.maximum.reduceat(below, starts)
        second[filled] = np.where(others > -10, others, highest)
    return best, second


@dataclass(frozen=True, slots=True)
class _Words:
    """BM25 by file: its best and third-best unit, the sum over the best units of all; all scores, side by side."""

    best: Dense
    third: Dense
    total: Dense
    dense: tuple[Dense, ...]
    highest: tuple[Dense, ...]

    @classmethod
    def of(cls, sides: Sequence[Side], names: Names, k1: float, b: float) -> _Words:
        third, total = (np.zeros(names.n_documents, np.float32) for _ in range(2))
        every = [side.units.lexical.scores(side.query.terms, k1=k1, b=b) for side in sides]
        highest = []
        for side, dense in zip(sides, every, strict=True):
            of_files = rows_of_files(side, names)
            highest.append(highest_of_files(dense, of_files))
            rows = dense.nonzero()[0]
            values = dense[rows]
            if len(rows) > TOP_ROWS:
                kept = _top(values, TOP_ROWS)
                rows, values = rows[kept], values[kept]
            order = (-values).argsort(kind="stable")
            rows, values = rows[order], values[order]
            owners = of_files.owners[rows]
            np.add.at(total, owners[:SUMMED_ROWS], values[:SUMMED_ROWS])
            order = owners.argsort(kind="stable")
            sorted_owners = owners[order]
            # Inside a file the rows stay in the order of their scores: the third of each run is the third best.
            thirds = (sorted_owners[2:] == sorted_owners[:-2]).nonzero()[0]
            if len(thirds):
                of_run = np.empty(len(order), bool)
                of_run[0] = True
                np.not_equal(sorted_owners[1:], sorted_owners[:-1], out=of_run[1:])
                thirds = thirds[of_run[thirds]]
                third[sorted_owners[thirds]] = values[order[thirds + 2]]
        best = highest[0] if len(highest) == 1 else np.maximum.reduce(highest)
        return cls(best, third, total, tuple(every), tuple(highest))


def rows_of_files(side: Side, names: Names) -> RowsOfFiles:
    """Say which rows of a side are whose, kept with what names say whatever the query is."""
    known = static_features(names).rows
    kept = known.get(side.granularity)
    if kept is None or kept.offsets is not side.offsets:
        kept = known[side.granularity] = RowsOfFiles.of(side.offsets)
    return kept


def highest_of_files(dense: Dense, of_files: RowsOfFiles) -> Dense:
    """Give the highest score of each file, 0 for one without units: (documents,)."""
    if of_files.all_filled and len(dense):
        return np.maximum.reduceat(dense, of_files.starts)
    highest = np.zeros(len(of_files.offsets) - 1, np.float32)
    if len(of_files.filled):
        highest[of_files.filled] = np.maximum.reduceat(dense, of_files.starts)
    return highest


def _top(scores: Dense, count: int, allowed: NDArray[np.bool_] | None = None) -> Positions:
    """Positions of the `count` highest scores above 0."""
    if allowed is not None:
        scores = np.where(allowed, scores, np.float32(0))
    if count >= len(scores):
        return (scores > 0).nonzero()[0]
    found = scores.argpartition(len(scores) - count)[len(scores) - count :]
    positions: Positions = found[scores[found] > 0]
    return positions


def visible(units: Units) -> NDArray[np.bool_] | None:
    """Which units may be found, None where all may."""
    return units.allowed if units.allowed is not None else units.alive


def _allowed(sides: Sequence[Side], names: Names) -> NDArray[np.bool_]:
    """Which files may be found: those with a unit that may."""
    allowed = np.zeros(names.n_documents, bool)
    for side in sides:
        of_files = rows_of_files(side, names)
        filled = of_files.filled
        if (may := visible(side.units)) is None:
            allowed[filled] = True
        elif len(filled):
            allowed[filled] |= np.logical_or.reduceat(may, of_files.starts)
    return allowed
