"""What the commands on galleries share."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tellapart.cli.options import index_place
from tellapart.errors import TellapartError

if TYPE_CHECKING:
    from tellapart.identities.gallery import Gallery

GalleryFolder = Annotated[
    Path,
    typer.Option(
        "--gallery",
        metavar="DIR",
        help="Folder of the gallery, or postgresql://...[?gallery=NAME] of a published one.",
        parser=index_place,
    ),
]
EncoderOfGallery = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        metavar="NAME",
        help="For a new gallery: face, pixels, folder:DIR, onnx:FILE, or any encoder of texts [default: face].",
    ),
]
Prior = Annotated[
    float, typer.Option("--prior", help="Probability assumed before looking, for the probabilities.")
]


def share(prior: float) -> float:
    """Refuse a prior that is no probability."""
    if not 0 < prior < 1:
        raise TellapartError(f"--prior {prior:g} is not a probability between 0 and 1")
    return prior


@contextmanager
def opened(
    folder: Path,
    *,
    encoder: str | None = None,
    encrypt: bool = False,
    new: Mapping[str, Any] | None = None,
) -> Iterator[Gallery]:
    """Open a gallery, asking for its passphrase in a terminal; with `new`, one is made so where there is none."""
    from tellapart.identities.file import VARIABLE
    from tellapart.identities.gallery import Gallery
    from tellapart.identities.published import GalleryPlace, is_sealed

    sealed, shown = is_sealed(folder), GalleryPlace.of(folder) or folder
    passphrase = os.environ.get(VARIABLE)
    if not passphrase and (sealed or (sealed is None and encrypt)):
        if not sys.stdin.isatty():
            raise TellapartError(f"the gallery {shown} needs its passphrase: set {VARIABLE}")
        passphrase = getpass(f"passphrase of {shown}: ")
        if sealed is None and getpass("once more: ") != passphrase:
            raise TellapartError("the two passphrases differ: run this again")
    create = new is not None and sealed is None
    settings = {"encoder": encoder, **(new if new and create else {})}
    people = Gallery.open(folder, passphrase=passphrase, create=create, **settings)
    try:
        yield people
    finally:
        people.close()
