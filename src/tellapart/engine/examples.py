"""Units named as examples: what a search is to be like, and what not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import LEVELS, Granularity, Kind
from tellapart.corpus.sources import Format, format_of
from tellapart.engine.configuration import present_levels
from tellapart.engine.lookup import (
    documents_below,
    find_document,
    known_document,
    offset_of,
    split_line,
)
from tellapart.engine.request import SearchRequest
from tellapart.engine.results import parse_unit_id, unit_ids
from tellapart.errors import TellapartError
from tellapart.index.reading import DocumentStore
from tellapart.index.snapshot import Snapshot
from tellapart.index.store import StoredDocument

FOLDER_UNITS = 200
"""A folder stands for at most so many of its units, evenly spaced. The mean of 200 unit vectors
lies within 1 / sqrt 200 = .07 of that of all (of 100: .1, of 400: .05), and the SVM's cost grows with each."""


@dataclass(frozen=True, slots=True, order=True)
class Example:
    """One unit: its row among those of its level, the number of its document, its span there."""

    level: Granularity
    row: int
    document: int
    span: tuple[int, int]


@dataclass(frozen=True, slots=True)
class NamedExamples:
    """What one name stands for: units, and documents of which nothing is to be found; `total` before sampling.

    `outside` is an image that lies outside the index.
    """

    name: str
    units: tuple[Example, ...]
    whole: tuple[int, ...] = ()
    total: int = 1
    outside: Path | None = None


@dataclass(frozen=True, slots=True)
class ExampleSet:
    """All examples of a search; a unit stands on one side only, and once.

    `documents` holds those that examples are from, by number; of those in `whole` nothing is to be found. The
    images `liked_outside` and `unliked_outside` lie outside the index.
    """

    liked: tuple[Example, ...]
    unliked: tuple[Example, ...]
    documents: Mapping[int, StoredDocument]
    whole: tuple[int, ...]
    notes: tuple[str, ...]
    liked_outside: tuple[Path, ...] = ()
    unliked_outside: tuple[Path, ...] = ()

    def texts(self, examples: Sequence[Example]) -> list[str]:
        """Give the text of some of the examples."""
        return [self.documents[each.document].document.text[slice(*each.span)] for each in examples]

    def own_rows(self, snapshot: Snapshot, level: Granularity) -> tuple[int, ...]:
        """Rows of a level that are an example, hold one, or lie inside one."""
        table = snapshot.units(level)
        own = set(np.flatnonzero(table.rows_of(self.whole)).tolist()) if self.whole else set()
        for example in (*self.liked, *self.unliked):
            if example.document in self.whole:
                continue
            tree = self.documents[example.document].tree
            if level in tree.levels:
                start, end = example.span
                first, last = tree.at(level, start), tree.at(level, end - 1)
                base = table.row(example.document, 0)
                own.update(range(base + first, base + last + 1))
        return tuple(sorted(own))


