"""What a request names: one unit, with what it lies in, or the model of a second look."""

from __future__ import annotations

from dataclasses import dataclass

from tellapart.corpus.document import LEVELS, Granularity
from tellapart.corpus.places import indent_before, lines
from tellapart.engine import Index
from tellapart.engine.lookup import offset_of, split_line
from tellapart.engine.results import parse_unit_id, unit_ids
from tellapart.errors import TellapartError
from tellapart.index.store import StoredDocument
from tellapart.rankers.registry import Parameters


@dataclass(frozen=True, slots=True)
class EnclosingUnit:
    """A unit that holds another one."""

    id: str
    granularity: str
    label: str
    lines: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Located:
    """A unit in its document."""

    stored: StoredDocument
    granularity: Granularity
    ordinal: int

    @property
    def span(self) -> tuple[int, int]:
        """Start and end in code points of the document, end exclusive."""
        return self.stored.tree.span(self.granularity, self.ordinal)

    @property
    def lines(self) -> tuple[int, int]:
        """First and last line, from 1, inclusive."""
        return lines(self.stored.document.text, *self.span)

    @property
    def text(self) -> str:
        """What stands there."""
        start, end = self.span
        return self.stored.document.text[start:end]

    @property
    def indent(self) -> str:
        """White space that stands before the text in its first line."""
        return indent_before(self.stored.document.text, self.span[0])

    @property
    def label(self) -> str:
        """Name of the function or class, heading path of the section; empty where it has none."""
        return self.stored.tree.levels[self.granularity].labels[self.ordinal]

    @property
    def id(self) -> str:
        """Name by which `Index.get` finds it."""
        return unit_ids(self.stored, self.granularity)[self.ordinal]

    def parents(self) -> list[EnclosingUnit]:
        """Units around this one, the nearest first."""
        around: list[EnclosingUnit] = []
        place: tuple[Granularity, int] | None = (self.granularity, self.ordinal)
        while place is not None and (place := self.stored.tree.parent(*place)) is not None:
            unit = Located(self.stored, *place)
            around.append(EnclosingUnit(unit.id, unit.granularity.value, unit.label, unit.lines))
        return around


def locate(index: Index, name: str, granularity: str | None = None) -> Located:
    """Find a unit by its id, by `path:line` or by the path of a document.

    A line means the unit of `granularity` there (default: the paragraph or function), a path the whole document.

    Raises:
        TellapartError: Nothing has that name.
    """
    parsed = parse_unit_id(name)
    if parsed is not None:
        stored = _stored(index, parsed[0])
        names = unit_ids(stored, parsed[1]) if parsed[1] in stored.tree.levels else []
        if name not in names:
            raise TellapartError(f"the unit {name!r} is not in the index any more: search again")
        return Located(stored, parsed[1], names.index(name))
    place, line = split_line(name)
    stored = _stored(index, index.document_at(place))
    levels = LEVELS[stored.tree.kind]
    usual = (levels[-1] if line is None else levels[1 if levels[0] is Granularity.SENTENCE else 0]).value
    level = Granularity(granularity or usual)
    if level not in levels:
        raise TellapartError(f"{place!r} has no {level} units (it has: {', '.join(levels)})")
    return Located(stored, level, stored.tree.at(level, 0 if line is None else offset_of(stored, line)))


def _stored(index: Index, document: str) -> StoredDocument:
    with index.reading():
        stored = index.store.document(document)
    if stored is None:
        raise TellapartError(f"no document {document!r} in the index: give a path as search prints it")
    return stored


def rerank_settings(name: str | None) -> Parameters:
    """Give the settings of a search whose request names a cross-encoder, `none`, or nothing.

    Raises:
        TellapartError: It names a folder: a request may not make the server read files of its own choice.
    """
    if name is not None and ":" in name:
        raise TellapartError(
            f"rerank is {name!r}: name a model that 'tellapart models add' fetched, or none; folders are for --rerank"
        )
    return Parameters(rerank=name)
