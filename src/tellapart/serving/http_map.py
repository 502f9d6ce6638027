"""The map of a corpus over HTTP: points once for each generation, then which point a unit or a query is."""

from __future__ import annotations

import base64
import threading
from collections import OrderedDict
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from tellapart.caches import cache_folder
from tellapart.corpus.places import place_of
from tellapart.engine import Index
from tellapart.engine.results import unit_id
from tellapart.errors import TellapartError
from tellapart.progress import Progress
from tellapart.scores.corpus_map import CorpusMap, CountedBins, map_corpus
from tellapart.scores.layout import MapLayout, placed
from tellapart.scores.vectors import Diagnostic
from tellapart.serving.http_models import Body, IndexName, JobShape, Text
from tellapart.serving.jobs import Work
from tellapart.serving.shared import Service
from tellapart.serving.units import locate

KEPT = 4
"""Maps that stay in memory; others are read from the user's cache again."""

SHOWN = 600
"""Characters of a unit that a point tells."""


class ColoursShape(BaseModel):
    """Names, and for each point the number of its name: base64 of little-endian uint16."""

    names: list[str]
    codes: str


class MapShape(BaseModel):
    """Points in the plane.

    x and y are base64 of little-endian float32, `hubs` of int32, `nearest` of float32, `copied` of uint8, one entry for
    each point.
    """

    encoder: str
    levels: list[str]
    layout: str
    generation: int
    units: int
    points: int
    reference: int
    x: str
    y: str
    colours: dict[str, ColoursShape]
    hubs: str
    nearest: str
    copied: str
    histograms: list[CountedBins]
    diagnostics: list[Diagnostic]


class PointsBody(Body):
    """Which points units are, and where a query would lie."""

    ids: list[Text] = Field(default=[], max_length=200)
    query: Text | None = None
    layout: MapLayout = MapLayout.AXES
    encoder: str | None = None
    granularity: str | None = None
    index: IndexName = None


class PointsShape(BaseModel):
    """Points of units, null for one that is not on the map; the place of the query."""

    points: list[int | None]
    query: list[float] | None


class PointShape(BaseModel):
    """The unit that a point is."""

    id: str
    document: str
    granularity: str
    place: str
    text: str
    hubs: int
    nearest: float
    copied: bool


class Maps:
    """Maps by index, generation and wishes."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, CorpusMap] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, key: str) -> CorpusMap | None:
        """Give the map of a key, from memory or from the user's cache."""
        with self._lock:
            found = self._kept.pop(key, None)
            file = _file(key)
            if found is None and file is not None:
                found = CorpusMap.read(file)
            if found is not None:
                self._keep(key, found)
            return found

    def put(self, key: str, made: CorpusMap) -> None:
        """Keep a map for all workers."""
        file = _file(key)
        if file is not None:
            made.write(file)
        with self._lock:
            self._keep(key, made)

    def _keep(self, key: str, made: CorpusMap) -> None:
        self._kept[key] = made
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)