class ExampleReader:
    """Finds what names stand for: FILE, FILE:LINE, the id of a unit, or a folder.

    Units are taken at the searched `levels` where there are any, and only where `encoder` has vectors.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        store: DocumentStore,
        sources: Sequence[str],
        levels: Sequence[Granularity],
        encoder: str | None,
    ) -> None:
        self.snapshot = snapshot
        self.store = store
        self.sources = sources
        self.levels = levels
        self.encoder = encoder
        self._documents: dict[int, StoredDocument] = {}
        self._names: dict[tuple[int, Granularity], list[str]] = {}

    def read(self, like: Sequence[str], unlike: Sequence[str]) -> ExampleSet:
        """Find all examples; a unit named by itself on one side is left out of a folder on the other.

        Raises:
            TellapartError: a name fits nothing, or one unit is liked and unliked.
        """
        wanted, avoided = [self._named(name) for name in like], [self._named(name) for name in unlike]
        return self.combined(wanted, avoided)

    def combined(self, wanted: Sequence[NamedExamples], avoided: Sequence[NamedExamples] = ()) -> ExampleSet:
        """Put both sides together."""
        liked, unliked = _sides(wanted, avoided), _sides(avoided, wanted)
        both = sorted(set(liked) & set(unliked))
        if both:
            raise TellapartError(f"{self._place(both[0])} is liked and unliked: leave it out on one side")
        named = [*wanted, *avoided]
        whole = {number for each in named for number in each.whole}
        notes = [
            f"{each.name} has {each.total:,} units: {len(each.units)} of them, evenly spaced, are the examples"
            for each in named
            if each.total > len(each.units)
        ]
        outside = [tuple(each.outside for each in side if each.outside) for side in (wanted, avoided)]
        return ExampleSet(liked, unliked, self._documents, tuple(sorted(whole)), tuple(notes), *outside)

    def of_document(self, stored: StoredDocument, line: int | None) -> NamedExamples:
        """Take the unit at a line of a document, or the whole of it: its one unit, else all it is made of."""
        self._documents[stored.number] = stored
        if (stored.tree.kind is Kind.IMAGE) != (tuple(self.levels) == (Granularity.IMAGE,)):
            raise TellapartError(
                f"{stored.document.id!r} is of the kind {stored.tree.kind}, but {'+'.join(self.levels)} is searched:"
                " images and texts cannot be examples of each other"
            )
        usable = self._usable(stored)
        name = stored.document.id if line is None else f"{stored.document.id}:{line}"
        if line is not None:
            level = next((each for each in self.levels if each in usable), present_levels((), usable)[0])
            offset = offset_of(stored, line)
            return NamedExamples(name, (self._example(stored, level, stored.tree.at(level, offset)),))
        if usable[-1] is LEVELS[stored.tree.kind][-1]:
            return NamedExamples(name, (self._example(stored, usable[-1], 0),))
        return self._all_units(name, [stored.number], whole=False)

    def _named(self, name: str) -> NamedExamples:
        parsed = parse_unit_id(name)
        if parsed:
            return NamedExamples(name, (self._unit(name, self._document(parsed[0]), parsed[1]),))
        file, line = split_line(name)
        if line is None and known_document(self.store, file, self.sources) is None:
            below = documents_below(self.store, file, self.sources)
            if below:
                return self._all_units(name, below, whole=True)
            if is_image(file) and Path(file).is_file():
                return NamedExamples(name, (), total=0, outside=Path(file))
        return self.of_document(self._document(find_document(self.store, file, self.sources, line)), line)

    def _unit(self, name: str, stored: StoredDocument, level: Granularity) -> Example:
        if (stored.number, level) not in self._names:
            self._names[stored.number, level] = unit_ids(stored, level) if level in stored.tree.levels else []
        names = self._names[stored.number, level]
        if name not in names or level not in self._usable(stored):
            raise TellapartError(f"the unit {name!r} is not in the index any more: search again")
        return self._example(stored, level, names.index(name))

    def _example(self, stored: StoredDocument, level: Granularity, ordinal: int) -> Example:
        row = self.snapshot.units(level).row(stored.number, ordinal)
        return Example(level, row, stored.number, stored.tree.span(level, ordinal))

    def _all_units(self, name: str, numbers: Sequence[int], *, whole: bool) -> NamedExamples:
        """All units of some documents at the searched levels, thinned evenly."""
        places: list[tuple[Granularity, int]] = []
        for level in self.levels:
            rows = np.flatnonzero(self.snapshot.units(level).rows_of(numbers))
            places += [(level, row) for row in rows.tolist()]
        if not places:
            wanted = "+".join(self.levels)
            raise TellapartError(f"{name!r} holds no {wanted} unit: choose another --granularity or example")
        taken = np.unique(np.linspace(0, len(places) - 1, min(len(places), FOLDER_UNITS)).astype(int))
        units = tuple(self._at(*places[position]) for position in taken)
        return NamedExamples(name, units, tuple(numbers) if whole else (), len(places))

    def _at(self, level: Granularity, row: int) -> Example:
        numbers, ordinals = self.snapshot.units(level).locate(np.array([row]))
        stored = self._fetched(int(numbers[0]))
        return Example(level, row, stored.number, stored.tree.span(level, int(ordinals[0])))

    def _usable(self, stored: StoredDocument) -> tuple[Granularity, ...]:
        """Levels of a document that this search can look at, finest first."""
        usable = tuple(
            level
            for level in stored.tree.levels
            if level in self.snapshot.granularities
            and (self.encoder is None or self.snapshot.has_vectors(self.encoder, level))
        )
        if not usable and stored.tree.kind is Kind.IMAGE:
            raise TellapartError(
                f"{self.encoder} has no vectors of images ({stored.document.id!r}): choose an encoder that sees them"
            )
        if not usable:
            raise TellapartError(
                f"the index has no vectors of {stored.document.id!r}: add them with"
                f" {self.snapshot.adding(f'--encoder {self.encoder}')}"
            )
        return usable

    def _document(self, identifier: str) -> StoredDocument:
        number = self.store.number_of(identifier)
        if number is None:
            raise TellapartError(
                f"no document {identifier!r} in the index: give a file that was indexed, or an id as search prints it"
            )
        return self._fetched(number)

    def _fetched(self, number: int) -> StoredDocument:
        if number not in self._documents:
            self._documents[number] = self.store.documents([number])[number]
        return self._documents[number]

    def _place(self, example: Example) -> str:
        stored = self._documents[example.document]
        line = stored.document.text.count("\n", 0, example.span[0]) + 1
        return f"{stored.document.id}:{line} ({example.level})"


def is_image(name: str) -> bool:
    """Whether a file's name is that of an image."""
    return format_of(name) is Format.IMAGE


