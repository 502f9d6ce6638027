"""`tellapart identity list / delete / merge / split / rename / duplicates / export / import / log / drift`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tellapart.cli import options
from tellapart.cli.app import FAILED
from tellapart.cli.identity.shared import EncoderOfGallery, GalleryFolder, opened
from tellapart.cli.output import SCHEMA, note, print_json
from tellapart.engine.snippets import printable
from tellapart.errors import TellapartError

Name = Annotated[str, typer.Argument(metavar="NAME", help="An identity.")]


def list_identities(
    gallery: GalleryFolder,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One identity: its templates.")] = None,
    json: options.Json = False,
) -> int:
    """List identities and how many templates each has, or the templates of one."""
    with opened(gallery) as people:
        if name is not None:
            views = people.views(name)
            if json:
                found = [
                    {
                        "template": each.number,
                        "source": each.source,
                        "quality": each.quality,
                        "origin": each.origin,
                    }
                    for each in views
                ]
                print_json({"schema": SCHEMA, "name": name, "templates": found})
            else:
                for view in views:
                    shown = printable(view.source)
                    print(f"{view.number:>6}  {view.origin:<9}  {view.quality:.2f}  {view.added}  {shown}")
            return 0
        known, strangers = people.identities(), people.identities(cohort=True)
        encoder = people.encoder.name
    if json:
        found = [
            {
                "name": each.name,
                "templates": each.templates,
                "automatic": each.automatic,
                "consent": each.consent,
            }
            for each in known
        ]
        print_json({"schema": SCHEMA, "encoder": encoder, "identities": found, "strangers": len(strangers)})
        return 0
    for each in known:
        flaw = "  no template left: enrol it again, or delete it" if not each.templates else ""
        consent = f"  consent: {printable(each.consent)}" if each.consent else ""
        print(f"{each.templates:>6}  {printable(each.name)}{consent}{flaw}")
    note(f"{len(known):,} identities, {len(strangers):,} strangers to measure rates with; encoder {encoder}")
    return 0


def delete(
    name: Name,
    gallery: GalleryFolder,
    template: Annotated[
        int | None, typer.Option("--template", help="Only this one of its templates.")
    ] = None,
) -> int:
    """Delete an identity, or one of its templates: gone from the disk too."""
    with opened(gallery) as people:
        if template is not None:
            people.delete_view(name, template)
            note(f"template {template} of {name!r} is deleted")
        else:
            note(f"{name!r} is deleted with {people.delete(name):,} templates")
    return 0


def merge(
    name: Name,
    into: Annotated[str, typer.Argument(metavar="INTO", help="Who it is too.")],
    gallery: GalleryFolder,
) -> int:
    """Make one identity of two."""
    with opened(gallery) as people:
        people.merge(name, into)
    note(f"{name!r} is part of {into!r} now")
    return 0


def split(
    name: Name,
    into: Annotated[str, typer.Argument(metavar="INTO", help="Who the templates show.")],
    templates: Annotated[
        list[int], typer.Argument(metavar="TEMPLATE...", help="Numbers, as 'list NAME' shows.")
    ],
    gallery: GalleryFolder,
) -> int:
    """Give some templates of an identity to another."""
    with opened(gallery) as people:
        people.split(name, templates, into)
    note(f"{len(templates)} templates of {name!r} belong to {into!r} now")
    return 0


def rename(
    name: Name, to: Annotated[str, typer.Argument(metavar="TO", help="Its new name.")], gallery: GalleryFolder
) -> int:
    """Call an identity something else."""
    with opened(gallery) as people:
        people.rename(name, to)
    return 0


def duplicates(
    gallery: GalleryFolder,
    far: Annotated[float | None, typer.Option("--far", help="False-accept rate, at most.")] = None,
    json: options.Json = False,
) -> int:
    """Find identities that look the same. Exit code 1: there are some."""
    with opened(gallery) as people:
        found = people.duplicates(far=far)
    if json:
        print_json({"schema": SCHEMA, "pairs": [list(each) for each in found]})
    else:
        for a, b, score, probability in found:
            sure = "" if probability is None else f"  probability {probability:.3f}"
            print(f"{printable(a)} and {printable(b)} look the same  score {score:.3f}{sure}")
        note(
            f"{len(found):,} pairs look the same"
            + ("; 'identity merge A B' makes one of two" if found else "")
        )
    return FAILED if found else 0


def export(
    output: Annotated[Path, typer.Argument(metavar="FILE", help="JSON lines.")], gallery: GalleryFolder
) -> int:
    """Write identities and templates as JSON lines, not encrypted."""
    from tellapart.identities.exchange import export_gallery

    with opened(gallery) as people:
        note(f"{output}: {export_gallery(people, output):,} templates, not encrypted")
    return 0


def import_(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="What 'export' wrote.")],
    gallery: GalleryFolder,
    encoder: EncoderOfGallery = None,
    encrypt: Annotated[bool, typer.Option("--encrypt", help="New gallery: encrypt it.")] = False,
) -> int:
    """Add the identities that another gallery exported; a new gallery gets the encoder of that one."""
    from tellapart.identities.exchange import exported_encoder, import_gallery

    if not source.is_file():
        raise TellapartError(f"there is no file {source}")
    new = {"encoder": encoder or exported_encoder(source)[0]}
    with opened(gallery, encoder=encoder, encrypt=encrypt, new=new) as people:
        added, known = import_gallery(people, source)
    note(f"{added:,} templates added, {known:,} were known")
    return 0


def log(gallery: GalleryFolder, json: options.Json = False) -> int:
    """Show the audit log: what was enrolled, deleted and asked, and when."""
    with opened(gallery) as people:
        entries, names = people.log(), people.store.names()
    if json:
        found = [
            {"time": each.time, "action": each.action, "identities": list(each.identities), **each.details}
            for each in entries
        ]
        print_json({"schema": SCHEMA, "entries": found})
        return 0
    for each in entries:
        who = ", ".join(printable(names.get(number, f"deleted #{number}")) for number in each.identities)
        more = "  ".join(f"{key} {value}" for key, value in each.details.items())
        print(f"{each.time}  {each.action:<8}  {who or '-'}  {more}")
    return 0


def drift(gallery: GalleryFolder, json: options.Json = False) -> int:
    """Say whether a gallery still fits whom it meets. Exit code 1: something drifted."""
    from tellapart.identities.drift import find_drift

    with opened(gallery) as people:
        found = find_drift(people)
    if json:
        print_json({"schema": SCHEMA, "findings": found})
    else:
        for line in found:
            print(line)
        if not found:
            note("nothing drifted, as far as the log and the automatic views can tell")
    return FAILED if found else 0
