"""How many are there, and which views show the same: average linkage that respects what is known for certain.

Two faces in one picture are two people; what a person said stays so. Everything else is decided by the likelihood
ratios of a calibration: groups are merged while the mean log ratio of their pairs, with the prior that two views show
the same, says "rather the same". The prior is the share of such pairs, estimated along with the groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import TellapartError
from tellapart.identities.answers import Floats, View
from tellapart.identities.odds import Odds

MOST = 20_000
"""Views that are grouped at once: their pairs take 1.6 GB as float32."""

FIRST_PRIOR = 0.05
"""Share of pairs that show the same, before anything is known: that of 20 people with as many pictures each."""

ROUNDS = 4
"""Estimates of that share; it settles in two or three."""

COUNT_DRAWS = 4_000
"""Draws for the interval of how many there are."""


@dataclass(frozen=True, slots=True)
class Group:
    """Views that show the same: their places, best first, by how well they fit the others.

    `doubt` is the probability that the last merge that made it was wrong; `nearest` another group, with which it would
    be one with probability `alike`, if that is allowed at all.
    """

    members: tuple[int, ...]
    fits: tuple[float, ...]
    doubt: float
    nearest: int | None
    alike: float


@dataclass(frozen=True, slots=True)
class Clustering:
    """Groups, the largest first, how many there may be, and the prior that came out.

    `low` to `high` are the middle 95 % of draws from the doubts about merges; people whom the calibration never saw may
    be more varied than it knows (docs/benchmarks/identity_faces.md: they held the true number in 80 % of the trials).
    """

    groups: tuple[Group, ...]
    low: int
    high: int
    prior: float

    def labels(self, count: int) -> NDArray[np.int64]:
        """Give the number of the group of each view (count,)."""
        found = np.zeros(count, dtype=np.int64)
        for number, group in enumerate(self.groups):
            found[list(group.members)] = number
        return found


def same_picture(views: Sequence[View]) -> list[tuple[int, int]]:
    """Give the pairs of places of faces that stand in one picture."""
    by_picture: dict[bytes, list[int]] = {}
    for place, view in enumerate(views):
        by_picture.setdefault(view.digest, []).append(place)
    return [
        (a, b)
        for places in by_picture.values()
        for index, a in enumerate(places)
        for b in places[index + 1 :]
        if views[a].part != views[b].part
    ]


def cluster(
    vectors: NDArray[np.float32],
    odds: Odds,
    *,
    same: Sequence[tuple[int, int]] = (),
    different: Sequence[tuple[int, int]] = (),
    seed: int = 0,
) -> Clustering:
    """Group unit vectors (n, dim).

    Args:
        vectors: One row for each view.
        odds: What the cosine of two views says.
        same: Pairs of rows that belong together, as a person said.
        different: Pairs of rows that do not.
        seed: Of the draws behind the interval.

    Raises:
        TellapartError: There are too many views, or what was said contradicts itself.
    """
    count = len(vectors)
    if count > MOST:
        raise TellapartError(
            f"{count:,} views are more than the {MOST:,} that can be grouped at once: take a part"
        )
    if not count:
        raise TellapartError("there is nothing to group")
    starts = _united(count, same)
    prior = FIRST_PRIOR
    for _ in range(ROUNDS):
        merged, doubts = _merge(vectors, odds, starts, different, prior)
        pairs = sum(len(each) * (len(each) - 1) / 2 for each in merged)
        # half a pair more on each side: neither none nor all of them is ever believed
        found = (pairs + 0.5) / (count * (count - 1) / 2 + 1)
        if abs(found - prior) < 1e-3 * prior:
            break
        prior = found
    return _described(vectors, odds, merged, doubts, different, prior, seed)


def _united(count: int, same: Sequence[tuple[int, int]]) -> list[list[int]]:
    parent = list(range(count))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for a, b in same:
        parent[root(a)] = root(b)
    groups: dict[int, list[int]] = {}
    for place in range(count):
        groups.setdefault(root(place), []).append(place)
    return list(groups.values())


def _merge(
    vectors: NDArray[np.float32],
    odds: Odds,
    starts: list[list[int]],
    different: Sequence[tuple[int, int]],
    prior: float,
) -> tuple[list[list[int]], list[float]]:
    """Merge the two groups with the highest mean cosine while that is rather the same; how doubtful each last was."""
    groups: list[list[int] | None] = [list(each) for each in starts]
    sums = np.stack([vectors[each].sum(axis=0) for each in starts]).astype(np.float32)
    sizes = np.array([len(each) for each in starts], dtype=np.float32)
    links = (sums @ sums.T) / (sizes[:, None] * sizes)
    place = {member: number for number, each in enumerate(starts) for member in each}
    for a, b in different:
        if place[a] == place[b]:
            raise TellapartError(
                "two views were said to be the same and to be different: correct what was said of them"
            )
        links[place[a], place[b]] = links[place[b], place[a]] = -np.inf
    np.fill_diagonal(links, -np.inf)
    doubts = [0.0] * len(groups)
    best = links.argmax(axis=1)
    top = links[np.arange(len(groups)), best]
    needed = _needed(odds, prior)
    while True:
        a = int(top.argmax())
        b = int(best[a])
        if not top[a] > needed:
            break
        kept, gone = groups[a], groups[b]
        assert kept is not None
        assert gone is not None
        doubts[a] = 1 - odds.same(float(top[a]), prior)
        kept += gone
        groups[b] = None
        weight = sizes[a] / (sizes[a] + sizes[b])
        row = weight * links[a] + (1 - weight) * links[b]  # -inf stays: cannot-links are inherited
        sizes[a] += sizes[b]
        row[[a, b]] = -np.inf
        links[a], links[:, a] = row, row
        links[b], links[:, b] = -np.inf, -np.inf
        stale = np.flatnonzero((best == a) | (best == b))
        best[stale] = links[stale].argmax(axis=1)
        top[stale] = links[stale, best[stale]]
        best[a] = links[a].argmax()
        top[a], top[b] = links[a, best[a]], -np.inf
        better = np.flatnonzero(row > top)
        best[better], top[better] = a, row[better]
    alive = [number for number, each in enumerate(groups) if each is not None]
    return [groups[number] or [] for number in alive], [doubts[number] for number in alive]


def _needed(odds: Odds, prior: float) -> float:
    """Cosine at which two views are as likely the same as not."""
    if odds.slope <= 0:
        return float("inf")
    return float((np.log1p(-prior) - np.log(prior) - odds.intercept) / odds.slope)


def _described(
    vectors: NDArray[np.float32],
    odds: Odds,
    groups: list[list[int]],
    doubts: list[float],
    different: Sequence[tuple[int, int]],
    prior: float,
    seed: int,
) -> Clustering:
    order = sorted(range(len(groups)), key=lambda number: (-len(groups[number]), min(groups[number])))
    groups, doubts = [groups[number] for number in order], [doubts[number] for number in order]
    sums = np.stack([vectors[each].sum(axis=0) for each in groups])
    sizes = np.array([len(each) for each in groups], dtype=np.float64)
    links = (sums @ sums.T) / (sizes[:, None] * sizes)
    np.fill_diagonal(links, -np.inf)
    place = {member: number for number, each in enumerate(groups) for member in each}
    for a, b in different:
        links[place[a], place[b]] = links[place[b], place[a]] = -np.inf
    found = []
    for number, members in enumerate(groups):
        own = vectors[members]
        fits = (own @ sums[number] - 1) / max(len(members) - 1, 1) if len(members) > 1 else np.ones(1)
        ranked = np.argsort(-fits, kind="stable")
        near = int(links[number].argmax())
        allowed = np.isfinite(links[number, near])
        found.append(
            Group(
                tuple(members[rank] for rank in ranked),
                tuple(float(fits[rank]) for rank in ranked),
                doubts[number],
                near if allowed else None,
                odds.same(float(links[number, near]), prior) if allowed else 0.0,
            )
        )
    low, high = _count(found, np.array(doubts), seed)
    return Clustering(tuple(found), low, high, prior)


def _count(groups: Sequence[Group], doubts: Floats, seed: int) -> tuple[int, int]:
    """How many there may be: each doubtful merge may have been wrong, each near miss should perhaps have been one."""
    random = np.random.default_rng(seed)
    apart = (random.random((COUNT_DRAWS, len(doubts))) < doubts).sum(axis=1)
    near = {
        (min(number, group.nearest), max(number, group.nearest)): group.alike
        for number, group in enumerate(groups)
        if group.nearest is not None
    }
    together = (
        (random.random((COUNT_DRAWS, len(near))) < np.array(list(near.values()))).sum(axis=1) if near else 0
    )
    low, high = np.quantile(len(groups) + apart - together, [0.025, 0.975], method="inverted_cdf")
    return max(1, int(low)), int(high)
