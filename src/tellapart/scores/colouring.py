"""What points of a map are coloured by: folders, languages, groups of vectors with names out of their words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import cast

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Granularity
from tellapart.encoders.protocol import Vectors
from tellapart.engine import Index

CLUSTERS = 12
"""Groups at most as many as colours that can be told apart."""

FOLDERS = 11
"""Folders with a colour of their own; the others share one."""

READ = 30
"""Units nearest to a group's middle whose words name it."""

WORD = re.compile(r"[^\W\d_]{4,}")


class Colours(StrEnum):
    """By what points can be coloured."""

    FOLDER = "folder"
    LANGUAGE = "language"
    CLUSTER = "cluster"


def clusters(vectors: Vectors, seed: int) -> tuple[NDArray[np.int64], Vectors]:
    """Group unit vectors by k-means, the largest group first: the group of each and the middles."""
    from sklearn.cluster import MiniBatchKMeans

    wanted = max(2, min(CLUSTERS, len(vectors) // 20))
    fitted = MiniBatchKMeans(wanted, random_state=seed, n_init=3, batch_size=2048).fit(vectors)
    order = np.argsort(-np.bincount(fitted.labels_, minlength=wanted), kind="stable")
    rank = np.empty(wanted, dtype=np.int64)
    rank[order] = np.arange(wanted)
    return rank[fitted.labels_], cast("Vectors", fitted.cluster_centers_[order])


def cluster_names(
    index: Index,
    vectors: Vectors,
    groups: NDArray[np.int64],
    middles: Vectors,
    documents: NDArray[np.int64],
    levels: Sequence[Granularity],
    ordinals: NDArray[np.int64],
) -> tuple[str, ...]:
    """Name each group by the words that its middle has and the others lack."""
    counts: list[Counter[str]] = []
    for group, middle in enumerate(middles):
        rows = np.flatnonzero(groups == group)
        rows = rows[np.argsort(-(vectors[rows] @ middle), kind="stable")[:READ]]
        with index.reading():
            stored = index.store.documents(sorted({int(documents[row]) for row in rows}))
        words: Counter[str] = Counter()
        for row in rows:
            held, unit_level = stored.get(int(documents[row])), levels[int(row)]
            if held is not None and ordinals[row] < len(held.tree.levels[unit_level].starts):
                start, end = held.tree.span(unit_level, int(ordinals[row]))
                words.update(set(WORD.findall(held.document.text[start:end].lower())))
        counts.append(words)
    everywhere: Counter[str] = sum(counts, Counter())
    return tuple(
        ", ".join(sorted(words, key=lambda word: (-(words[word] ** 2) / everywhere[word], word))[:3])
        or f"group {group + 1}"
        for group, words in enumerate(counts)
    )


def folders(paths: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.uint16]]:
    """Name the first folder in which paths differ."""
    parts = [path.split("/")[:-1] for path in paths]
    depth = 0
    while parts and all(len(each) > depth for each in parts) and len({each[depth] for each in parts}) == 1:
        depth += 1
    return coded([each[depth] if len(each) > depth else "." for each in parts])


def coded(names: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.uint16]]:
    """Number names by how often they come; the rare ones are one."""
    often = Counter(names).most_common()
    kept = [name for name, _ in often[:FOLDERS]]
    if len(often) > FOLDERS:
        kept.append("others")
    place = {name: number for number, name in enumerate(kept)}
    return tuple(kept), np.array([place.get(name, len(kept) - 1) for name in names], dtype=np.uint16)
