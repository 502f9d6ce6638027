"""Ranks files of code first, by their words, names and places together, and then shows their units.

P(file | query) is a conditional logit over the candidate files (McFadden 1974): proportional to exp(w . f), with
one w for queries that are a symbol and one for all others, fitted on repositories with judged queries
(bench/code_search.py; docs/benchmarks/code_search.md has the ablation). Where there are vectors, two more features
come from them, with weights of their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import KIND_OF, Kind
from tellapart.errors import TellapartError
from tellapart.index.lexical import Bm25
from tellapart.index.names import Names
from tellapart.rankers.query import Dense, Query, Ranking, Spread, Spreads, Units
from tellapart.rankers.structure_features import (
    Candidates,
    Side,
    candidates,
    highest_of_files,
    rows_of_files,
    visible,
)
from tellapart.rankers.structure_names import Asked, defined_in_code
from tellapart.rankers.structure_places import is_path_alone
from tellapart.rankers.structure_weights import Weights, stages, weights
from tellapart.rankers.vectors import VectorRanker

DECAY = 0.01
"""What each further unit of a file scores, as a share of the unit before. On 43 repositories (bench/code_search.py) .01
costs .003 nDCG@10 against one unit a file and .1 costs .011, since a list of ten then shows fewer files; a file that is
almost certainly the one shows several units all the same."""

NAMED_PATH = 8.0
"""Added to the logit of a file whose path stands in the query: more than all that was fitted can take away; the
judged queries name no paths. At half of it a file with many of the words could still come first."""

MOST_UNITS = 20
"""Units of one file that are told apart; what comes after them has no place in a list of ten."""

LEAD, LEAD_INTERCEPT = 3.8, -2.8
"""Log odds that a query wants documentation and not code: LEAD x log(best paragraph by BM25 / best function) +
LEAD_INTERCEPT. Logistic regression on judged queries of code and headings of documentation in ten repositories, each
left out in turn; the intercept takes one query of ten to be about documentation. bench/mixed_repositories.py has what
each side loses by it, and by other shares."""

SHARPNESS = 15.0
"""P(file) among the documentation is proportional to exp(SHARPNESS x its best paragraph / the best of all). 8 was no
better there."""

BEYOND = 1e-6
"""Files that are no candidates but share a word with the query score at most this share of the last candidate."""


class Placed(NamedTuple):
    """A unit in the joint list: its side, its row and its document's position there, and what its score is made of."""

    side: int
    row: int
    position: int
    score: float
    probability: float
    components: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Files:
    """Candidates with P(file), calibrated too, and what their units are worth inside the file, one array a side.

    `heads` are the positions of files that are shown from their beginning, since the query is nothing but their path.
    """

    found: Candidates
    shares: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    worth: tuple[Dense, ...]
    heads: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Structure:
    """The structure ranker; `semantic` orders by vectors where an encoder was asked for.

    It looks at all granularities of a search together (`rank_together`): files of prose and of code are
    candidates of one list.
    """

    k1: float
    b: float
    semantic: VectorRanker | None = None
    name: str = "structure"
    fitted: Weights | None = None
    """In place of the shipped weights."""
    decay: float = DECAY

    def rank_together(self, sides: Sequence[Side], k: int) -> list[Placed]:
        """Give the best k units over all sides, best first.

        The best unit of a file, the one that defines what the query names if it does, scores P(file); each further
        unit scores DECAY times the one before.
        """
        return list(islice(self.placed(sides), k))

    def placed(self, sides: Sequence[Side]) -> Iterator[Placed]:
        """Give the units over all sides as `rank_together` does, each when it is asked for."""
        files = self._files(sides)
        shares, probabilities = files.shares.tolist(), files.probabilities.tolist()
        positions = files.found.positions.tolist()
        # The next unit of every file waits with its score; only the files that come up have their units ordered.
        # Ascending, so it is a heap already.
        waiting = [(-shares[at], at, 0) for at in np.argsort(-files.shares, kind="stable").tolist()]
        units: dict[int, list[tuple[int, list[int]]]] = {}
        while waiting:
            score, at, order = heappop(waiting)
            position = positions[at]
            if order < 2:  # the best unit alone is found faster than the order of all
                units[at] = self._units(files, sides, position, 1 if order == 0 else MOST_UNITS)
            more = order == 0
            for side, rows in units[at]:
                if order < len(rows):
                    row = rows[order]
                    components = {"file": shares[at], "bm25": files.found.dense[side].item(row)}
                    yield Placed(side, row, position, -score, probabilities[at], components)
                    more = more or len(rows) > order + 1
            if more:
                heappush(waiting, (score * self.decay, at, order + 1))

    def dense_together(self, sides: Sequence[Side]) -> list[Dense]:
        """Score every row of every side, -inf where no file is a candidate and no word is shared."""
        files = self._files(sides)
        lowest = max(float(files.shares.min(initial=1.0)), 1e-30) * self.decay**MOST_UNITS * BEYOND
        scores = []
        for number, side in enumerate(sides):
            words = files.found.dense[number]
            shared = np.log(lowest) + np.log(words / max(float(words.max(initial=0.0)), 1e-9) + 1e-9)
            dense = np.where(words > 0, shared, -np.inf).astype(np.float32)
            may = visible(side.units)
            scores.append(dense if may is None else np.where(may, dense, np.float32(-np.inf)))
        for share, position in zip(files.shares.tolist(), files.found.positions.tolist(), strict=True):
            for number, rows in self._units(files, sides, position, MOST_UNITS):
                scores[number][rows] = np.log(max(share, 1e-30)) + np.arange(len(rows)) * np.log(self.decay)
        return scores

    def spreads(self, query: Query, units: Units) -> Spreads:
        """Give none: it is asked for all granularities at once."""
        return {}

    def rank(self, query: Query, units: Units, k: int, spreads: Spreads | None = None) -> Ranking:
        """Give the best k units of a single granularity."""
        placed = self.rank_together([side_of(query, units)], k)
        components = {
            name: np.array([p.components[name] for p in placed], np.float32) for name in ("file", "bm25")
        }
        rows = np.array([each.row for each in placed], np.int64)
        return Ranking(rows, np.array([each.score for each in placed], np.float32), components)

    def scores(self, query: Query, units: Units, spreads: Spreads | None = None) -> Dense:
        """Score every row of a single granularity."""
        return self.dense_together([side_of(query, units)])[0]

    def find(self, sides: Sequence[Side]) -> tuple[Candidates, list[Dense] | None]:
        """Measure the candidate files; with vectors, also give the similarity of every row."""
        near = self._near(sides) if self._sees(sides) else None
        asked = Asked.read(sides[0].query.text)
        return candidates(asked, sides, _names(sides), self.k1, self.b, near), near

    def _files(self, sides: Sequence[Side]) -> _Files:
        found, near = self.find(sides)
        fitted = self.fitted or weights("words" if near is None else "vectors")
        logits = found.features.astype(np.float64) @ fitted.of(found.asked) + NAMED_PATH * found.named
        shares = _with_documentation(_softmax(logits), found, sides)
        highest = max((float(dense.max(initial=0.0)) for dense in found.dense), default=0.0) or 1.0
        worth = tuple(dense / np.float32(highest) for dense in found.dense)
        if near is not None:
            worth = tuple(
                words + each / np.float32(NEAR_UNIT) for words, each in zip(worth, near, strict=True)
            )
        hidden = [visible(side.units) for side in sides]
        worth = tuple(
            own if may is None else np.where(may, own, np.float32(-np.inf))
            for own, may in zip(worth, hidden, strict=True)
        )
        named = found.positions[found.named > 0].tolist() if found.named.any() else ()
        heads = frozenset(named if named and is_path_alone(sides[0].query.text) else ())
        return _Files(found, shares, fitted.calibrated(shares), worth, heads)

    def _sees(self, sides: Sequence[Side]) -> bool:
        """Whether there are vectors to compare, and weights for them."""
        return (
            self.semantic is not None
            and self._fitted_for_vectors()
            and all(side.units.vectors is not None and side.query.vector is not None for side in sides)
        )

    def _fitted_for_vectors(self) -> bool:
        return "vectors" in stages() if self.fitted is None else "near_best" in self.fitted.features

    def _near(self, sides: Sequence[Side]) -> list[Dense]:
        """Similarity of every row, standardised over the units of all sides: prose and code are told apart by it."""
        semantic = self.semantic
        assert semantic is not None
        spread = Spread.of_all([semantic.spreads(side.query, side.units)[semantic.name] for side in sides])
        return [spread.standardise(semantic.scores(side.query, side.units)) for side in sides]

    def _units(
        self, files: _Files, sides: Sequence[Side], position: int, most: int
    ) -> list[tuple[int, list[int]]]:
        """Order at most so many units of one file: the one that is meant first, then the best."""
        shown = []
        for number, side in enumerate(sides):
            low, high = side.offsets.item(position), side.offsets.item(position + 1)
            if low == high:
                continue
            worth = files.worth[number][low:high]
            first = self._first(files, side, position, worth)
            if worth.item(first) == -math.inf:
                continue
            rows = [low + first]
            if most > 1:
                order = (-worth).argsort(kind="stable")[: most + 1]
                rows += [low + at for at in order[worth[order] > 0].tolist() if at != first]
            shown.append((number, rows[:most]))
        return shown

    def _first(self, files: _Files, side: Side, position: int, worth: Dense) -> int:
        """Choose the unit of a file that is shown first: at the line that is named, a definition, or the best.

        A stack trace may be of another version of the file: there the call that is named counts, and the line says
        which of its definitions.
        """
        found = files.found
        ordinals = [each.ordinal(side.granularity) for each in found.definitions if each.document == position]
        may = [ordinal for ordinal in ordinals if ordinal is not None and worth[ordinal] > -np.inf]
        line, at_line = found.lines.get(position), side.units.at_line
        held = None if line is None or at_line is None else at_line(position, line)
        if held is not None and worth[held] > -np.inf:
            return min(may, key=lambda each: abs(each - held)) if may and found.asked.traced else held
        if may:
            return _whole(may, side.units.lexical, side.offsets.item(position))
        return 0 if position in files.heads else int(worth.argmax())


