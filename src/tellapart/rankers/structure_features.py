"""What the ranker of code looks at: for each candidate file, how its words, its names and its place answer a query.

Files are numbered as in `UnitTable.documents`; every feature is an array over all of them until the candidates
are chosen, so that nothing is done one file at a time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.types import Granularity
from tellapart.index.lexical.tokens import STOP_WORDS, analyse_parts
from tellapart.index.names import Names, SegmentNames, last_name, plain, stem_of, words_of
from tellapart.rankers.query import Query, Units

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

SHORTEST = 3
"""Characters from which on a word also matches one that it begins or that begins it: `dependency`, `dependencies`."""

# fmt: off
TESTS = frozenset({
    "test", "tests", "spec", "specs", "testing", "testdata", "testsuite", "fixture", "fixtures", "mock", "mocks",
})
EXAMPLES = frozenset({
    "example", "examples", "demo", "demos", "sample", "samples", "tutorial", "tutorials", "doc", "docs",
    "bench", "benches", "benchmark", "benchmarks", "vendor", "vendored", "vendors",
})
"""Words of a path that mark tests, and code that only shows, measures or comes from elsewhere. A query that has one of
them asks for such files."""

PROSE = frozenset({
    "doc", "docs", "documentation", "readme", "changelog", "guide", "manual", "tutorial", "installation", "license",
})
"""Words of a query that ask for prose."""

_ASKING = frozenset({
    "how", "what", "where", "when", "which", "who", "why", "does", "do", "did", "can", "could", "should", "has", "have",
    "had", "from", "its",
})
# fmt: on
_SYMBOL = re.compile(r"[^\s]*[A-Z_][^\s]*|[^\s]+(?:::|->|[.#\\])[^\s]+")
_NAME = re.compile(r"[A-Za-z_$][\w$]*(?:(?:::|->|[.#\\])[A-Za-z_$][\w$]*)*")

Dense = NDArray[np.float32]
Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Asked:
    """A query as names see it: its words in lower case, the identifiers in it, whether it is nothing but one."""

    words: tuple[str, ...]
    names: tuple[str, ...]
    symbol: bool

    @classmethod
    def read(cls, text: str) -> Asked:
        """Read a query."""
        text = text.strip().rstrip("()").strip("`")
        symbol = _SYMBOL.fullmatch(text) is not None
        words = [word for word in words_of(text) if word not in STOP_WORDS and word not in _ASKING]
        names = [match.group() for match in _NAME.finditer(text)]
        if not symbol:
            names = [name for at, name in enumerate(names) if _is_name(name, first=at == 0)]
        return cls(tuple(dict.fromkeys(words)), tuple(dict.fromkeys(names)), symbol)

    def asks_for(self, words: frozenset[str]) -> bool:
        """Whether the query has one of some words."""
        return not words.isdisjoint(self.words)


def _is_name(word: str, *, first: bool) -> bool:
    """Whether a word inside a sentence is written as identifiers are."""
    return bool(re.search(r"[a-z0-9][A-Z]|_|::|->|[.#\\]", word)) or (word[0].isupper() and not first)


@dataclass(frozen=True, slots=True)
class Side:
    """The units of one granularity that a query is put to; `offsets` (documents + 1,) says which are whose."""

    granularity: Granularity
    query: Query
    units: Units
    offsets: Positions


@dataclass(frozen=True, slots=True)
class Definition:
    """A unit that defines a name of the query: its document, its ordinal among functions and among classes."""

    document: int
    function: int
    class_: int
    exact: bool

    def ordinal(self, granularity: Granularity) -> int | None:
        """Give the unit of a granularity that it is or stands in; None in prose."""
        if granularity is Granularity.FUNCTION:
            return self.function
        if granularity is Granularity.CLASS:
            return self.class_
        return 0 if granularity is Granularity.FILE else None


@dataclass(frozen=True, slots=True)
class Candidates:
    """Files that may answer: positions (n,) ascending, and features (n, columns).

    `dense` holds each side's BM25 scores, one per row; `definitions` those of the query's names, best first.
    """

    asked: Asked
    positions: Positions
    features: Dense
    dense: tuple[Dense, ...]
    definitions: tuple[Definition, ...]


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
    words = _Words.of(sides, n, k1, b)
    place = _place(names)
    stem, path, covered = _path_matches(asked, names)
    label = _label_matches(asked, names)
    definitions = tuple(_definitions(asked, names))
    may = _allowed(sides, n)
    allowed = None if may.all() else may
    defined = np.zeros((2, n), np.float32)
    for each in definitions:
        defined[1, each.document] = 1
        if each.exact:
            defined[0, each.document] = 1
    closest = None if near is None else _closest(sides, near, n)
    chosen = np.zeros(n, bool)
    for scores, count in (
        *(() if closest is None else ((closest[0], BY_WORDS),)),
        (words.best, BY_WORDS),
        (words.total, BY_WORDS),
        (path + covered, BY_NAMES),
        (label, BY_NAMES),
        (defined.sum(axis=0), BY_NAMES),
    ):
        chosen[_top(scores, count, allowed)] = True
    at = np.flatnonzero(chosen)
    best, total = words.best[at], words.total[at]
    highest = max(float(words.best.max(initial=0.0)), 1e-9)
    n_words = max(len(asked.words), 1)
    tests = 0.0 if asked.asks_for(TESTS) else 1.0
    shows = 0.0 if asked.asks_for(EXAMPLES) else 1.0
    features = np.stack(
        [
            best / highest,
            words.third[at] / highest,
            total / max(float(words.total.max(initial=0.0)), 1e-9),
            np.where(best > 0, _reciprocal_rank(best), 0),
            covered[at],
            stem[at] / n_words,
            path[at] / n_words,
            defined[0, at],
            defined[1, at],
            _stem_is_name(asked, names, at),
            label[at],
            place.test_folder[at] * tests,
            place.test_name[at] * tests,
            place.example[at] * shows,
            names.is_prose[at] * (0.0 if asked.asks_for(PROSE) else 1.0),
            names.depths[at],
            names.stem_sizes[at],
            *(() if closest is None else (closest[0][at], closest[1][at], _reciprocal_rank(closest[0][at]))),
        ],
        axis=1,
    ).astype(np.float32)
    return Candidates(asked, at, features, words.dense, definitions)


def _reciprocal_rank(scores: Dense) -> Dense:
    """1 / (1 + r / 3) for the r-th best, r from 0."""
    rank = np.empty(len(scores), np.float32)
    rank[np.argsort(-scores, kind="stable")] = np.arange(len(scores), dtype=np.float32)
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
    """BM25 by file: its best and third-best unit, the sum over the best units of all, and all units' scores."""

    best: Dense
    third: Dense
    total: Dense
    dense: tuple[Dense, ...]

    @classmethod
    def of(cls, sides: Sequence[Side], n: int, k1: float, b: float) -> _Words:
        best, third, total = (np.zeros(n, np.float32) for _ in range(3))
        every = []
        for side in sides:
            dense = side.units.lexical.scores(side.query.terms, k1=k1, b=b)
            every.append(dense)
            if not len(dense):
                continue
            filled = np.flatnonzero(side.offsets[1:] > side.offsets[:-1])
            np.maximum.at(best, filled, np.maximum.reduceat(dense, side.offsets[filled]))
            rows = _top(dense, TOP_ROWS)
            rows = rows[np.argsort(-dense[rows], kind="stable")]
            owners = np.searchsorted(side.offsets, rows, side="right") - 1
            np.add.at(total, owners[:SUMMED_ROWS], dense[rows[:SUMMED_ROWS]])
            order = np.argsort(owners, kind="stable")
            sorted_owners = owners[order]
            # Inside a file the rows stay in the order of their scores: the third of each run is the third best.
            thirds = np.flatnonzero(sorted_owners[2:] == sorted_owners[:-2])
            first_of_run = np.concatenate([[True], sorted_owners[1:] != sorted_owners[:-1]])
            thirds = thirds[first_of_run[thirds]]
            third[sorted_owners[thirds]] = dense[rows[order[thirds + 2]]]
        return cls(best, third, total, tuple(every))


