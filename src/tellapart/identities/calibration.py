"""What the scores of a gallery mean: measured on its own templates, which are strangers to each other."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from tellapart.encoders.protocol import Vectors
from tellapart.errors import TellapartError
from tellapart.identities.answers import Bound, Floats, Rows, Scoring
from tellapart.identities.matching import Reference
from tellapart.identities.odds import Odds
from tellapart.identities.store import Templates
from tellapart.identities.thresholds import check_rate, grouped_threshold, least_rate, refuse_far, refuse_fpir

SAMPLED = 2_000
"""Templates that are compared in pairs, and that play strangers, at most: 2 million pairs, which
carry a rate of 1e-4 with 200 errors; twice takes four times as long."""

PER_IDENTITY = 5
"""Of one identity, at most, where there are more than SAMPLED: people carry a rate, not their pictures."""

SCANNED = 5_000
"""Identities up to which all scores are computed at once: 40 MB."""

FAR, FPIR = 1e-3, 1e-2
"""Rates of `verify` and `identify` where none is asked for, if the gallery carries them: usual
points of reports on verification and identification, not of any one use: say your own."""


@dataclass(frozen=True, slots=True)
class Assumed:
    """Mean and spread of the cosine of two strangers, known of an encoder."""

    mean: float
    spread: float
    odds: Odds

    def bound(self, rate: float, identities: int) -> Bound:
        """Give the threshold of a normal distribution, for the best of so many identities."""
        from scipy.special import ndtri

        return Bound(
            float(self.mean + self.spread * ndtri(1 - rate / max(identities, 1))), rate, 0, "assumed"
        )


ASSUMED = {"face": Assumed(0.860, 0.031, Odds(241.0, -222.8, 9.85))}
"""Of `face` on the 196 detected att_faces, 20 people, 18,242 pairs of strangers (bench/identity_faces.py). The normal
tail errs on the strict side there: .931 instead of .922 at 1e-2, .954 instead of .939 at 1e-3."""


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Scores of strangers and of the same identity, as measured in one gallery.

    `pairs` (p,) of two templates of different identities and `pair_groups` (p,) which identities; `genuine` (g,) of two
    templates of one. `best` (b,) the best identity's score for a template whose own identity is left out, `best_groups`
    (b,) whose template that is, `best_at` (b,) which identity it took it for. `claims` (c,) scores of templates with
    identities they do not belong to and `claim_groups` (c,); `own` (o,) with their own, without themselves.
    """

    pairs: Floats
    pair_groups: Rows
    genuine: Floats
    best: Floats
    best_groups: Rows
    best_at: Rows
    claims: Floats
    claim_groups: Rows
    own: Floats
    identities: Rows

    def to_bytes(self) -> bytes:
        """Give it as it is kept."""
        stream = io.BytesIO()
        np.savez(stream, **{each.name: getattr(self, each.name) for each in fields(self)})
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Calibration:
        """Read what `to_bytes` gave."""
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return cls(**{each.name: arrays[each.name] for each in fields(cls)})

    def far_bound(self, far: float | None, assumed: Assumed | None, *, claims: bool = False) -> Bound:
        """Give the threshold at which at most `far` of the pairs of strangers pass; None: what is carried.

        Raises:
            TellapartError: The gallery cannot carry it.
        """
        scores, groups = (self.claims, self.claim_groups) if claims else (self.pairs, self.pair_groups)
        carried = len(np.unique(groups))
        if far is None:
            least = least_rate(carried)
            if assumed is not None and least > FAR:
                return assumed.bound(FAR, 1)
            far = max(FAR, least)
        check_rate(far)
        if far * (carried + 1) < 1 - 1e-9 or not carried:
            raise refuse_far(far, int(self.identities[0] + self.identities[1]))
        return Bound(grouped_threshold(scores, groups, far), far, carried, "measured")

    def fpir_bound(self, fpir: float | None, assumed: Assumed | None) -> Bound:
        """Give the threshold at which at most `fpir` of the strangers get a name; None: as in `far_bound`."""
        carried = len(np.unique(self.best_groups))
        if fpir is None:
            least = least_rate(carried)
            if assumed is not None and least > FPIR:
                return assumed.bound(FPIR, int(self.identities[0]))
            fpir = max(FPIR, least)
        check_rate(fpir)
        if fpir * (carried + 1) < 1 - 1e-9 or not carried:
            raise refuse_fpir(fpir, carried)
        return Bound(grouped_threshold(self.best, self.best_groups, fpir), fpir, carried, "measured")

    def strict(self, bound: Bound) -> float:
        """Give the threshold for views added automatically: above every stranger that was measured."""
        return max(bound.threshold, float(self.best.max(initial=-1.0)))

    def own_thresholds(self, bound: Bound) -> dict[int, float]:
        """Give thresholds of their own to identities that others are too easily taken for.

        At an identity's own threshold, at most the asked share of the other identities' templates that came closest to
        it pass: twins who are both enrolled are told apart only by what is clearer than their likeness.
        """
        near = defaultdict(list)
        for score, at in zip(self.best.tolist(), self.best_at.tolist(), strict=True):
            if score > bound.threshold:
                near[at].append(score)
        allowed = int(bound.rate * len(self.best))
        return {at: sorted(found)[-1 - allowed] for at, found in near.items() if len(found) > allowed}

    def pair_odds(self, assumed: Assumed | None) -> Odds | None:
        """Likelihood ratios for two views."""
        return Odds.fit(self.genuine, self.pairs) or (assumed.odds if assumed else None)

    def identity_odds(self, assumed: Assumed | None) -> Odds | None:
        """Likelihood ratios for a view and an identity."""
        return Odds.fit(self.own, self.claims) or (assumed.odds if assumed else None)


