"""Bringing an index to what its settings ask for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from tellapart.arguments import Names, member, names, need, whole_number
from tellapart.corpus.document import KIND_OF, LEVELS, Granularity, Kind
from tellapart.encoders.load import load_encoder, sees_images
from tellapart.encoders.protocol import Encoder
from tellapart.index.segments import levels_wanted
from tellapart.index.settings import Settings, portable
from tellapart.index.store import Store
from tellapart.progress import Progress, silent

if TYPE_CHECKING:
    from tellapart.index.build import Builder, BuildReport

NO_OBJECTS: Mapping[str, Encoder] = MappingProxyType({})


def settings_of(
    folder: Path,
    sources: Names,
    encoders: tuple[str, ...],
    granularities: str | Iterable[Granularity | str],
    kind: Kind | str | None,
    include: Names,
    max_bytes: int | None,
    vectors_for: Names,
    compress: str | None,
) -> Settings:
    """Check what an index in `folder` is to hold; the arguments are those of `Index.build`."""
    from tellapart.encoders.compressed import compression_setting

    return Settings(
        sources=portable(names(sources, "sources"), folder),
        kind=None if kind is None else member(Kind, kind, "kind"),
        include=names(include, "include"),
        max_bytes=None if max_bytes is None else whole_number(max_bytes, "max_bytes", least=1),
        granularities=tuple(
            member(Granularity, each, "granularity") for each in names(granularities, "granularities")
        ),
        encoders=encoders,
        vectors_for=names(vectors_for, "vectors_for"),
        compress="" if compress is None else compression_setting(need(compress, str, "compress", "text")),
    )


def build_index(
    folder: Path,
    settings: Settings,
    *,
    objects: Mapping[str, Encoder] = NO_OBJECTS,
    progress: Progress = silent,
    fresh: bool = False,
) -> BuildReport:
    """Bring the index in `folder` to what `settings` ask for; `objects` are encoders that no name opens."""
    home = folder.resolve().parent
    images = any(sees_images(name, home=home) for name in settings.encoders if name not in objects)
    wanted = replace(settings, images=images)
    report = builder(folder, wanted, objects=objects, progress=progress, fresh=fresh).run()
    return replace(report, notes=(*report.notes, *_without_units(folder, wanted.granularities)))


def _without_units(folder: Path, chosen: tuple[Granularity, ...]) -> list[str]:
    """Name the documents that have no unit of the granularities chosen, as those of another kind have."""
    missing = {kind for kind in LEVELS if chosen and not levels_wanted(kind, chosen)}
    if not missing:
        return []
    with closing(Store.open(folder)) as store, store.reading():
        counted = Counter(kind for kind in store.kinds().values() if kind in missing)
    asked = " ".join(f"--granularity {level}" for level in chosen)
    return [
        f"no search finds {count:,} of the documents: they are {kind}, of which {asked} makes no units"
        f" (add --granularity {LEVELS[kind][0]}, or --kind {KIND_OF[chosen[0]]} to read them as that)"
        for kind, count in counted.items()
    ]


def add_encoder(
    folder: Path, settings: Settings, name: str, *, objects: Mapping[str, Encoder], progress: Progress
) -> None:
    """Add the vectors of one more encoder, without reading the sources unless it sees images."""
    if name not in objects and sees_images(name, home=folder.resolve().parent):
        wanted = replace(settings, encoders=tuple(dict.fromkeys((*settings.encoders, name))))
        build_index(folder, wanted, objects=objects, progress=progress)
    else:
        builder(folder, settings, objects=objects, progress=progress).add_encoder(name)


def builder(
    folder: Path,
    settings: Settings,
    *,
    objects: Mapping[str, Encoder] = NO_OBJECTS,
    progress: Progress = silent,
    fresh: bool = False,
) -> Builder:
    """Give what builds the index in `folder`, with the readers and splitters, which a search need not load."""
    from tellapart.encoders.cache import open_cache
    from tellapart.index.build import Builder

    home = folder.resolve().parent

    def load(name: str) -> Encoder:
        return objects[name] if name in objects else load_encoder(name, home=home)

    return Builder(folder, settings, load, open_cache(), progress, fresh)
