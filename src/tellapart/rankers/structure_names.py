"""How names answer a query: words of paths, labels of units, and the units that define what the query names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Granularity
from tellapart.index.lexical.tokens import STOP_WORDS, analyse_parts
from tellapart.index.names import Names, SegmentNames
from tellapart.index.naming import last_name, plain, stem_of, words_of
from tellapart.rankers.structure_places import calls, without_places

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
_AS_IDENTIFIER = re.compile(r"[a-z0-9][A-Z]|_|::|->|[.#\\]")
_NAME = re.compile(r"[A-Za-z_$][\w$]*(?:(?:::|->|[.#\\])[A-Za-z_$][\w$]*)*")

_DEFINED = re.compile(
    r"\b(?:def|class|func|fn|fun|function|struct|interface|trait|enum|module|defmodule|object|protocol|type)\s+([A-Za-z_]\w*)"
)
_PASTED = re.compile(r"\n|[{};]|\)\s*:\s*$|\w\s*=\s*\w")

_THE = r"(?:the\s+|an?\s+)?"
_SOUGHT = re.compile(
    rf"\bwhere(?:'s|\s+(?:is|are|does|do))?\s+{_THE}(\S.*?)\s+(?:is\s+|are\s+|gets?\s+)?(?:defined|declared|implemented)\b"
    rf"|\b(?:definition|declaration|implementation)\s+of\s+{_THE}(\S.*)"
    rf"|^go\s+to\s+{_THE}(\S.*)",
    re.IGNORECASE,
)
_WHAT_IT_IS = re.compile(
    r"\s+(?:function|method|class|type|struct|decorator|variable|constant|macro)s?$", re.IGNORECASE
)
_LONGEST_NAME = 4
"""Words of a name that is asked for in words; more describe what something does."""

Dense = NDArray[np.float32]
Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Asked:
    """A query as names see it: its words in lower case, the identifiers in it, whether it is nothing but one.

    `goes_to` says that it asks where something is defined, `traced` that its names are the calls of a stack trace.
    """

    words: tuple[str, ...]
    names: tuple[str, ...]
    symbol: bool
    goes_to: bool = False
    traced: bool = False

    @classmethod
    def read(cls, text: str) -> Asked:
        """Read a query."""
        sought, traced = _sought(text), calls(text)
        text = (sought or text).strip().rstrip("()").strip("`")
        symbol = _SYMBOL.fullmatch(text) is not None
        words = [word for word in words_of(text) if word not in STOP_WORDS and word not in _ASKING]
        names = [match.group() for match in _NAME.finditer(without_places(text))]
        if sought:
            names = [text] if symbol else ["_".join(words_of(text))]
        elif traced:
            names = traced
        elif _PASTED.search(text):  # code: it means what it defines
            names = _DEFINED.findall(text)
        elif not symbol:
            names = [name for at, name in enumerate(names) if _is_name(name, first=at == 0)]
        return cls(
            tuple(dict.fromkeys(words)),
            tuple(dict.fromkeys(names)),
            symbol,
            goes_to=sought is not None,
            traced=bool(traced),
        )

    def asks_for(self, words: frozenset[str]) -> bool:
        """Whether the query has one of some words."""
        return not words.isdisjoint(self.words)


def _sought(text: str) -> str | None:
    """Give the name whose definition a query asks for: `version option` of "where is the version option defined?"."""
    match = _SOUGHT.search(text)
    if match is None:
        return None
    name = _WHAT_IT_IS.sub("", next(filter(None, match.groups())).strip(" ?.!`\"'"))
    return name if name and len(name.split()) <= _LONGEST_NAME else None


def _is_name(word: str, *, first: bool) -> bool:
    """Whether a word inside a sentence is written as identifiers are."""
    return bool(_AS_IDENTIFIER.search(word)) or (word[0].isupper() and not first)


@dataclass(frozen=True, slots=True)
class DefiningUnit:
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
class RowsOfFiles:
    """Which rows of a granularity are whose.

    `offsets` (documents + 1,) are those of the units; `filled` the documents that have some, `starts` their first rows;
    `owners` (rows,) gives the document of each row.
    """

    offsets: Positions
    filled: Positions
    starts: Positions
    owners: Positions

    @classmethod
    def of(cls, offsets: Positions) -> RowsOfFiles:
        """Invert the offsets."""
        sizes = np.diff(offsets)
        filled = np.flatnonzero(sizes)
        return cls(offsets, filled, offsets[filled], np.repeat(np.arange(len(sizes)), sizes))

    @property
    def all_filled(self) -> bool:
        """Whether every document has units."""
        return len(self.filled) == len(self.offsets) - 1


@dataclass(frozen=True, slots=True)
class StaticFeatures:
    """What names say whatever the query is, kept per generation.

    `priors` (6, documents) has a row for each of the last features: tests by folder and by name, examples, prose,
    depth and words of the stem. `labelled` has, of each segment, where the units of each label begin among all named
    ones in the order of their labels, and the documents of those. `stems` gives the documents by the plain name of
    their file. `rows` is filled as granularities are searched.
    """

    priors: Dense
    labelled: tuple[tuple[Positions, Positions], ...]
    stems: Mapping[str, Sequence[int]]
    rows: dict[Granularity, RowsOfFiles] = field(default_factory=dict)


_STATIC: WeakKeyDictionary[Names, StaticFeatures] = WeakKeyDictionary()


def static_features(names: Names) -> StaticFeatures:
    """Give what is kept of some names."""
    known = _STATIC.get(names)
    if known is None:
        example = names.having("folder", EXAMPLES) | names.having("stem", EXAMPLES)
        tests = names.having("folder", TESTS), names.having("stem", TESTS)
        priors = np.stack([*tests, example, names.is_prose, names.depths, names.stem_sizes]).astype(
            np.float32
        )
        stems: dict[str, list[int]] = {}
        for at in range(names.n_documents):
            stems.setdefault(plain(stem_of(names.path(at))), []).append(at)
        known = _STATIC[names] = StaticFeatures(priors, tuple(map(_labelled, names.segments)), stems)
    return known


def _labelled(segment: SegmentNames) -> tuple[Positions, Positions]:
    labels, documents = segment.units[:2].astype(np.int64)
    starts = np.searchsorted(
        labels, np.arange(len(segment.label_sizes) + 1), sorter=(order := labels.argsort())
    )
    return starts, documents[order]


def path_matches(asked: Asked, names: Names) -> tuple[Dense, Dense, Dense]:
    """Count the query's words in each stem and each path, and give the share of a stem's words that the query has."""
    n = names.n_documents
    stem, path, covered = (np.zeros(n, np.float32) for _ in range(3))
    for segment, first in zip(names.segments, names.first, strict=False):
        own = slice(first, first + len(segment))
        met: set[int] = set()
        in_stem, in_path = stem[own], path[own]
        for word in asked.words:
            named = segment.named_like(word, SHORTEST)
            if named is not None:
                met.update(named.stems)
                in_stem[named.by_stem] += 1
                in_path[named.by_path] += 1
        for number in met:
            covered[segment.rows("stem", number) + first] += 1
    covered /= np.maximum(names.stem_sizes, np.float32(1))
    return stem, path, covered


def label_matches(asked: Asked, names: Names) -> Dense:
    """Give, by file, the highest share of a label's words that the query has."""
    best = np.zeros(names.n_documents, np.float32)
    terms = analyse_parts(asked.words)
    for segment, first, (starts, documents) in zip(
        names.segments, names.first, static_features(names).labelled, strict=False
    ):
        having = [found for term in terms if len(found := segment.find("part", term))]
        if not having:
            continue
        shared = np.bincount(np.concatenate(having))
        labels = shared.nonzero()[0]
        shares = (shared[labels] / segment.label_sizes[labels]).astype(np.float32)
        low, sizes = starts[labels], starts[labels + 1] - starts[labels]
        units = np.arange(sizes.sum()) + np.repeat(low - (np.cumsum(sizes) - sizes), sizes)
        np.maximum.at(best[first : first + len(segment)], documents[units], np.repeat(shares, sizes))
    return best