def add_map(app: FastAPI, service: Service) -> None:
    """Add `/v1/map`."""
    maps = Maps()

    def known(index: Index, layout: MapLayout, encoder: str | None, granularity: str | None) -> CorpusMap:
        found = maps.find(_key(index, layout, encoder, granularity))
        if found is None:
            raise TellapartError("this map is not made yet: ask for /v1/map first")
        return found

    @app.get("/v1/map", response_model=MapShape, responses={202: {"model": JobShape}})
    def whole(
        layout: MapLayout = MapLayout.AXES,
        encoder: str | None = None,
        granularity: str | None = None,
        index: str | None = None,
    ) -> dict[str, Any] | JSONResponse:
        """Give the map, or the job that makes it (202): ask again when that is done."""
        shared = service.index(index)
        with shared.use() as opened:
            key = _key(opened, layout, encoder, granularity)
        found = maps.find(key)
        if found is not None:
            return _shape(found)
        work = _making(shared.folder, maps, layout, encoder, granularity)
        return JSONResponse(service.jobs.start(f"map {key}", work).to_json(), 202)

    @app.post("/v1/map/points", response_model=PointsShape)
    def points(body: PointsBody) -> dict[str, Any]:
        """Say which points some units are, and where a query lies: between its nearest units."""
        with service.index(body.index).use() as index:
            found = known(index, body.layout, body.encoder, body.granularity)
            units = [locate(index, each) for each in body.ids]
            query = None if body.query is None else _place_of_query(index, found, body.query)
            return {
                "points": found.points_of([(u.stored.number, u.granularity, u.ordinal) for u in units]),
                "query": query,
            }

    @app.get("/v1/map/points/{point}", response_model=PointShape)
    def point(
        point: Annotated[int, Field(ge=0)],
        layout: Annotated[MapLayout, Query()] = MapLayout.AXES,
        encoder: str | None = None,
        granularity: str | None = None,
        index: str | None = None,
    ) -> dict[str, Any]:
        """Say which unit a point is."""
        with service.index(index).use() as opened:
            found = known(opened, layout, encoder, granularity)
            if point >= len(found):
                raise TellapartError(f"there is no point {point}: the map has {len(found)}")
            level, ordinal = found.levels[found.level[point]], int(found.ordinals[point])
            with opened.reading():
                stored = opened.stored(int(found.documents[point]))
            start, end = stored.tree.span(level, ordinal)
            return {
                "id": unit_id(stored, level, ordinal),
                "document": stored.document.id,
                "granularity": level.value,
                "place": str(place_of(stored.document, start, end)),
                "text": stored.document.text[start:end].strip()[:SHOWN],
                "hubs": int(found.hubs[point]),
                "nearest": float(found.nearest[point]),
                "copied": bool(found.copied[point]),
            }


def _key(index: Index, layout: MapLayout, encoder: str | None, granularity: str | None) -> str:
    """Name a map by all that decides it; a store that was made anew is another file."""
    chosen = index.plan(ranker="knn", granularity=granularity, encoder=encoder).configuration
    with index.reading() as snapshot:
        said = (
            index.store.identity,
            snapshot.generation,
            snapshot.encoders[str(chosen.encoder)].fingerprint,
            chosen.name,
            layout,
        )
    return blake2b(repr(said).encode(), digest_size=12).hexdigest()


def _file(key: str) -> Path | None:
    folder = cache_folder()
    return None if folder is None else folder / "maps" / f"{key}.npz"


def _making(
    folder: Path, maps: Maps, layout: MapLayout, encoder: str | None, granularity: str | None
) -> Work:
    def work(progress: Progress) -> dict[str, Any]:
        with Index.open(folder, refresh=False) as index:
            made = map_corpus(
                index, layout=layout, encoder=encoder, granularity=granularity, progress=progress
            )
            key = _key(index, layout, encoder, granularity)
        maps.put(key, made)
        return {"points": len(made)}

    return work


def _place_of_query(index: Index, found: CorpusMap, query: str) -> tuple[float, float] | None:
    """Where a query lies: in the middle of the units nearest to it that are on the map."""
    vector = index.encode_queries(found.encoder, [query])
    rows: list[int] = []
    vectors = []
    with index.reading() as snapshot:
        for level in found.levels:
            side, table = snapshot.vectors(found.encoder, level), snapshot.units(level)
            near, _ = side.search(vector, 10)
            numbers, ordinals = table.locate(near[0])
            places = found.points_of(
                [(int(n), level, int(o)) for n, o in zip(numbers, ordinals, strict=True)]
            )
            shown = [at for at, place in enumerate(places) if place is not None]
            rows += [place for place in places if place is not None]
            vectors.append(side.take(near[0][shown]))
    if not rows:
        return None
    x, y = placed(vector, np.concatenate(vectors), found.places[rows])[0]
    return float(x), float(y)


def _shape(found: CorpusMap) -> dict[str, Any]:
    return {
        "encoder": found.encoder,
        "levels": [level.value for level in found.levels],
        "layout": found.layout.value,
        "generation": found.generation,
        "units": found.units,
        "points": len(found),
        "reference": found.reference,
        "x": _packed(found.places[:, 0], "<f4"),
        "y": _packed(found.places[:, 1], "<f4"),
        "colours": {
            name: {"names": list(names), "codes": _packed(codes, "<u2")}
            for name, (names, codes) in found.colours.items()
        },
        "hubs": _packed(found.hubs, "<i4"),
        "nearest": _packed(found.nearest, "<f4"),
        "copied": _packed(found.copied, "u1"),
        "histograms": found.histograms,
        "diagnostics": found.diagnostics,
    }


def _packed(values: np.ndarray, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode()
