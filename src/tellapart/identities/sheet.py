"""The contact sheet of a clustering: one HTML file without scripts or network, and the list a person fills in."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from pathlib import Path

from tellapart.errors import TellapartError
from tellapart.experiments.textfiles import numbered_lines, replacing
from tellapart.identities.answers import View
from tellapart.identities.clustering import Clustering, Group
from tellapart.pages.rendering import render_page

SHOWN = 60
"""Views of a group that are drawn; the others are counted: a page of six rows of ten."""

HEAD = "group\tname\tface\tfile"
DOUBTFUL = 0.05
"""Probability of a mistake from which a group is called doubtful: one group in twenty that
are not marked would be wrong at the worst."""


def summary(clustering: Clustering, views: int, what: str) -> str:
    """Say in a sentence how many there are."""
    count = len(clustering.groups)
    between = f", perhaps {clustering.low} to {clustering.high}" if clustering.low < clustering.high else ""
    return f"these {views:,} {what} are probably {count:,} identities{between}"


def contact_sheet(
    clustering: Clustering,
    views: Sequence[View],
    names: Sequence[str],
    picture: Callable[[View], bytes | str],
    *,
    what: str,
) -> str:
    """Write the page.

    Args:
        clustering: The groups.
        views: All views.
        names: What each group is called, "" where nobody knows.
        picture: Gives a view as a small JPEG, or as text.
        what: Whether they are faces, pictures or texts.
    """
    told = summary(clustering, len(views), what)
    return render_page(
        "contact_sheet.html",
        title=told[0].upper() + told[1:],
        groups=[
            {
                "name": name,
                "remarks": _remarks(group),
                "views": _drawn(group, views, picture),
                "more": len(group.members) - SHOWN,
            }
            for group, name in zip(clustering.groups, names, strict=True)
        ],
        base64=lambda content: base64.b64encode(content).decode(),
    )


def _remarks(group: Group) -> list[str]:
    said = [f"{len(group.members)} view" + ("s" if len(group.members) > 1 else "")]
    if group.doubt > DOUBTFUL:
        said.append(f"may be two: probability {group.doubt:.2f}")
    if group.nearest is not None and group.alike > DOUBTFUL:
        said.append(f"may belong to group {group.nearest + 1}: probability {group.alike:.2f}")
    return said


def _drawn(
    group: Group, views: Sequence[View], picture: Callable[[View], bytes | str]
) -> list[tuple[bytes | str, str, str, bool]]:
    """Give picture, place, caption, and whether it fits badly, of the first views."""
    worst, drawn = min(group.fits), []
    for place, fit in zip(group.members[:SHOWN], group.fits, strict=False):
        view = views[place]
        caption = Path(view.source).name + (f" #{view.part + 1}" if view.parts > 1 else "")
        odd = len(group.members) > 2 and fit == worst and group.doubt > DOUBTFUL
        drawn.append((picture(view), view.place, caption, odd))
    return drawn


def write_list(path: Path, clustering: Clustering, views: Sequence[View], names: Sequence[str]) -> None:
    """Write the list that a person fills in: group, name, number of the face, file."""
    with replacing(path) as stream:
        stream.write(HEAD + "\n")
        for number, group in enumerate(clustering.groups):
            for place in sorted(group.members, key=lambda place: (views[place].source, views[place].part)):
                view = views[place]
                stream.write(f"{number + 1}\t{names[number]}\t{view.part + 1}\t{view.source}\n")


def read_list(path: Path) -> list[tuple[str, str, int, str]]:
    """Read it again: group, name ("" = not confirmed), number of the face, file.

    Raises:
        TellapartError: A line is not a line of such a list.
    """
    found = []
    for number, line in numbered_lines(path):
        if number == 1:
            if line != HEAD:
                raise TellapartError(f"{path}, line 1: not the list that 'identity cluster --report' writes")
            continue
        parts = line.split("\t")
        if len(parts) != 4 or not parts[2].isdigit():
            raise TellapartError(f"{path}, line {number}: expected group, name, face and file between tabs")
        found.append((parts[0], parts[1].strip(), int(parts[2]), parts[3]))
    return found