def are_images(
    snapshot: Snapshot, store: DocumentStore, sources: Sequence[str], names: Sequence[str]
) -> bool:
    """Whether examples are images, or folders of nothing else, in an index that holds texts beside images."""
    if Granularity.IMAGE not in snapshot.granularities or len(snapshot.granularities) == 1:
        return False
    return all(is_image(name) or _holds_images(store, sources, name) for name in names)


def is_single_unit(store: DocumentStore, sources: Sequence[str], request: SearchRequest) -> bool:
    """Whether the only example of a request is one unit or document, and not a folder."""
    if len(request.like) != 1 or request.unlike:
        return False
    file, line = split_line(request.like[0])
    if parse_unit_id(file) or line is not None or known_document(store, file, sources) is not None:
        return True
    return not documents_below(store, file, sources)


def _holds_images(store: DocumentStore, sources: Sequence[str], folder: str) -> bool:
    """Whether all documents below a folder, and there are some, are images."""
    file, line = split_line(folder)
    if line is not None or known_document(store, file, sources) is not None:
        return False
    below = documents_below(store, folder, sources)
    return bool(below) and store.kinds_of(below) == {Kind.IMAGE}


def vectors_of(snapshot: Snapshot, encoder: str, examples: Sequence[Example]) -> NDArray[np.float32]:
    """Give the vector of each example, (n, dim)."""
    rows = [snapshot.vectors(encoder, each.level).take(np.array([each.row])) for each in examples]
    dim = snapshot.encoders[encoder].dim
    return np.concatenate(rows) if rows else np.zeros((0, dim), dtype=np.float32)


def _sides(own: Sequence[NamedExamples], others: Sequence[NamedExamples]) -> tuple[Example, ...]:
    """All units of one side, each once; a folder gives way to what the other side names by itself."""
    singled = {unit for each in others if not each.whole for unit in each.units}
    units: dict[Example, None] = {}
    for each in own:
        units.update(dict.fromkeys(unit for unit in each.units if not each.whole or unit not in singled))
    return tuple(units)