def _top(scores: Dense, count: int, allowed: NDArray[np.bool_] | None = None) -> Positions:
    """Positions of the `count` highest scores above 0."""
    if allowed is not None:
        scores = np.where(allowed, scores, np.float32(0))
    if count < len(scores):
        found = np.argpartition(scores, len(scores) - count)[len(scores) - count :]
    else:
        found = np.arange(len(scores))
    positions: Positions = found[scores[found] > 0]
    return positions


def _allowed(sides: Sequence[Side], n: int) -> NDArray[np.bool_]:
    """Which files may be found: those with a unit that may."""
    allowed = np.zeros(n, bool)
    for side in sides:
        filled = np.flatnonzero(side.offsets[1:] > side.offsets[:-1])
        may = side.units.allowed if side.units.allowed is not None else side.units.alive
        allowed[filled] |= True if may is None else may[side.offsets[filled]]
    return allowed


@dataclass(frozen=True, slots=True)
class _Place:
    """What names say whatever the query is, kept per generation; `unit_starts`: where each document's labels begin."""

    test_folder: Dense
    test_name: Dense
    example: Dense
    unit_starts: tuple[Positions, ...]


_PLACES: WeakKeyDictionary[Names, _Place] = WeakKeyDictionary()


def _place(names: Names) -> _Place:
    if names not in _PLACES:
        example = names.having("folder", EXAMPLES) | names.having("stem", EXAMPLES)
        starts = tuple(
            np.searchsorted(segment.units[1], np.arange(len(segment))).astype(np.int64)
            for segment in names.segments
        )
        _PLACES[names] = _Place(
            names.having("folder", TESTS).astype(np.float32),
            names.having("stem", TESTS).astype(np.float32),
            example.astype(np.float32),
            starts,
        )
    return _PLACES[names]


