"""`tellapart identity enrol / verify / identify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tellapart.cli import options
from tellapart.cli.app import FAILED
from tellapart.cli.identity.shared import EncoderOfGallery, GalleryFolder, Prior, opened, share
from tellapart.cli.output import SCHEMA, note, print_json
from tellapart.cli.progress import terminal_progress
from tellapart.engine.snippets import printable
from tellapart.errors import TellapartError

if TYPE_CHECKING:
    from tellapart.identities.answers import Identified
    from tellapart.identities.gallery import Gallery


def enrol(
    what: Annotated[
        list[str],
        typer.Argument(metavar="NAME FILE... | FOLDER", help="A name and files, or a folder of folders."),
    ],
    gallery: GalleryFolder,
    encoder: EncoderOfGallery = None,
    scoring: Annotated[str, typer.Option("--scoring", help="For a new gallery: mean, max or svm.")] = "mean",
    face: Annotated[
        int | None, typer.Option("--face", help="Which face of the picture, 1 = the largest.")
    ] = None,
    consent: Annotated[
        str, typer.Option("--consent", help="What the people agreed to; kept with the identity.")
    ] = "",
    cohort: Annotated[
        bool, typer.Option("--cohort", help="Strangers, used only to measure rates and never named.")
    ] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also where it looks like another identity.")
    ] = False,
    keep_pictures: Annotated[
        bool, typer.Option("--keep-pictures", help="New gallery: keep the pictures beside the templates.")
    ] = False,
    encrypt: Annotated[
        bool, typer.Option("--encrypt", help="New gallery: encrypt it; asks for a passphrase.")
    ] = False,
) -> int:
    """Enrol pictures or texts; a run that was stopped goes on where it was."""
    from tellapart.identities.views import expanded

    single = Path(what[0])
    if len(what) == 1 and not single.is_dir():
        raise TellapartError(
            f"{what[0]!r} alone enrols nothing: give a name and files, or a folder of folders"
        )
    new = {"scoring": scoring, "pictures": keep_pictures}
    with opened(gallery, encoder=encoder, encrypt=encrypt, new=new) as people:
        images = people.reader.sees_images
        if len(what) == 1:
            grouped = _grouped(single, images=images, cohort=cohort)
            return _enrol_folder(people, grouped, consent=consent, cohort=cohort)
        files = expanded([Path(each) for each in what[1:]], images=images)
        if cohort or len(files) > len(what) - 1:
            return _enrol_folder(people, {what[0]: files}, consent=consent, cohort=cohort)
        views = people.enrol(what[0], files, face=face, consent=consent, cohort=cohort, anyway=anyway)
    for view in views:
        which = (
            f", the largest of {view.parts} faces was taken (--face N takes another)"
            if view.parts > 1
            else ""
        )
        flaws = f", {' and '.join(view.complaints)}" if view.complaints else ""
        note(
            f"{view.source}: enrolled as {what[0]!r}, quality {view.quality:.2f}{flaws}{which if face is None else ''}"
        )
    if not consent and not cohort:
        note("remember to have their consent; --consent 'TEXT' keeps a note of it")
    return 0


def _grouped(folder: Path, *, images: bool, cohort: bool) -> dict[str, list[Path]]:
    from tellapart.identities.views import expanded, labelled_files

    if cohort and not any(path.is_dir() for path in folder.iterdir()):
        # nobody says who they are: each is taken for somebody else, which errs on the strict side
        return {f"stranger {path.name}": [path] for path in expanded([folder], images=images)}
    found = labelled_files(folder, images=images)
    return {f"stranger {name}": files for name, files in found.items()} if cohort else found


def _enrol_folder(people: Gallery, grouped: dict[str, list[Path]], *, consent: str, cohort: bool) -> int:
    new, known, failed = people.enrol_many(
        grouped, consent=consent, cohort=cohort, progress=terminal_progress()
    )
    for problem in failed:
        note(f"not enrolled: {problem}")
    what = "strangers" if cohort else "identities"
    note(
        f"{new:,} enrolled of {len(grouped):,} {what}, {known:,} were known, {len(failed):,} could not be used"
    )
    return FAILED if failed and not new and not known else 0


def verify(
    a: Annotated[Path, typer.Argument(metavar="A", help="A file.")],
    gallery: GalleryFolder,
    b: Annotated[Path | None, typer.Argument(metavar="[B]", help="Another file.")] = None,
    claimed: Annotated[
        str | None,
        typer.Option("--as", metavar="NAME", help="Instead of B: the identity that A claims to be."),
    ] = None,
    far: Annotated[
        float | None,
        typer.Option(
            "--far",
            help="False-accept rate, at most [default: 0.001, or the lowest that the gallery supports].",
        ),
    ] = None,
    prior: Prior = 0.5,
    json: options.Json = False,
) -> int:
    """Say whether both show the same identity. Exit code 0: yes, 1: no."""
    if (b is None) == (claimed is None):
        raise TellapartError("give a second file, or --as NAME")
    with opened(gallery) as people:
        if claimed is not None:
            answer = people.verify_claim(a, claimed, far=far, prior=share(prior))
        else:
            assert b is not None
            answer = people.verify(a, b, far=far, prior=share(prior))
    if json:
        print_json({"schema": SCHEMA, **answer.to_dict()})
    else:
        sure = (
            "" if answer.probability is None else f", probability {answer.probability:.3f} (prior {prior:g})"
        )
        print(f"{'same' if answer.same else 'different'}  score {answer.score:.3f}{sure}")
        note(f"threshold {answer.bound.threshold:.3f}; false accepts: {answer.bound.promise}")
    return 0 if answer.same else FAILED


def identify(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files or folders of them.")],
    gallery: GalleryFolder,
    fpir: Annotated[
        float | None,
        typer.Option(
            "--fpir",
            help="Strangers given a name, at most [default: 0.01, or the lowest that the gallery supports].",
        ),
    ] = None,
    prior: Prior = 0.5,
    grow: Annotated[
        bool,
        typer.Option(
            "--grow", help="Enrol recognised views that match more clearly than any stranger measured."
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="FILE", help="Write JSON lines; run again, it goes on where it was."
        ),
    ] = None,
    json: options.Json = False,
) -> int:
    """Say who each face, picture or text shows."""
    from tellapart.identities.exchange import identify_files
    from tellapart.identities.views import expanded

    with opened(gallery) as people:
        listed = expanded(files, images=people.reader.sees_images)
        if len(listed) == 1 and output is None:
            answers = people.identify(listed[0], fpir=fpir, prior=share(prior), grow=grow)
            problems = []
        else:
            found = list(
                identify_files(
                    people,
                    listed,
                    output,
                    fpir=fpir,
                    prior=share(prior),
                    grow=grow,
                    progress=terminal_progress(),
                )
            )
            problems = [each for each in found if isinstance(each, str)]
            answers = [each for each in found if not isinstance(each, str)]
    for problem in problems:
        note(problem)
    if json:
        print_json({"schema": SCHEMA, "answers": [each.to_dict() for each in answers]})
    elif output is None:
        for answer in answers:
            print(_said(answer))
        if answers:
            note(f"strangers given a name: {answers[0].bound.promise}; prior {prior:g}")
    else:
        note(f"{output}: {len(answers):,} answers")
    return FAILED if problems and not answers else 0


def _said(answer: Identified) -> str:
    best, *others = answer.candidates
    sure = "" if best.probability is None else f"  probability {best.probability:.3f}"
    if answer.name is None and answer.unknown is not None:
        sure = f"  probability {answer.unknown:.3f}"
    line = f"{printable(answer.view.place)}: {answer.name or 'unknown'}{sure}"
    line += f"  (score {best.score:.3f}, needed {best.threshold:.3f}"
    if answer.name is None:
        line += f"; nearest {best.name}" + (
            f" {best.probability:.3f}" if best.probability is not None else ""
        )
    elif others:
        line += f"; then {others[0].name} {others[0].score:.3f}"
    flaws = f"; {' and '.join(answer.view.complaints)}" if answer.view.complaints else ""
    return f"{line}{flaws})"
