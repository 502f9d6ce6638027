"""Identities over HTTP: who is enrolled, enrolling pictures or texts, identifying, grouping the unknown."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

from fastapi import FastAPI
from pydantic import BaseModel, Field

from tellapart.errors import TellapartError
from tellapart.identities import Gallery
from tellapart.identities.answers import Candidate, View
from tellapart.identities.views import Item, thumbnail
from tellapart.serving.http_errors import UnknownIdError
from tellapart.serving.http_models import Body, ErrorShape
from tellapart.serving.shared import Service

MOST_ITEMS = 100
"""Pictures or texts of one request."""

GalleryName = Annotated[
    str | None,
    Field(default=None, description="Which gallery, where several are served. Default: the first."),
]
PersonName = Annotated[str, Field(min_length=1, max_length=200)]


class ItemShape(BaseModel):
    """A picture (its file as base64) or a text, and what it is called."""

    name: str = Field(default="item", max_length=300)
    picture: str | None = Field(default=None, max_length=30_000_000)
    text: str | None = Field(default=None, max_length=100_000)


Items = Annotated[list[ItemShape], Field(min_length=1, max_length=MOST_ITEMS)]


class IdentifyBody(Body):
    """Who is it? `fpir`: at most so many strangers may be given a name; null = the least that the gallery carries."""

    items: Items
    fpir: Annotated[float, Field(gt=0, lt=1)] | None = None
    prior: Annotated[float, Field(gt=0, lt=1)] = 0.5
    gallery: GalleryName = None


class EnrolBody(Body):
    """Views of one identity; all of them or none. `anyway`: also where one looks like another identity."""

    name: PersonName
    items: Items
    consent: str = Field(default="", max_length=1_000)
    anyway: bool = False
    gallery: GalleryName = None


class GroupBody(Body):
    """Items that may show the same; nothing is kept."""

    items: Items
    gallery: GalleryName = None


class IdentifiedShape(BaseModel):
    """Who a face, picture or text shows, as `identity identify --json`; `thumbnail` is a JPEG as base64."""

    source: str
    face: int
    faces: int
    box: list[int] | None
    quality: float
    complaints: list[str]
    name: str | None
    unknown_probability: float | None
    prior: float
    fpir: float
    basis: str
    candidates: list[Candidate]
    thumbnail: str | None


class IdentifiedAllShape(BaseModel):
    """One answer for each face, picture or text; `problems` are items that could not be looked at."""

    found: list[IdentifiedShape]
    problems: list[str]


class IdentityShape(BaseModel):
    """Somebody or something that is enrolled."""

    name: str
    templates: int
    automatic: int
    added: str
    consent: str
    cohort: bool


class GalleryShape(BaseModel):
    """A gallery and who is in it."""

    gallery: str
    galleries: list[str]
    encoder: str
    pictures: bool
    identities: list[IdentityShape]


class EnrolledShape(BaseModel):
    """How many views were enrolled."""

    name: str
    views: int


class ForgottenShape(BaseModel):
    """How many templates are gone."""

    name: str
    templates: int


class MemberShape(BaseModel):
    """An item in a group and how well it fits there."""

    source: str
    face: int
    fit: float
    thumbnail: str | None


class GroupShape(BaseModel):
    """Items that show the same; `name` where the gallery knows it; `doubt`: probability of a mistake inside."""

    name: str
    doubt: float
    members: list[MemberShape]


class GroupsShape(BaseModel):
    """Groups, the largest first, and between which numbers the true count may lie."""

    groups: list[GroupShape]
    low: int
    high: int
    problems: list[str]


def add_identities(app: FastAPI, service: Service) -> None:
    """Add `/v1/identify` and `/v1/identities`."""

    @app.post("/v1/identify", response_model=IdentifiedAllShape)
    def identify(body: IdentifyBody) -> dict[str, Any]:
        """Say who each picture's faces, picture or text shows, or that it is unknown."""
        with service.gallery(body.gallery).use() as gallery:
            views, pictures, problems = _looked_at(gallery, body.items)
            found = gallery.identify(views, fpir=body.fpir, prior=body.prior) if views else []
            return {
                "found": [
                    {**each.to_dict(), "thumbnail": _small(pictures.get(id(each.view)), each.view)}
                    for each in found
                ],
                "problems": problems,
            }

    @app.get("/v1/identities", response_model=GalleryShape)
    def identities(gallery: str | None = None) -> dict[str, Any]:
        """List who is enrolled."""
        shared = service.gallery(gallery)
        with shared.use() as opened:
            return {
                "gallery": gallery or next(iter(service.galleries)),
                "galleries": list(service.galleries),
                "encoder": opened.encoder.name,
                "pictures": opened.reader.sees_images,
                "identities": [
                    {name: getattr(each, name) for name in IdentityShape.model_fields}
                    for each in (*opened.identities(), *opened.identities(cohort=True))
                ],
            }

    @app.post("/v1/identities", response_model=EnrolledShape, status_code=201)
    def enrol(body: EnrolBody) -> dict[str, Any]:
        """Enrol views of an identity."""
        with service.gallery(body.gallery).use() as gallery:
            items = [_item(gallery, each) for each in body.items]
            views = [
                gallery.reader.one(item, source=given.name)
                for item, given in zip(items, body.items, strict=True)
            ]
            gallery.enrol_views(
                [body.name] * len(views), views, items=items, consent=body.consent, anyway=body.anyway
            )
            return {"name": body.name, "views": len(views)}

    @app.delete(
        "/v1/identities/{name}", response_model=ForgottenShape, responses={404: {"model": ErrorShape}}
    )
    def forget(name: PersonName, gallery: str | None = None) -> dict[str, Any]:
        """Forget an identity and its templates, on the disk too."""
        with service.gallery(gallery).use() as opened:
            if opened.store.find(name) is None:
                raise UnknownIdError(f"nobody called {name!r} is enrolled here")
            return {"name": name, "templates": opened.delete(name)}

    @app.post("/v1/identities/groups", response_model=GroupsShape)
    def groups(body: GroupBody) -> dict[str, Any]:
        """Group faces, pictures or texts that show the same."""
        from tellapart.identities.grouping import group_views

        with service.gallery(body.gallery).use() as gallery:
            views, pictures, problems = _looked_at(gallery, body.items)
            if not views:
                raise TellapartError(f"nothing here shows anything to group: {'; '.join(problems[:3])}")
            grouped = group_views(gallery, views, problems)
            return {
                "groups": [
                    {
                        "name": name,
                        "doubt": group.doubt,
                        "members": [
                            {
                                "source": grouped.views[place].source,
                                "face": grouped.views[place].part + 1,
                                "fit": fit,
                                "thumbnail": _small(
                                    pictures.get(id(grouped.views[place])), grouped.views[place]
                                ),
                            }
                            for place, fit in zip(group.members, group.fits, strict=True)
                        ],
                    }
                    for group, name in zip(grouped.clustering.groups, grouped.names, strict=True)
                ],
                "low": grouped.clustering.low,
                "high": grouped.clustering.high,
                "problems": list(grouped.problems),
            }