def _path_matches(asked: Asked, names: Names) -> tuple[Dense, Dense, Dense]:
    """Count the query's words in each stem and each path, and give the share of a stem's words that the query has."""
    n = names.n_documents
    stem, path, covered = (np.zeros(n, np.float32) for _ in range(3))
    for segment, first in zip(names.segments, names.first, strict=False):
        own = slice(first, first + len(segment))
        met: set[int] = set()
        for word in asked.words:
            in_stem, in_path = np.zeros(len(segment), bool), np.zeros(len(segment), bool)
            for number in segment.alike("stem", word, SHORTEST):
                met.add(number)
                in_stem[segment.rows("stem", number)] = True
            for number in segment.alike("folder", word, SHORTEST):
                in_path[segment.rows("folder", number)] = True
            stem[own] += in_stem
            path[own] += in_stem | in_path
        for number in met:
            covered[segment.rows("stem", number) + first] += 1
    covered /= np.maximum(names.stem_sizes, np.float32(1))
    return stem, path, covered


def _label_matches(asked: Asked, names: Names) -> Dense:
    """Give, by file, the highest share of a label's words that the query has."""
    best = np.zeros(names.n_documents, np.float32)
    terms = analyse_parts(asked.words)
    for segment, first, starts in zip(names.segments, names.first, _place(names).unit_starts, strict=False):
        if not segment.units.shape[1]:
            continue
        shares = np.zeros(len(segment.label_sizes), np.float32)
        for term in terms:
            shares[segment.find("part", term)] += 1
        shares /= np.maximum(segment.label_sizes, 1)
        of_units = np.append(shares[segment.units[0]], np.float32(0))
        highest = np.maximum.reduceat(of_units, starts)
        best[first : first + len(segment)] = np.where(_filled(starts, segment), highest, 0)
    return best


def _filled(starts: Positions, segment: SegmentNames) -> NDArray[np.bool_]:
    """Which documents have named units."""
    return np.diff(starts, append=segment.units.shape[1]) > 0


def _definitions(asked: Asked, names: Names) -> list[Definition]:
    """Find the units that define a name of the query; where the name is qualified, those inside what qualifies it."""
    found: list[Definition] = []
    for name in asked.names:
        last = last_name(name)
        owner = plain(last_name(name[: -len(last)])) if name != last and name.endswith(last) else ""
        own = [
            (Definition(int(document) + first, int(function), int(class_), last_name(segment.labels[label]) == last),
             bool(owner) and _is_inside(owner, segment, int(document), int(class_)))
            for segment, first in zip(names.segments, names.first, strict=False)
            for label in segment.find("plain", plain(last)).tolist()
            for document, function, class_ in segment.units[1:, segment.rows("labelled", label)].T
        ]  # fmt: skip
        inside = [definition for definition, matches in own if matches]
        found += inside or [definition for definition, _ in own]
    return sorted(found, key=lambda each: not each.exact)


def _is_inside(owner: str, segment: SegmentNames, document: int, class_: int) -> bool:
    """Whether a unit stands in a class, file or folder of a name."""
    low, high = np.searchsorted(segment.units[1], (document, document + 1))
    around = segment.units[0, low:high][segment.units[3, low:high] == class_]
    path = PurePosixPath(segment.paths[document])
    names = [segment.labels[label] for label in around.tolist()] + [path.stem, path.parent.name]
    return any(plain(last_name(name)) == owner for name in names)


def _stem_is_name(asked: Asked, names: Names, positions: Positions) -> Dense:
    wanted = {plain(last_name(name)) for name in asked.names}
    if not wanted:
        return np.zeros(len(positions), np.float32)
    return np.array([plain(stem_of(names.path(at))) in wanted for at in positions.tolist()], np.float32)
