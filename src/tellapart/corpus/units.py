"""From a document to its units, and what is indexed of a unit beside its own text."""

from __future__ import annotations

import numpy as np

from tellapart.corpus.document import LEVELS, ContainmentTree, Document, Granularity, Kind, Level

SEPARATOR = " > "
"""Between the headings of a section's label."""


def contexts(document: Document, tree: ContainmentTree, granularity: Granularity) -> list[str]:
    """Give each unit of one level what helps finding it: path, title, headings, enclosing class.

    Nothing is repeated that the unit's own text begins with: a record's title stands in its first unit
    already, a section's own heading in the section's first paragraph, a class's name in its header. A unit of
    white space only has none: it must not be found by its context alone.
    """
    around, text = _around(document, tree, granularity), document.text
    first = "".join([text[start : start + 1] for start in tree.levels[granularity].starts.tolist()])
    if len(first) == len(around) and first.split() == [first]:
        return around  # none begins with white space, as nearly everywhere
    return [
        context if text[start : start + 1].strip() or text[start:end].strip() else ""
        for context, (start, end) in zip(around, tree.spans(granularity), strict=True)
    ]


def _around(document: Document, tree: ContainmentTree, granularity: Granularity) -> list[str]:
    level = tree.levels[granularity]
    enclosing = _enclosing(tree, granularity)
    path = document.path or ""
    titled = bool(document.title) and document.text.startswith(document.title)
    beyond_title = _joined(path, document.title)
    first = path if titled else beyond_title
    if not any(enclosing):
        return [first] + [beyond_title] * (len(level.starts) - 1)
    base = f"{beyond_title}\n" if beyond_title else ""
    found = [base + label if label else beyond_title for label in enclosing]
    found[0] = _joined(first, enclosing[0])
    return found


def _joined(*parts: str) -> str:
    return "\n".join(part for part in parts if part)


def _enclosing(tree: ContainmentTree, granularity: Granularity) -> list[str]:
    """Label of the section or class around each unit, without what the unit itself begins with."""
    order = LEVELS[tree.kind]
    starts = tree.levels[granularity].starts
    if granularity is order[-1]:
        return [""] * len(starts)
    labelled = order[-2]  # section or class: the only levels whose names say something about what is inside
    around = tree.levels[labelled]
    if not any(around.labels):
        return [""] * len(starts)
    parents = around.starts.searchsorted(starts, side="right") - 1
    begins = around.starts[parents] == starts
    return [
        _ancestors(around.labels[parent]) if begin else around.labels[parent]
        for parent, begin in zip(parents.tolist(), begins.tolist(), strict=True)
    ]


def _ancestors(label: str) -> str:
    return label.rpartition(SEPARATOR)[0]


SPLITTER_VERSION = 2
"""Raised whenever the same text would give other units: an index of another version is rebuilt."""


def split(document: Document) -> ContainmentTree:
    """Find the units of a document at every granularity of its kind."""
    if document.kind is Kind.IMAGE:
        whole = Level(np.zeros(1, dtype=np.int32), ("",))
        return ContainmentTree(len(document.text), Kind.IMAGE, {Granularity.IMAGE: whole})
    if document.kind is Kind.CODE:
        from tellapart.corpus.code.split import split as split_code

        return split_code(document)
    from tellapart.corpus.prose import split as split_prose

    return split_prose(document)
