"""What documents and their units are called: words of paths and labels, with postings of their own.

A name counts here as a field of its own. As words of a unit's text it would be diluted in a long unit, and a
file that mentions a name often would look like the one that defines it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import ContainmentTree, Document, Granularity, Kind
from tellapart.index.lexical.tokens import Numbered, analyse_all_parts
from tellapart.index.naming import depth_of, last_name, plain, stem_of, words_of

FILE = "names.npz"
FIELDS = ("stem", "folder", "part", "plain", "labelled")
"""Postings kept: words of a file's name and of its folders -> documents; stemmed parts and plain names of labels ->
labels; labels -> units."""

KEPT_ROWS = 1 << 20
"""Documents of words looked up before that a segment keeps in memory: 4 MB."""

Numbers = NDArray[np.int32]
Positions = NDArray[np.int64]

_BETWEEN = "\0"
_KINDS = tuple(Kind)
_NAMED_LEVELS: Mapping[Kind, tuple[Granularity, ...]] = {
    Kind.CODE: (Granularity.FUNCTION, Granularity.CLASS),
    Kind.PROSE: (Granularity.SECTION,),
    Kind.IMAGE: (),
}


@dataclass(frozen=True, slots=True)
class LabelledUnit:
    """A unit with a label: its document's position, and its ordinal at the two levels of code (0 in prose)."""

    document: int
    label: str
    function: int
    class_: int


class NamesWriter:
    """Collects the names of the documents of one segment, in the order of the documents."""

    def __init__(self) -> None:
        self._paths: list[str] = []
        self._kinds: list[int] = []
        self._units: list[LabelledUnit] = []

    @property
    def memory(self) -> int:
        """Bytes held, about."""
        return 150 * len(self._paths) + 200 * len(self._units)

    def add(self, document: Document, tree: ContainmentTree) -> None:
        """Take the next document."""
        position = len(self._paths)
        self._paths.append((document.path or "").replace(_BETWEEN, " "))
        self._kinds.append(_KINDS.index(document.kind))
        for level in _NAMED_LEVELS[document.kind]:
            units = tree.levels[level]
            if not any(units.labels):
                continue
            if document.kind is Kind.CODE:
                functions = np.searchsorted(tree.levels[Granularity.FUNCTION].starts, units.starts)
                classes = tree.levels[Granularity.CLASS].starts.searchsorted(units.starts, side="right") - 1
            else:
                functions = classes = np.zeros(len(units.starts), np.int64)
            for label, function, class_ in zip(
                units.labels, functions.tolist(), classes.tolist(), strict=True
            ):
                if label:
                    self._units.append(LabelledUnit(position, label.replace(_BETWEEN, " "), function, class_))

    def take(self, names: SegmentNames, alive: NDArray[np.bool_]) -> None:
        """Take the live documents (a mask over all) of a segment that is being merged."""
        new = np.cumsum(alive) - 1 + len(self._paths)
        kept = np.flatnonzero(alive)
        paths = names.paths
        self._paths += [paths[position] for position in kept.tolist()]
        self._kinds += names.kinds[kept].tolist()
        labels = names.labels
        for label, document, function, class_ in zip(*(each.tolist() for each in names.units), strict=True):
            if alive[document]:
                self._units.append(LabelledUnit(int(new[document]), labels[label], function, class_))

    def write(self, folder: Path) -> None:
        """Write all names into a segment's folder."""
        labels = Numbered()
        numbers = [labels[unit.label] for unit in self._units]
        words = [(words_of(stem_of(path)), words_of(path.rpartition("/")[0])) for path in self._paths]
        distinct = list(labels)
        parts = analyse_all_parts([words_of(label) for label in distinct])
        plains = [{plain(last_name(label))} - {""} for label in distinct]
        arrays: dict[str, NDArray[np.generic]] = {
            "kinds": np.array(self._kinds, np.uint8),
            "stem_sizes": np.array([len(set(stem)) for stem, _ in words], np.int32),
            "depths": np.array([*map(depth_of, self._paths)], np.int32),
            "paths": _blob(self._paths),
            "labels": _blob(distinct),
            "label_sizes": np.array([len(each) for each in parts], np.int32),
            "units": np.array(
                [
                    numbers,
                    [unit.document for unit in self._units],
                    [unit.function for unit in self._units],
                    [unit.class_ for unit in self._units],
                ],
                np.int32,
            ).reshape(4, len(self._units)),
        }
        for field, texts in (
            ("stem", [set(stem) for stem, _ in words]),
            ("folder", [set(folder) for _, folder in words]),
            ("part", parts),
            ("plain", plains),
        ):
            arrays |= _postings(field, texts)
        arrays["labelled.starts"], arrays["labelled.rows"] = _grouped(numbers, len(distinct))
        np.savez(folder / FILE, **arrays)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class NamedLike:
    """The words of files' names that are like a word, and the documents that have one there or in their folders."""

    stems: tuple[int, ...]
    by_stem: Numbers
    by_path: Numbers


