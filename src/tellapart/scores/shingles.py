"""Sets of shingles: exact Jaccard similarities, and the pairs worth one, found by MinHash (Broder 1997)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LENGTH = 5
"""Tokens of a shingle. A statement that moves breaks 8 of them; shorter ones are shared by any two functions."""

BANDS, ROWS = 32, 3
"""Bands and hashes a band: two sets of Jaccard similarity j meet with probability 1 - (1 - j^3)^32, which is .58 at
.3, .88 at .4, .99 at .5 and 1.00 at .6 (Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.4)."""

BUCKET = 100
"""Sets that share a band and are all compared; of more, each is only compared with so many after it."""

CHUNK = 20_000
"""Pairs whose similarities are computed at a time."""

Pairs = NDArray[np.int64]
Hashes = NDArray[np.uint64]


def shingle_hashes(tokens: NDArray[np.int64]) -> Hashes:
    """Hash every run of LENGTH token numbers: distinct values, ascending; of fewer tokens, all as one."""
    padded = np.concatenate([tokens, np.full(max(LENGTH - len(tokens), 0), -1)]).astype(np.uint64)
    windows = np.lib.stride_tricks.sliding_window_view(padded, LENGTH)
    return np.unique(_mixed(windows @ _odd(1, LENGTH)))


@dataclass(frozen=True, slots=True)
class ShingleSets:
    """Sets of hashes one after the other: set i is `values[starts[i] : starts[i + 1]]`; none is empty."""

    values: Hashes
    starts: Pairs

    @classmethod
    def of(cls, sets: Sequence[Hashes]) -> ShingleSets:
        """Put sets together."""
        sizes = np.array([0, *map(len, sets)], np.int64)
        return cls(np.concatenate([np.zeros(0, np.uint64), *sets]), np.cumsum(sizes))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def similarities(self, pairs: Pairs) -> NDArray[np.float64]:
        """Give the Jaccard similarity of each pair (n, 2): shared over all."""
        from scipy.sparse import csr_array

        distinct, columns = np.unique(self.values, return_inverse=True)
        table = csr_array(
            (np.ones(len(columns), np.int32), columns, self.starts), shape=(len(self), max(len(distinct), 1))
        )
        sizes = np.diff(self.starts)
        found = []
        for first in range(0, len(pairs), CHUNK):
            left, right = pairs[first : first + CHUNK].T
            shared = np.asarray(table[left].multiply(table[right]).sum(axis=1)).ravel()
            found.append(shared / (sizes[left] + sizes[right] - shared))
        return np.concatenate([np.zeros(0), *found])

    def equal(self) -> NDArray[np.int64]:
        """Number each set by the first one that is equal to it (n,)."""
        if not len(self):
            return np.zeros(0, np.int64)
        sums = np.add.reduceat(_mixed(self.values * np.uint64(3)), self.starts[:-1])
        _, first, inverse = np.unique(sums, return_index=True, return_inverse=True)
        numbers: NDArray[np.int64] = first[inverse]
        return numbers

    def candidates(self, chosen: Pairs) -> Pairs:
        """Find pairs (n, 2) of the chosen sets that share a band of their MinHash signatures."""
        if len(chosen) < 2:
            return np.zeros((0, 2), np.int64)
        factors = _odd(2, BANDS * ROWS)
        found = []
        for band in range(BANDS):
            signature = np.zeros(len(self), np.uint64)
            for factor in factors[band * ROWS : (band + 1) * ROWS]:
                lowest = np.minimum.reduceat(_mixed(self.values * factor), self.starts[:-1])
                signature = _mixed(signature * np.uint64(31) + lowest)
            order = chosen[np.argsort(signature[chosen], kind="stable")]
            sorted_ = signature[order]
            for ahead in range(1, min(BUCKET, len(order))):
                met = np.flatnonzero(sorted_[ahead:] == sorted_[:-ahead])
                if not len(met):
                    break
                found.append(np.stack([order[met], order[met + ahead]], axis=1))
        if not found:
            return np.zeros((0, 2), np.int64)
        return np.unique(np.sort(np.concatenate(found), axis=1), axis=0)


def _odd(seed: int, count: int) -> Hashes:
    return np.random.default_rng(seed).integers(1, 2**63, count, dtype=np.uint64) * np.uint64(2) + np.uint64(
        1
    )


def _mixed(values: Hashes) -> Hashes:
    """Spread the bits of hashes, as SplitMix64 ends (Steele, Lea and Flood 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Hashes = values ^ (values >> np.uint64(31))
    return mixed
