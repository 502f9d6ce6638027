"""Images judged by the folders they lie in: each is a query, and the others of its folder are what it asks for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType

import numpy as np

from tellapart.corpus.types import Kind
from tellapart.engine import Index
from tellapart.errors import TellapartError
from tellapart.experiments.queries.judgements import Qrels
from tellapart.experiments.queries.querysets import QueryGold

AT_MOST = 1_000
"""Images that are asked about: they show differences of some .01 already (our choice, not measured)."""


def folder_gold(index: Index, *, seed: int = 0) -> tuple[QueryGold, tuple[str, ...]]:
    """Make queries of the images of an index, and say in notes what they were made of.

    A query's id and text are its document's id. Images of one folder depend on each other: one cluster. Those alone
    in their folder, and those in none, are only found, never asked about.

    Raises:
        TellapartError: No folder, or only one, holds two images.
    """
    of = _folders(index)
    shared = {folder: names for folder, names in of.items() if folder and len(names) > 1}
    if len(shared) < 2:
        raise TellapartError(
            f"the images of {index.folder} lie in {len(shared)} folders of two and more: put those of one thing into"
            " one folder, at least two folders, or give judgements with --qrels"
        )
    asked = sorted((name, folder) for folder, names in shared.items() for name in names)
    notes = [f"judged by folder: {len(shared):,} folders of two and more images"]
    if len(asked) > AT_MOST:
        drawn = np.random.default_rng(seed).choice(len(asked), AT_MOST, replace=False)
        notes.append(f"{AT_MOST:,} of their {len(asked):,} images are asked about, drawn at random")
        asked = [asked[place] for place in sorted(drawn.tolist())]
    grades = {
        name: MappingProxyType(dict.fromkeys((other for other in shared[folder] if other != name), 1))
        for name, folder in asked
    }
    gold = QueryGold(
        MappingProxyType({name: name for name, _ in asked}),
        Qrels(MappingProxyType(grades)),
        clusters=MappingProxyType({name: f"folder {folder}" for name, folder in asked}),
    )
    return gold, tuple(notes)


def image_gold(index: Index, qrels: Qrels) -> tuple[QueryGold, tuple[str, ...]]:
    """Take judgements whose queries are images of the index, by the ids of their documents.

    Raises:
        TellapartError: No judged query is an image of the index, or none has something relevant beside itself.
    """
    images = {name for names in _folders(index).values() for name in names}
    kept: dict[str, Mapping[str, int]] = {}
    for query, grades in qrels.grades.items():
        others = {name: grade for name, grade in grades.items() if name != query and name in images}
        if query in images and any(grade > 0 for grade in others.values()):
            kept[query] = MappingProxyType(others)
    if not kept:
        first = next(iter(qrels.grades), "")
        raise TellapartError(
            f"no judged query is an image of {index.folder} with another one to find: the first is {first!r}; name"
            " images as search prints them"
        )
    left = len(qrels.grades) - len(kept)
    notes = (
        (f"{left:,} judged queries are no images here, or have nothing to find: left out",) if left else ()
    )
    gold = QueryGold(MappingProxyType({name: name for name in kept}), Qrels(MappingProxyType(kept)))
    return gold, notes


def _folders(index: Index) -> dict[str, list[str]]:
    """Ids of the images by the folder that holds them ("" for none), both in order."""
    with index.reading():
        kinds, names = index.store.kinds(), index.store.identifiers()
    found: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names[number] for number, kind in kinds.items() if kind is Kind.IMAGE):
        folder = PurePosixPath(name).parent
        found["" if folder == PurePosixPath() else str(folder)].append(name)
    return dict(found)
