"""The contact sheet of a clustering: one HTML file without scripts or network, and the list a person fills in."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from pathlib import Path

from tellapart.errors import TellapartError
from tellapart.experiments.report.markup import Html, element, join
from tellapart.experiments.textfiles import numbered_lines, replacing
from tellapart.identities.clustering import Clustering, Group
from tellapart.identities.types import View

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
SHOWN = 60
"""Views of a group that are drawn; the others are counted (our choice)."""

STYLE = """
:root { color-scheme: light dark; } body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto;
padding: 0 1rem; } section { margin: 2rem 0; border-top: 1px solid #8886; padding-top: 1rem; } .views { display: flex;
flex-wrap: wrap; gap: .6rem; } figure { margin: 0; width: 7.2rem; font-size: .7rem; overflow-wrap: anywhere; }
img { width: 100%; height: 7.2rem; object-fit: contain; background: #8883; border-radius: .3rem; } .odd img {
outline: 3px solid #c60; } p.soft { color: #777; } h2 { margin: 0 0 .3rem; } pre { white-space: pre-wrap; margin: 0; }
"""
HEAD = "group\tname\tface\tfile"
DOUBTFUL = 0.05
"""Probability of a mistake from which a group is called doubtful (our choice)."""


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
    head = element(
        "head",
        Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
        element("title", "Contact sheet"),
        element("style", Html(STYLE)),
    )
    told = summary(clustering, len(views), what)
    explained = (
        "Each group's views stand in the order of how well they fit; outlined ones fit badly. Write names into the list"
        " beside this page and enrol them with --apply; the same name for two groups makes them one, another name for a"
        " line takes it out."
    )
    sections = [
        _section(number, group, views, names[number], picture)
        for number, group in enumerate(clustering.groups)
    ]
    body = element(
        "body", element("h1", told[0].upper() + told[1:]), element("p", explained, class_="soft"), *sections
    )
    return "<!DOCTYPE html>\n" + element("html", join([head, body]), lang="en") + "\n"


def _section(
    number: int, group: Group, views: Sequence[View], name: str, picture: Callable[[View], bytes | str]
) -> Html:
    said = [f"{len(group.members)} view" + ("s" if len(group.members) > 1 else "")]
    if group.doubt > DOUBTFUL:
        said.append(f"may be two: probability {group.doubt:.2f}")
    if group.nearest is not None and group.alike > DOUBTFUL:
        said.append(f"may belong to group {group.nearest + 1}: probability {group.alike:.2f}")
    worst = min(group.fits)
    figures = []
    for place, fit in zip(group.members[:SHOWN], group.fits, strict=False):
        shown, view = picture(views[place]), views[place]
        odd = len(group.members) > 2 and fit == worst and group.doubt > DOUBTFUL
        if isinstance(shown, bytes):
            source = f"data:image/jpeg;base64,{base64.b64encode(shown).decode()}"
            inside = element("img", src=source, alt=view.place)
        else:
            inside = element("pre", shown)
        caption = element(
            "figcaption", f"{Path(view.source).name}" + (f" #{view.part + 1}" if view.parts > 1 else "")
        )
        figures.append(element("figure", inside, caption, class_="odd" if odd else None))
    more = len(group.members) - SHOWN
    return element(
        "section",
        element("h2", f"Group {number + 1}" + (f": {name}" if name else "")),
        element("p", "; ".join(said), class_="soft"),
        element("div", *figures, class_="views"),
        element("p", f"and {more} more") if more > 0 else None,
    )


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
        TellapartError: A line is no line of such a list.
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