def definitions(asked: Asked, names: Names) -> list[DefiningUnit]:
    """Find the units that define a name of the query; where the name is qualified, those inside what qualifies it.

    A heading of documentation counts where no code defines the name.
    """
    found: list[DefiningUnit] = []
    for name in asked.names:
        last = last_name(name)
        owner = plain(last_name(name[: -len(last)])) if name != last and name.endswith(last) else ""
        own = [
            (DefiningUnit(int(document) + first, int(function), int(class_), last_name(segment.labels[label]) == last),
             bool(owner) and _is_inside(owner, segment, int(document), int(class_)))
            for segment, first in zip(names.segments, names.first, strict=False)
            for label in segment.find("plain", plain(last)).tolist()
            for document, function, class_ in segment.units[1:, segment.rows("labelled", label)].T
        ]  # fmt: skip
        inside = [definition for definition, matches in own if matches]
        found += inside or [definition for definition, _ in own]
    return sorted(defined_in_code(found, names) or found, key=lambda each: not each.exact)


def defined_in_code(found: Sequence[DefiningUnit], names: Names) -> list[DefiningUnit]:
    """Leave out headings of documentation."""
    return [each for each in found if not names.is_prose[each.document]]


def _is_inside(owner: str, segment: SegmentNames, document: int, class_: int) -> bool:
    """Whether a unit stands in a class, file or folder of a name."""
    low, high = np.searchsorted(segment.units[1], (document, document + 1))
    around = segment.units[0, low:high][segment.units[3, low:high] == class_]
    path = PurePosixPath(segment.paths[document])
    names = [segment.labels[label] for label in around.tolist()] + [path.stem, path.parent.name]
    return any(plain(last_name(name)) == owner for name in names)


def stem_is_name(asked: Asked, names: Names) -> Positions:
    """Give the files that are called like a name of the query."""
    if not asked.names:
        return np.zeros(0, np.int64)
    stems = static_features(names).stems
    wanted = {plain(last_name(name)) for name in asked.names}
    return np.array([at for name in wanted for at in stems.get(name, ())], np.int64)
