"""`tellapart identity cluster / evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tellapart.cli import options
from tellapart.cli.app import FAILED
from tellapart.cli.identity.shared import EncoderOfGallery, GalleryFolder, opened
from tellapart.cli.output import SCHEMA, note, print_json
from tellapart.cli.progress import terminal_progress
from tellapart.engine.snippets import printable
from tellapart.errors import TellapartError

if TYPE_CHECKING:
    from tellapart.identities.answers import View
    from tellapart.identities.gallery import Gallery
    from tellapart.identities.grouping import Grouped


def cluster(
    gallery: GalleryFolder,
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE...]", help="Files or folders of them.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", metavar="FILE", help="Contact sheet (HTML), with a list to fill in beside it."
        ),
    ] = None,
    apply: Annotated[
        Path | None, typer.Option("--apply", metavar="LIST", help="Enrol what has a name in this list.")
    ] = None,
    encoder: EncoderOfGallery = None,
    json: options.Json = False,
) -> int:
    """Group faces, pictures or texts nobody named; two faces in one picture are never one person."""
    from tellapart.identities.grouping import apply_list, group_files
    from tellapart.identities.sheet import summary
    from tellapart.identities.views import expanded

    if bool(files) == (apply is not None):
        raise TellapartError("give either files to group, or --apply with a list that you filled in")
    if apply is not None and not apply.is_file():
        raise TellapartError(f"there is no list {apply}: 'identity cluster FOLDER --report' writes one")
    with opened(gallery, encoder=encoder, new={}) as people:
        if apply is not None:
            new, known = apply_list(people, apply, progress=terminal_progress())
            note(f"{new:,} views enrolled, {known:,} were known")
            return 0
        listed = expanded(files or [], images=people.reader.sees_images)
        found = group_files(people, listed, progress=terminal_progress())
        what = "faces" if found.views[0].box else "pictures" if people.reader.sees_images else "texts"
        if report is not None:
            _write(people, found, report, what)
    for problem in found.problems:
        note(f"left out: {problem}")
    groups = found.clustering.groups
    if json:
        listing = [
            {
                "group": number + 1,
                "name": found.names[number] or None,
                "doubt": group.doubt,
                "nearest": None if group.nearest is None else group.nearest + 1,
                "alike": group.alike,
                "members": [
                    [found.views[place].source, found.views[place].part + 1] for place in group.members
                ],
            }
            for number, group in enumerate(groups)
        ]
        limits = {"low": found.clustering.low, "high": found.clustering.high}
        print_json({"schema": SCHEMA, "identities": len(groups), **limits, "groups": listing})
        return 0
    print(summary(found.clustering, len(found.views), what))
    for number, group in enumerate(groups):
        first = ", ".join(printable(Path(found.views[place].source).name) for place in group.members[:4])
        more = f" and {len(group.members) - 4} more" if len(group.members) > 4 else ""
        name = f"  {printable(found.names[number])}" if found.names[number] else ""
        print(f"{number + 1:>4}  {len(group.members):>4}{name}  {first}{more}")
    if report is not None:
        note(f"{report} shows them; write names into {report.with_suffix('.tsv')}, then --apply it")
    return 0


def _write(people: Gallery, found: Grouped, report: Path, what: str) -> None:
    from tellapart.experiments.textfiles import replacing
    from tellapart.identities.sheet import contact_sheet, write_list
    from tellapart.identities.views import content_of, thumbnail

    def picture(view: View) -> bytes | str:
        path = Path(view.source)
        return thumbnail(path, view) if people.reader.sees_images else content_of(path).decode()[:300]

    page = contact_sheet(found.clustering, found.views, found.names, picture, what=what)
    with replacing(report) as stream:
        stream.write(page)
    write_list(report.with_suffix(".tsv"), found.clustering, found.views, found.names)


def evaluate(
    labelled: Annotated[
        Path,
        typer.Argument(
            metavar="PATH", help="A folder of folders, an .npz of images, a .tsv or .jsonl of texts."
        ),
    ],
    encoder: Annotated[str, typer.Option("--encoder", metavar="NAME", help="Which encoder.")] = "face",
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Page with curves (HTML).")
    ] = None,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> int:
    """Say how well an encoder tells labelled identities apart: TAR at FAR, EER, DIR at FPIR, with intervals."""
    import numpy as np

    from tellapart.encoders.load import load_encoder
    from tellapart.experiments.textfiles import replacing
    from tellapart.identities.evaluating import evaluate_identities, labelled_items, page, rows
    from tellapart.identities.views import ViewReader

    reader = ViewReader(load_encoder(encoder))
    names, items = labelled_items(labelled, images=reader.sees_images)
    views, kept, problems = [], [], []
    with terminal_progress()("looking at files", len(items)) as advance:
        for start in range(0, len(items), 64):
            part = items[start : start + 64]
            try:
                views += reader.many(part)
                kept += names[start : start + 64]
            except TellapartError:
                for name, item in zip(names[start : start + 64], part, strict=True):
                    try:
                        views.append(reader.one(item))
                        kept.append(name)
                    except TellapartError as error:
                        problems.append(str(error))
            advance(len(part))
    for problem in problems[:10]:
        note(f"left out: {problem}")
    if not views:
        raise TellapartError(f"{labelled}: none of the {len(items):,} items can be used")
    found = evaluate_identities(np.stack([view.vector for view in views]), kept, seed=seed)
    if report is not None:
        with replacing(report) as stream:
            stream.write(page(found, encoder))
        note(f"{report} draws it")
    if json:
        figures = [
            {"what": what, "value": value, "interval": between or None}
            for what, value, between in rows(found)
        ]
        counts = {"identities": found.identities, "views": found.views, "left_out": len(problems)}
        print_json({"schema": SCHEMA, "encoder": encoder, **counts, "figures": figures})
        return 0
    print(f"{encoder}: {found.views:,} views of {found.identities:,} identities, {len(problems):,} left out")
    for what, value, between in rows(found):
        print(f"  {what:<52}{value:>7}  {between}")
    return FAILED if not found.accepts else 0