def _item(gallery: Gallery, given: ItemShape) -> Item:
    """A picture's bytes or a text; never a name of a file of this machine."""
    if not gallery.reader.sees_images:
        if given.text is None:
            raise TellapartError(f"{given.name}: this gallery is of texts: send 'text'")
        return given.text
    if given.picture is None:
        raise TellapartError(f"{given.name}: this gallery is of pictures: send 'picture', a file as base64")
    try:
        return base64.b64decode(given.picture.rpartition(",")[2], validate=True)
    except binascii.Error as error:
        raise TellapartError(f"{given.name}: the picture is not base64") from error


def _looked_at(gallery: Gallery, items: list[ItemShape]) -> tuple[list[View], dict[int, Item], list[str]]:
    """All views of items, the picture each is from, and what is wrong with the others."""
    views: list[View] = []
    pictures: dict[int, Item] = {}
    problems = []
    for given in items:
        try:
            item = _item(gallery, given)
            for view in gallery.reader.all(item, source=given.name):
                views.append(view)
                pictures[id(view)] = item
        except TellapartError as error:
            problems.append(str(error))
    return views, pictures, problems


def _small(item: Item | None, view: View) -> str | None:
    return None if item is None or isinstance(item, str) else base64.b64encode(thumbnail(item, view)).decode()
