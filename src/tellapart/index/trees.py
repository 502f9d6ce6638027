"""Containment trees as the store keeps them."""

from __future__ import annotations

import json

import numpy as np

from tellapart.corpus.document import ContainmentTree, Granularity, Kind, Level


def encode_tree(tree: ContainmentTree) -> str:
    """Write a containment tree as JSON: starts per level, and labels and blocks where any unit has one."""
    levels = {}
    for granularity, level in tree.levels.items():
        labels = list(level.labels) if any(level.labels) else None
        levels[granularity.value] = [level.starts.tolist(), labels, sorted(level.blocks)]
    return json.dumps(levels, ensure_ascii=False, separators=(",", ":"))


def decode_tree(encoded: str, length: int, kind: Kind) -> ContainmentTree:
    """Read what `encode_tree` wrote."""
    levels = {
        Granularity(name): Level(
            np.array(starts, dtype=np.int32), tuple(labels or [""] * len(starts)), frozenset(blocks)
        )
        for name, (starts, labels, blocks) in json.loads(encoded).items()
    }
    return ContainmentTree(length, kind, levels)
