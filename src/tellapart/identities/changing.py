"""Changing a gallery: enrolling, deleting, merging, splitting; each change as a whole, or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tellapart.errors import TellapartError
from tellapart.identities.answers import Origin, View
from tellapart.identities.calibration import FPIR
from tellapart.identities.matching import unit
from tellapart.identities.odds import PRIOR
from tellapart.identities.opening import OpenGallery
from tellapart.identities.views import Item, content_of
from tellapart.progress import Progress, silent

AT_ONCE = 50
"""Items that are encoded and committed together: what a killed enrolment loses at most."""

IDENTICAL = 0.9999
"""Cosine from which two views are the same picture in another file, where nothing was measured yet."""

STRANGERS = 20
"""Identities from which the gallery itself says what looks like somebody else: 20 of them are 190
pairs. Below, what is known of the encoder says it."""

NEIGHBOURS = 3
"""Identities nearest to one among which its duplicates are looked for: a person enrolled twice is the
nearest but for two chance likenesses; each more costs a comparison."""


class ChangingGallery(OpenGallery):
    """A gallery that is written to."""

    def enrol(
        self,
        name: str,
        items: Item | Sequence[Item],
        *,
        face: int | None = None,
        consent: str = "",
        cohort: bool = False,
        anyway: bool = False,
    ) -> list[View]:
        """Enrol items as views of an identity; all of them or none.

        Args:
            name: Whom they show.
            items: Pictures or texts, as the encoder wants them.
            face: Which face of a picture, from 1, the largest first; None = the largest.
            consent: What the person agreed to, kept with the identity.
            cohort: They show strangers: only to measure rates, never named.
            anyway: Also where a view looks like another identity.

        Raises:
            TellapartError: An item cannot be read, is enrolled already, or looks like another identity.
        """
        listed = [items] if isinstance(items, Path | str | bytes | np.ndarray) else list(items)
        views = [self.reader.one(item, face=face) for item in listed]
        self.enrol_views(
            [name] * len(views), views, items=listed, consent=consent, cohort=cohort, anyway=anyway
        )
        return views

    def enrol_views(
        self,
        names: Sequence[str],
        views: Sequence[View],
        *,
        items: Sequence[Item] | None = None,
        consent: str = "",
        cohort: bool = False,
        anyway: bool = False,
        origin: Origin = Origin.PERSON,
    ) -> None:
        """Enrol views that were made before, each under its name, in one commit."""
        pictures = [self._picture(item) for item in items] if items is not None else [None] * len(views)
        with self.store.writing():
            self._refuse_known(names, views, cohort=cohort, anyway=anyway)
            numbers = {
                name: self.store.add_identity(name, consent=consent, cohort=cohort)
                for name in dict.fromkeys(names)
            }
            self.store.add_templates([numbers[name] for name in names], views, origin, pictures)
            who = list(numbers.values())
            self.store.log(
                "enrol", who[:AT_ONCE], views=len(views), origin=origin.value, identities_in_all=len(who)
            )

    def enrol_many(
        self,
        items: Mapping[str, Sequence[Path]],
        *,
        consent: str = "",
        cohort: bool = False,
        progress: Progress = silent,
    ) -> tuple[int, int, list[str]]:
        """Enrol files of many identities, some at a time; what is enrolled already is passed over.

        Returns how many were enrolled, how many were known, and what went wrong with the others.
        """
        todo = [(name, path) for name, paths in items.items() for path in paths]
        new, known, failed = 0, 0, []
        with progress("enrolling", len(todo)) as advance:
            for start in range(0, len(todo), AT_ONCE):
                block, first = [], len(todo[start : start + AT_ONCE])
                for name, path in todo[start : start + AT_ONCE]:
                    holder = self.store.holder(self.reader.key_of(path))
                    if holder is None:
                        block.append((name, path))
                    elif holder == self.store.find(name):
                        known += 1
                    else:
                        failed.append(
                            f"{path} is enrolled as {self._named(holder)!r} already, not as {name!r} too"
                        )
                views, problems = self.readable([path for _, path in block])
                failed += problems
                fresh: dict[bytes, tuple[str, Path, View]] = {}
                for (name, path), view in zip(block, views, strict=True):
                    if view is None:
                        continue
                    if fresh.setdefault(view.key, (name, path, view))[2] is view:
                        continue
                    if fresh[view.key][0] == name:
                        known += 1
                    else:
                        failed.append(
                            f"{path} is the same as {fresh[view.key][1]}, of {fresh[view.key][0]!r}"
                        )
                if fresh:
                    names, paths, chosen = zip(*fresh.values(), strict=True)
                    self.enrol_views(names, chosen, items=paths, consent=consent, cohort=cohort, anyway=True)
                    new += len(fresh)
                advance(first)
        return new, known, failed

    def readable(self, items: Sequence[Item]) -> tuple[list[View | None], list[str]]:
        """Give the view of each item, None for one that cannot be used, and what is wrong with those."""
        try:
            return list(self.reader.many(items)), []
        except TellapartError:
            views: list[View | None] = []
            problems = []
            for item in items:
                try:
                    views.append(self.reader.one(item))
                except TellapartError as error:
                    views.append(None)
                    problems.append(str(error))
            return views, problems

    def _picture(self, item: Item) -> bytes | None:
        if not self.keeps_pictures:
            return None
        return (
            content_of(item)
            if isinstance(item, Path)
            else item
            if isinstance(item, bytes)
            else item.encode()
            if isinstance(item, str)
            else item.tobytes()
        )

    def _refuse_known(
        self, names: Sequence[str], views: Sequence[View], *, cohort: bool, anyway: bool
    ) -> None:
        seen: dict[bytes, str] = {}
        for name, view in zip(names, views, strict=True):
            holder = self.store.holder(view.key)
            other = seen.get(view.key) or (self._named(holder) if holder is not None else None)
            if other is not None:
                how = (
                    "already"
                    if other == name
                    else f"already as {other!r}: delete it there first, or merge the two"
                )
                raise TellapartError(f"{view.place} is enrolled {how}; nothing was changed")
            seen[view.key] = name
        if anyway or cohort or not self.known().identities:
            return
        reference = self.known()
        bound = self._likeness()
        for name, view in zip(names, views, strict=True):
            for number, score, _ in reference.best(view.vector, 1):
                if self._names[number] != name and score > bound:
                    raise TellapartError(
                        f"{view.place} looks like {self._names[number]!r} (score {score:.3f}), not only like {name!r}:"
                        " merge the two if they are one, or enrol it with --anyway; nothing was changed"
                    )

    def _likeness(self) -> float:
        """Score above which a new view is taken for somebody else: half-way from every stranger to one's own views."""
        calibration = self.calibrate()
        if len(np.unique(calibration.best_groups)) >= STRANGERS and len(calibration.own):
            return float(calibration.best.max() + max(np.median(calibration.own), calibration.best.max())) / 2
        return self.assumed.bound(FPIR, self.known().identities).threshold if self.assumed else IDENTICAL

    def _named(self, number: int | None) -> str:
        return next((each.name for each in self.store.identities() if each.number == number), "")

    def delete(self, name: str) -> int:
        """Forget an identity and its templates, on the disk too; says how many templates those were."""
        with self.store.writing():
            number = self._number(name)
            count = self.store.remove_identity(number)
            self.store.log("delete", [number], templates=count)
        self.store.purge()
        return count

    def delete_view(self, name: str, template: int) -> None:
        """Forget one template of an identity."""
        with self.store.writing():
            number = self._number(name)
            if template not in [each.number for each in self.store.views_of(number)]:
                raise TellapartError(
                    f"{name!r} has no template {template}: see 'tellapart identity list {name}'"
                )
            self.store.remove_template(template)
            self.store.log("delete", [number], templates=1)
        self.store.purge()

    def merge(self, name: str, into: str) -> None:
        """Give all templates of one identity to another, and forget the name."""
        with self.store.writing():
            source, target = self._number(name), self._number(into)
            if source == target:
                raise TellapartError(f"{name!r} cannot be merged into itself")
            numbers = [each.number for each in self.store.views_of(source)]
            self.store.move_templates(numbers, target)
            self.store.remove_identity(source)
            self.store.log("merge", [source, target], templates=len(numbers))
        self.store.purge()

    def split(self, name: str, templates: Sequence[int], into: str) -> None:
        """Give some templates of an identity to another, which is made if there is none of that name."""
        if not templates or name == into:
            raise TellapartError("name the templates to split off, and another identity to give them to")
        with self.store.writing():
            source = self._number(name)
            own = [each.number for each in self.store.views_of(source)]
            if unknown := sorted(set(templates) - set(own)):
                raise TellapartError(f"{name!r} has no template {unknown[0]}: its own are {own}")
            target = self.store.add_identity(into)
            self.store.move_templates(list(templates), target)
            self.store.log("split", [source, target], templates=len(templates))
        self.store.purge()

    def rename(self, name: str, to: str) -> None:
        """Call an identity something else."""
        with self.store.writing():
            number = self._number(name)
            if self.store.find(to) is not None:
                raise TellapartError(f"there is an identity {to!r} already: merge the two instead")
            self.store.rename(number, to)
            self.store.count_removal()
            self.store.log("rename", [number])
        self.store.purge()

    def duplicates(self, *, far: float | None = None) -> list[tuple[str, str, float, float | None]]:
        """Find identities that look the same: names, score, and the probability that they are one, likeliest first."""
        reference, calibration = self.known(), self.calibrate()
        bound = calibration.far_bound(far, self.assumed, claims=True)
        odds = self.odds("identity")
        found: dict[tuple[str, str], float] = {}
        for number, name in self._names.items():
            own = self.store.templates(self.encoder.dim, of=[number])
            if not len(own.numbers):
                continue
            for other, score, _ in reference.best(unit(own.vectors.mean(axis=0)[None])[0], NEIGHBOURS + 1):
                if other != number and score > bound.threshold:
                    pair = (min(name, self._names[other]), max(name, self._names[other]))
                    found[pair] = max(score, found.get(pair, -1.0))
        ranked = sorted(found.items(), key=lambda each: (-each[1], each[0]))
        return [(a, b, score, odds.same(score, PRIOR) if odds else None) for (a, b), score in ranked]
