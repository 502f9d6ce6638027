"""`tellapart clear`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from tellapart.cli import options
from tellapart.cli.output import note
from tellapart.encoders.cache import open_cache
from tellapart.errors import TellapartError
from tellapart.index.home import exists, find_home
from tellapart.index.lock import writer_lock
from tellapart.index.migration import drop_encoder
from tellapart.index.postgres.address import Address
from tellapart.index.postgres.database import quoted

EXAMPLES = (
    "tellapart clear --index my.idx",
    "tellapart clear --encoder lsa --index my.idx      # only this encoder's vectors",
)


def clear(
    path: options.PathIn = None,
    index: options.IndexPlace = None,
    encoder: Annotated[
        str | None, typer.Option("--encoder", metavar="NAME", help="Drop only this encoder's vectors.")
    ] = None,
    cache: Annotated[
        bool, typer.Option("--cache", help="Empty the cache of vectors that all indexes share.")
    ] = False,
) -> None:
    """Remove an index, one encoder of it, or the cached vectors."""
    if cache:
        vectors = open_cache()
        if vectors is None:
            raise TellapartError("the cache is switched off (TELLAPART_CACHE): there is nothing to empty")
        vectors.clear()
        note(f"emptied the vector cache in {vectors.folder}")
        return
    if index is not None and (address := Address.of(index)) is not None:
        raise TellapartError(
            f"{address} is a published index: drop its schema where psql is connected to that database"
            f" (DROP SCHEMA {quoted(address.schema)} CASCADE), and those of its shards"
        )
    home = find_home(index, path)
    folder = home.folder
    if home.where:
        raise TellapartError(
            f"{path or Path()} has no index of its own: 'tellapart clear --index {folder}' removes the one around it"
        )
    if not exists(folder):
        raise TellapartError(f"no index in {folder}: nothing to remove")
    if encoder:
        drop_encoder(folder, encoder)
        note(f"dropped the vectors of {encoder} from {folder}")
        return
    with writer_lock(folder):
        shutil.rmtree(folder)
    note(f"removed {folder}")