class SegmentNames:
    """The names of one segment; everything is read at once when first asked for."""

    def __init__(self, file: Path | BinaryIO) -> None:
        self._like: dict[tuple[str, int], NamedLike | None] = {}
        self._like_rows = 0
        with np.load(file) as arrays:
            self._arrays = {name: arrays[name] for name in arrays.files}
        self.kinds: NDArray[np.uint8] = self._arrays["kinds"]
        self.units: NDArray[np.int32] = self._arrays["units"]
        self.label_sizes: Numbers = self._arrays["label_sizes"]
        self.stem_sizes: Numbers = self._arrays["stem_sizes"]
        self.depths: Numbers = self._arrays["depths"]

    def __len__(self) -> int:
        return len(self.kinds)

    @cached_property
    def paths(self) -> list[str]:
        """Of each document, "" where it has none."""
        return self._texts("paths", len(self.kinds))

    @cached_property
    def labels(self) -> list[str]:
        """Distinct labels."""
        return self._texts("labels", len(self.label_sizes))

    @cached_property
    def _words(self) -> dict[str, list[str]]:
        return {field: self._texts(f"{field}.words") for field in FIELDS[:-1]}

    @cached_property
    def _numbers(self) -> dict[str, dict[str, int]]:
        return {field: {word: at for at, word in enumerate(words)} for field, words in self._words.items()}

    def _texts(self, name: str, count: int | None = None) -> list[str]:
        array = self._arrays[name]
        if not len(array) and count != 1:
            return []
        text: str = array.tobytes().decode("utf-8", "surrogatepass")
        return text.split(_BETWEEN)

    def called(self, file: str) -> list[int]:
        """Give the documents whose file has a name, extension included."""
        return self._by_file.get(file, [])

    @cached_property
    def _by_file(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for position, path in enumerate(self.paths):
            found.setdefault(path.rpartition("/")[2], []).append(position)
        return found

    def rows(self, field: str, word: int) -> Numbers:
        """Give the documents or labels of one word of a field, by the word's number; the units of a label."""
        starts = self._arrays[f"{field}.starts"]
        rows: Numbers = self._arrays[f"{field}.rows"][starts[word] : starts[word + 1]]
        return rows

    def find(self, field: str, word: str) -> Numbers:
        """Give the documents or labels that have a word."""
        position = self._numbers[field].get(word)
        return np.zeros(0, np.int32) if position is None else self.rows(field, position)

    def named_like(self, word: str, shortest: int) -> NamedLike | None:
        """Give the documents that are named like a word (see `alike`), each once; None where none is.

        What was found stays in memory, since questions about one corpus share most of their words; all of it is
        forgotten once it names `KEPT_ROWS` documents.
        """
        key = word, shortest
        if key not in self._like:
            if self._like_rows >= KEPT_ROWS:
                self._like, self._like_rows = {}, 0
            stems = tuple(self.alike("stem", word, shortest))
            by_stem = [self.rows("stem", number) for number in stems]
            by_path = [
                *by_stem,
                *(self.rows("folder", number) for number in self.alike("folder", word, shortest)),
            ]
            found = NamedLike(stems, _union(by_stem), _union(by_path)) if by_path else None
            self._like_rows += 1 + (len(found.by_stem) + len(found.by_path) if found else 0)
            self._like[key] = found
        return self._like[key]

    def alike(self, field: str, word: str, shortest: int) -> Iterator[int]:
        """Number the words of a field that equal a word, begin with it, or are what it begins with.

        Where they differ, the shorter has at least `shortest` characters.
        """
        words, numbers = self._words[field], self._numbers[field]
        if len(word) < shortest:
            if word in numbers:
                yield numbers[word]
            return
        position = bisect_left(words, word)
        while position < len(words) and words[position].startswith(word):
            yield position
            position += 1
        for length in range(shortest, len(word)):
            if (number := numbers.get(word[:length])) is not None:
                yield number


class Names:
    """The names of all segments; documents count through them in order, as in `UnitTable.documents`."""

    def __init__(self, segments: Sequence[SegmentNames]) -> None:
        self.segments = tuple(segments)
        sizes = [len(segment) for segment in segments]
        self.first: list[int] = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).tolist()
        self.n_documents = self.first[-1]

    @cached_property
    def is_prose(self) -> NDArray[np.bool_]:
        """Which documents are prose (documents,)."""
        return self._joined([segment.kinds == _KINDS.index(Kind.PROSE) for segment in self.segments])

    @cached_property
    def stem_sizes(self) -> NDArray[np.float32]:
        """How many different words each file's name has (documents,)."""
        return self._joined([segment.stem_sizes for segment in self.segments]).astype(np.float32)

    @cached_property
    def depths(self) -> NDArray[np.float32]:
        """How many folders each document is in (documents,)."""
        return self._joined([segment.depths for segment in self.segments]).astype(np.float32)

    def _joined(self, parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate(parts) if parts else np.zeros(0, bool)

    @cached_property
    def share_of_code(self) -> float:
        """Share of the documents that are files of code; records have no path and are none."""
        code = sum(
            int(((segment.kinds == _KINDS.index(Kind.CODE)) & (segment.depths >= 0)).sum())
            for segment in self.segments
        )
        return float(code / max(self.n_documents, 1))

    def path(self, document: int) -> str:
        """Path of a document."""
        segment = bisect_right(self.first, document) - 1
        return self.segments[segment].paths[document - self.first[segment]]

    def having(self, field: str, words: Iterable[str]) -> NDArray[np.bool_]:
        """Which documents have one of some words in their stem or their folders (documents,)."""
        found = np.zeros(self.n_documents, bool)
        wanted = list(words)
        for segment, first in zip(self.segments, self.first, strict=False):
            for word in wanted:
                found[segment.find(field, word) + first] = True
        return found


def _union(rows: Sequence[Numbers]) -> Numbers:
    if len(rows) == 1:
        return rows[0]
    return np.unique(np.concatenate([np.zeros(0, np.int32), *rows]))


def _blob(texts: Sequence[str]) -> NDArray[np.uint8]:
    return np.frombuffer(_BETWEEN.join(texts).encode("utf-8", "surrogatepass"), np.uint8)


def _postings(field: str, texts: Sequence[Collection[str]]) -> dict[str, NDArray[np.generic]]:
    """Invert the words of numbered texts: the words sorted, and the numbers of the texts that have each."""
    numbering = Numbered()
    words = np.array([*map(numbering.__getitem__, chain.from_iterable(texts))], np.int64)
    owners = np.repeat(np.arange(len(texts), dtype=np.int32), [*map(len, texts)])
    order = sorted(numbering)
    ranks = np.zeros(len(order), np.int64)
    ranks[[numbering[word] for word in order]] = np.arange(len(order))
    starts, rows = _grouped(ranks[words], len(order))
    return {f"{field}.words": _blob(order), f"{field}.starts": starts, f"{field}.rows": owners[rows]}


def _grouped(keys: Sequence[int] | Positions, groups: int) -> tuple[NDArray[np.int32], Numbers]:
    """Order positions by key: where each group starts (groups + 1,), and the positions, ascending inside a group."""
    array = np.array(keys, np.int64)
    order = np.argsort(array, kind="stable").astype(np.int32)
    starts = np.searchsorted(array[order], np.arange(groups + 1)).astype(np.int32)
    return starts, order
