"""From a document to its containment tree."""

from __future__ import annotations

import numpy as np

from tellapart.corpus.document import ContainmentTree, Document, Granularity, Kind, Level

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
