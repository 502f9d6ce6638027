"""A gallery: who is known, by templates of any encoder, and who somebody is, or "unknown"."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np

from tellapart.errors import TellapartError
from tellapart.identities.answers import Bound, Candidate, Identified, Origin, Verified, View
from tellapart.identities.changing import ChangingGallery
from tellapart.identities.odds import PRIOR
from tellapart.identities.views import Item

SHOWN = 3
"""Candidates given with each answer: the name, and two that it could be confused with."""

LIKE = 16
"""Candidates whose likelihood is added up for the probabilities; the others are as unlikely as the last."""


class Gallery(ChangingGallery):
    """Identities with templates, in a folder; see docs/identities.md.

    gallery = Gallery.open("people.gal", encoder="face")
    gallery.enrol("ada", ["ada-1.jpg", "ada-2.jpg"])
    for found in gallery.identify("door.jpg", fpir=0.01):
        print(found.name or "unknown", found.unknown)
    """

    def verify(
        self, a: Item | View, b: Item | View, *, far: float | None = None, prior: float = PRIOR
    ) -> Verified:
        """Say whether two items show the same identity; the gallery says what their score means.

        Args:
            a: An item or a view.
            b: Another.
            far: At most so many pairs of different identities may pass; None = the least that the gallery carries.
            prior: What is assumed of two items before looking.

        Raises:
            TellapartError: An item cannot be read, or the gallery cannot carry the rate.
        """
        first, second = self._view(a), self._view(b)
        calibration = self.calibrate()
        bound = calibration.far_bound(far, self.assumed)
        score = float(first.vector @ second.vector)
        odds = self.odds("pair")
        with self.store.noting():
            self.store.log("verify", score=round(score, 4), same=score > bound.threshold)
        return Verified(
            score > bound.threshold, score, odds.same(score, prior) if odds else None, prior, bound
        )

    def verify_claim(
        self, item: Item | View, name: str, *, far: float | None = None, prior: float = PRIOR
    ) -> Verified:
        """Say whether an item shows the identity that is claimed."""
        view, number, calibration = self._view(item), self._number(name), self.calibrate()
        bound = calibration.far_bound(far, self.assumed, claims=True)
        threshold = max(bound.threshold, calibration.own_thresholds(bound).get(number, -1.0))
        numbers, scores = self.known().scores(view.vector[None])
        place = np.flatnonzero(numbers == number)
        if not len(place):
            raise TellapartError(f"{name!r} has no template left: enrol it again, or delete it")
        score = float(scores[0, place[0]])
        odds = self.odds("identity")
        with self.store.noting():
            self.store.log("verify", [number], score=round(score, 4), same=score > threshold)
        bound = Bound(threshold, bound.rate, bound.groups, bound.basis)
        return Verified(score > threshold, score, odds.same(score, prior) if odds else None, prior, bound)

    def identify(
        self,
        items: Item | View | Sequence[Item | View],
        *,
        fpir: float | None = None,
        prior: float = PRIOR,
        grow: bool = False,
    ) -> list[Identified]:
        """Say who each face, picture or text shows, or that it is unknown.

        Args:
            items: One or several; of a picture all faces are answered, the largest first.
            fpir: At most so many strangers may be given a name; None = the least that the gallery carries.
            prior: What is assumed of an item before looking: that it shows somebody enrolled.
            grow: Add views that score above every stranger ever measured to whom they show, as automatic ones.

        Raises:
            TellapartError: An item cannot be read, the gallery is empty, or cannot carry the rate.
        """
        bound = self.fpir_bound(fpir, grow=grow)
        single = isinstance(items, Path | str | bytes | np.ndarray | View)
        listed = cast("list[Item | View]", [items] if single else list(cast("Sequence[Item | View]", items)))
        views = [view for item in listed for view in self._views(item)]
        calibration, reference = self.calibrate(), self.known()
        strict, own = calibration.strict(bound), calibration.own_thresholds(bound)
        odds = self.odds("identity")
        found = []
        for view in views:
            best = reference.best(view.vector, LIKE)
            scores = np.array([score for _, score, _ in best])
            each, unknown = odds.among(scores, reference.identities, prior) if odds else (None, None)
            candidates = tuple(
                Candidate(
                    self._names[number],
                    score,
                    None if each is None else float(each[rank]),
                    max(strict if automatic else bound.threshold, own.get(number, -1.0)),
                )
                for rank, (number, score, automatic) in enumerate(best[:SHOWN])
            )
            name = candidates[0].name if candidates[0].accepted else None
            found.append(Identified(view, name, candidates, unknown, prior, bound))
        self._log_identified(found)
        if grow:
            self._grow(found, strict)
        return found

    def fpir_bound(self, fpir: float | None, *, grow: bool = False) -> Bound:
        """Give the threshold of `identify`.

        Raises:
            TellapartError: The gallery is empty, cannot carry the rate, or cannot grow.
        """
        if grow:
            self.store.need_changeable()
        calibration = self.calibrate()
        if not self.known().identities:
            raise TellapartError("nobody with a template is enrolled in this gallery: enrol someone first")
        return calibration.fpir_bound(fpir, self.assumed)

    def _log_identified(self, found: Sequence[Identified]) -> None:
        with self.store.noting():
            for each in found:
                known = [] if each.name is None else [self.store.find(each.name) or 0]
                self.store.log(
                    "identify", known, score=round(each.candidates[0].score, 4), fpir=each.bound.rate
                )

    def _grow(self, found: Sequence[Identified], strict: float) -> None:
        sure = [
            each
            for each in found
            if each.name and each.candidates[0].score > strict and not each.view.complaints
            if self.store.holder(each.view.key) is None
        ]
        if sure:
            names, views = [each.name or "" for each in sure], [each.view for each in sure]
            self.enrol_views(names, views, anyway=True, origin=Origin.AUTOMATIC)

    def _views(self, item: Item | View) -> list[View]:
        return [item] if isinstance(item, View) else self.reader.all(item)

    def _view(self, item: Item | View) -> View:
        return item if isinstance(item, View) else self.reader.one(item)