def sampled(templates: Templates, seed: int = 0) -> Rows:
    """Choose templates that play strangers: all, or a few of as many identities as possible."""
    count = len(templates.numbers)
    if count <= SAMPLED:
        return np.arange(count)
    order = np.random.default_rng(seed).permutation(count)
    rank = np.zeros(count, dtype=np.int64)
    seen: dict[int, int] = defaultdict(int)
    for row in order.tolist():
        owner = int(templates.identities[row])
        rank[row] = seen[owner]
        seen[owner] += 1
    usable = order[rank[order] < PER_IDENTITY]
    # whole identities, so that there are genuine pairs
    owners = templates.identities[usable]
    chosen = list(dict.fromkeys(owners.tolist()))
    kept = np.isin(owners, chosen[: max(2, SAMPLED // max(1, len(usable) // max(len(chosen), 1)))])
    return np.sort(usable[kept][:SAMPLED])


def calibrate(
    reference: Reference, templates: Templates, cohort: Templates, others: Callable[[int], Templates]
) -> Calibration:
    """Measure what scores mean, on `templates` of the gallery and on the `cohort` of strangers.

    Args:
        reference: The rows of the whole gallery.
        templates: Those that are compared, of any identities of the gallery.
        cohort: Strangers that are in no row.
        others: Gives all templates of an identity.

    Raises:
        TellapartError: There is nothing to compare.
    """
    if not len(templates.numbers) and not len(cohort.numbers):
        raise TellapartError("the gallery is empty: enrol someone first")
    vectors = np.concatenate([templates.vectors, cohort.vectors])
    owners = np.concatenate([templates.identities, cohort.identities])
    scores = (vectors @ vectors.T).astype(np.float64)
    upper = np.triu_indices(len(vectors), 1)
    left, right = owners[upper[0]], owners[upper[1]]
    same = left == right
    groups = np.minimum(left, right) * (int(owners.max()) + 1) + np.maximum(left, right)
    found = _best_others(reference, vectors, owners)
    claims, claim_groups = _claims(reference, templates)
    return Calibration(
        pairs=scores[upper][~same],
        pair_groups=groups[~same],
        genuine=scores[upper][same],
        best=np.array([score for _, _, score in found], dtype=np.float64),
        best_groups=owners[[row for row, _, _ in found]],
        best_at=np.array([at for _, at, _ in found], dtype=np.int64),
        claims=claims,
        claim_groups=claim_groups,
        own=_own(reference, templates, others),
        identities=np.array([reference.identities, len(np.unique(cohort.identities))]),
    )


def _best_others(reference: Reference, vectors: Vectors, owners: Rows) -> list[tuple[int, int, float]]:
    """Row, best identity that is not its own, and score, of each vector that has one."""
    found = []
    if 1 <= reference.identities <= SCANNED:
        numbers, scores = reference.scores(vectors)
        scores[owners[:, None] == numbers] = -np.inf
        best = scores.argmax(axis=1)
        score = scores[np.arange(len(owners)), best]
        kept = np.flatnonzero(np.isfinite(score))
        return list(zip(kept.tolist(), numbers[best[kept]].tolist(), score[kept].tolist(), strict=True))
    for row, (vector, owner) in enumerate(zip(vectors, owners.tolist(), strict=True)):
        for number, value, _ in reference.best(vector, 2):
            if number != owner:
                found.append((row, number, value))
                break
    return found


def _claims(reference: Reference, templates: Templates) -> tuple[Floats, Rows]:
    """Score templates with other identities: all, or those of the sample in a large gallery."""
    known = np.unique(templates.identities)
    if not len(known):
        return np.zeros(0), np.zeros(0, dtype=np.int64)
    if reference.identities > SAMPLED:
        part = Reference(templates.vectors.shape[1], reference.scoring, reference.whitening)
        part.add(
            templates.identities,
            np.zeros(len(templates.numbers), bool),
            templates.qualities,
            templates.vectors,
        )
        reference = part
    numbers, scores = reference.scores(templates.vectors)
    others = templates.identities[:, None] != numbers
    groups = np.minimum(templates.identities[:, None], numbers) * (int(numbers.max()) + 1) + np.maximum(
        templates.identities[:, None], numbers
    )
    return scores[others].astype(np.float64), groups[others]


def _own(reference: Reference, templates: Templates, others: Callable[[int], Templates]) -> Floats:
    """Score each template with its own identity as it would be without this template."""
    found = []
    for owner in np.unique(templates.identities).tolist():
        whole = others(owner)
        if len(whole.numbers) < 2:
            continue
        vectors = reference.transformed(whole.vectors)
        if reference.scoring is Scoring.MAX:
            scores = vectors @ vectors.T
            np.fill_diagonal(scores, -np.inf)
            found.append(scores.max(axis=1))
            continue
        weighted = vectors * np.maximum(whole.qualities, 1e-3)[:, None].astype(np.float32)
        rest = weighted.sum(axis=0) - weighted
        lengths = np.maximum(np.linalg.norm(rest, axis=1), 1e-12)
        found.append(np.einsum("ij,ij->i", vectors, rest) / lengths)
    return np.concatenate(found).astype(np.float64) if found else np.zeros(0)
