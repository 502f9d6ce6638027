"""Images that an encoder was trained on say nothing about what it is worth on others."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np

from tellapart.encoders.images import ImageEncoder, was_learned
from tellapart.engine import Index
from tellapart.experiments.arms import Arm, Arms
from tellapart.experiments.qrels import Qrels
from tellapart.experiments.query_set import QuerySet
from tellapart.experiments.statistics import FEW_QUERIES
from tellapart.index.image_vectors import ImageFiles


def without_learned(index: Index, query_set: QuerySet, arms: Arms) -> tuple[QuerySet, Arms]:
    """Ask only about images that no compared encoder was trained on.

    Where too few independent ones are left, all are asked about, and encoders that were trained on some of them are
    measured but can't be chosen. The notes of the query set say which of both it is.
    """
    learned = {name: found for name in arms.encoders if (found := _learned(index, name, query_set))}
    if not learned:
        return query_set, arms
    every = frozenset().union(*learned.values())
    trained = ", ".join(f"{name} was trained on {len(found):,}" for name, found in learned.items())
    asked = f"of the {len(query_set.queries):,} images {trained}"
    kept = [query for query, image in query_set.queries.items() if image not in every]
    if len({query_set.cluster(query) for query in kept}) >= FEW_QUERIES:
        note = f"{asked}: only the {len(kept):,} others are asked about"
        return _only(query_set, kept, note), arms
    note = f"{asked}, and too few others are left: it is compared but not chosen; judge it on images it has not seen"
    others = [_barred(arm, frozenset(learned), arms) for arm in arms]
    usual = next(arm for arm in others if arm.name == arms.default)
    default = arms.default if usual.contender else arms.reference
    return replace(query_set, notes=(*query_set.notes, note)), Arms(tuple(others), default, arms.reference)


def _learned(index: Index, name: str, query_set: QuerySet) -> frozenset[str]:
    """Ids of the images asked about that an encoder was trained on."""
    encoder = index.encoder(name)
    if not isinstance(encoder, ImageEncoder):
        return frozenset()
    files, names = ImageFiles(index.folder, index.settings), sorted(set(query_set.queries.values()))
    with index.reading():
        numbers = {each: number for number, each in index.store.identifiers().items()}
        stored = index.store.documents([numbers[each] for each in names])
    images = [files.pixels(stored[numbers[each]].document, encoder) for each in names]
    return frozenset(np.array(names)[was_learned(encoder, images)].tolist())


def _barred(arm: Arm, learned: frozenset[str], arms: Arms) -> Arm:
    trained = any(variant.encoder in learned for variant in arm.variants)
    return replace(arm, contender=False) if trained and arm.name != arms.reference else arm


def _only(query_set: QuerySet, kept: list[str], note: str) -> QuerySet:
    grades = {query: query_set.qrels.grades[query] for query in kept}
    return replace(
        query_set,
        queries=MappingProxyType({query: query_set.queries[query] for query in kept}),
        qrels=Qrels(MappingProxyType(grades)),
        notes=(*query_set.notes, note),
    )
