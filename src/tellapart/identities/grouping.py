"""Grouping files with the help of a gallery, and enrolling what a person confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tellapart.errors import TellapartError
from tellapart.identities.answers import View
from tellapart.identities.clustering import Clustering, cluster, same_picture
from tellapart.identities.gallery import Gallery
from tellapart.identities.sheet import read_list
from tellapart.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class Grouped:
    """Views of files, their groups, what the groups are called where the gallery knows, and what was unusable."""

    views: tuple[View, ...]
    clustering: Clustering
    names: tuple[str, ...]
    problems: tuple[str, ...]


def group_files(gallery: Gallery, files: Sequence[Path], *, progress: Progress = silent) -> Grouped:
    """Group the faces, pictures or texts of files.

    What the gallery was told before (merged, split, enrolled) is kept; its calibration says how alike is the same.

    Raises:
        TellapartError: Nothing can be grouped, or nothing is known of what scores mean.
    """
    views, problems = _views(gallery, files, progress)
    if not views:
        raise TellapartError(
            f"none of the {len(files):,} files shows anything to group: {'; '.join(problems[:3])}"
        )
    return group_views(gallery, views, problems)


def group_views(gallery: Gallery, views: Sequence[View], problems: Sequence[str] = ()) -> Grouped:
    """Group views that were made before; see `group_files`."""
    try:
        odds = gallery.calibrate().pair_odds(gallery.assumed)
    except TellapartError:
        odds = gallery.assumed.odds if gallery.assumed else None
    if odds is None:
        raise TellapartError(
            f"nothing says yet which scores of {gallery.encoder.name} mean the same: enrol at least two identities with"
            " several views each in the gallery first"
        )
    said = gallery.store.links(views)
    holders = [gallery.store.holder(view.key) for view in views]
    different = same_picture(views) + [(a, b) for a, b, same in said if not same]
    same = [(a, b) for a, b, alike in said if alike]
    first: dict[int, int] = {}
    for place, holder in enumerate(holders):
        if holder is not None:
            same.append((first.setdefault(holder, place), place))
    known = list(first.values())
    different += [(a, b) for index, a in enumerate(known) for b in known[index + 1 :]]
    found = cluster(np.stack([view.vector for view in views]), odds, same=same, different=different)
    return Grouped(tuple(views), found, _names(gallery, views, holders, found), tuple(problems))


def _views(gallery: Gallery, files: Sequence[Path], progress: Progress) -> tuple[list[View], list[str]]:
    views: dict[bytes, View] = {}
    problems = []
    with progress("looking at files", len(files)) as advance:
        for path in files:
            try:
                for view in gallery.reader.all(path):
                    if view.key in views:
                        problems.append(f"{view.place} is the same picture as {views[view.key].source}")
                    views.setdefault(view.key, view)
            except TellapartError as error:
                problems.append(str(error))
            advance(1)
    return list(views.values()), problems


def _names(
    gallery: Gallery, views: Sequence[View], holders: Sequence[int | None], found: Clustering
) -> tuple[str, ...]:
    """What groups are called: by an enrolled view in it, or where the gallery identifies most of it."""
    known = gallery.store.names()
    names = []
    answered: dict[int, str | None] = {}
    if known and gallery.known().identities:
        try:
            answers = gallery.identify(list(views))
            answered = {place: answer.name for place, answer in enumerate(answers)}
        except TellapartError:
            answered = {}
    for group in found.groups:
        held = [known[holder] for place in group.members if (holder := holders[place]) in known]
        said = [answered.get(place) for place in group.members]
        most = max(set(said), key=said.count)
        sure = most if most is not None and 2 * said.count(most) > len(said) else ""
        names.append(held[0] if held else sure)
    return tuple(names)


def apply_list(gallery: Gallery, path: Path, *, progress: Progress = silent) -> tuple[int, int]:
    """Enrol what a person confirmed in a list, and remember what was merged and split; how many new, how many known.

    Raises:
        TellapartError: A line is wrong, or a file changed; nothing is enrolled then.
    """
    lines = [line for line in read_list(path) if line[1]]
    if not lines:
        raise TellapartError(f"no line of {path} has a name: write who it is into the second column")
    views = []
    with progress("looking at files", len(lines)) as advance:
        for _, _, face, file in lines:
            views.append(gallery.reader.one(Path(file), face=face))
            advance(1)
    fresh = []
    for place, ((_, name, _, _), view) in enumerate(zip(lines, views, strict=True)):
        holder = gallery.store.holder(view.key)
        if holder is None:
            fresh.append(place)
        elif holder != gallery.store.find(name):
            raise TellapartError(
                f"{view.place} is enrolled as another identity already, not as {name!r}: split it first"
            )
    if fresh:
        gallery.enrol_views(
            [lines[place][1] for place in fresh],
            [views[place] for place in fresh],
            items=[Path(lines[place][3]) for place in fresh],
            anyway=True,
        )
    with gallery.store.writing():
        first: dict[str, View] = {}
        for (_, name, _, _), view in zip(lines, views, strict=True):
            if first.setdefault(name, view) is not view:
                gallery.store.link(first[name], view, same=True)
        named = list(first.values())
        for index, a in enumerate(named):
            for b in named[index + 1 :]:
                gallery.store.link(a, b, same=False)
    return len(fresh), len(lines) - len(fresh)