def _whole(ordinals: Sequence[int], lexical: Bm25, low: int) -> int:
    """Choose among units that define a name, the best first: of those that follow one another the longest.

    Overloads stand before the function that they are of, a property before its setter.
    """
    run = [ordinals[0]]
    while run[-1] + 1 in ordinals:
        run.append(run[-1] + 1)
    return max(run, key=lambda ordinal: lexical.length(low + ordinal)) if len(run) > 1 else run[0]


def _with_documentation(
    shares: NDArray[np.float64], found: Candidates, sides: Sequence[Side]
) -> NDArray[np.float64]:
    """Mix P(file) of a query for code with that of one for documentation, by how likely it is the one or the other.

    What was fitted on queries for code all but hides documentation; where its words answer clearly better than those
    of the code, it is what was asked for.
    """
    best = {Kind.PROSE: np.zeros(len(shares)), Kind.CODE: np.zeros(len(shares))}
    for side, dense, highest in zip(sides, found.dense, found.highest, strict=True):
        if (may := visible(side.units)) is not None:
            highest = highest_of_files(
                np.where(may, dense, np.float32(0)), rows_of_files(side, _names(sides))
            )
        kind = KIND_OF[side.granularity]
        best[kind] = np.maximum(best[kind], highest[found.positions])
    prose, code = (float(best[kind].max(initial=0.0)) for kind in (Kind.PROSE, Kind.CODE))
    in_code = found.asked.symbol and defined_in_code(found.definitions, _names(sides))
    if prose <= 0 or found.named.any() or in_code:
        return shares  # where a file or what code defines is named, that is what is wanted
    wanted = wants_documentation(math.log(prose / code) if code > 0 else math.inf)
    answers = np.where(best[Kind.PROSE] > 0, SHARPNESS * (best[Kind.PROSE] / prose - 1), -np.inf)
    return wanted * _softmax(answers) + (1 - wanted) * shares


def wants_documentation(lead: float) -> float:
    """Give the probability that a query wants documentation; `lead` is the log of best paragraph / best function."""
    return 1 / (1 + math.exp(-min(LEAD * lead + LEAD_INTERCEPT, 700.0)))


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = np.exp(logits - logits.max(initial=-np.inf))
    return shares / max(float(shares.sum()), 1e-300)


NEAR_UNIT = 4.0
"""Standard deviations of similarity that weigh as much as all of the query's words in choosing the unit to show.
The 27 judged spans are too few to tell 2, 4 and 8 apart."""


def side_of(query: Query, units: Units) -> Side:
    """Put a query to units of one granularity.

    Raises:
        TellapartError: The units do not say which files they are of.
    """
    if units.offsets is None:
        raise TellapartError("the ranker structure needs the paths of an index: open one with Index.open")
    return Side(units.granularity, query, units, units.offsets)


def _names(sides: Sequence[Side]) -> Names:
    names = sides[0].units.names
    assert names is not None
    return names
