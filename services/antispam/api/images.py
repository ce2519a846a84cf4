"""`/v1/images`: images known from spam, of a domain or of all, by a fingerprint that survives small changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field, StringConstraints

from libs.envelope import new_id
from libs.http import ADMIN, After, Cursor, Page, Problem, RequestBody, require
from services.antispam.api.scopes import domain_of, scope_of
from services.antispam.images.model import ImageFacts
from services.antispam.images.mongo import KnownImage, MongoKnownImages

Fingerprint = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{16}$", to_lower=True)]
Look = Callable[[bytes], Awaitable[ImageFacts]]

_RAW_BODY = {"requestBody": {"required": True, "content": {"image/*": {"schema": {"type": "string"}}}}}

_PAGES = Cursor("images")


class NewImage(RequestBody):
    """A fingerprint from elsewhere, for instance from another cluster."""

    fingerprint: Fingerprint = Field(description="64 bits in hex, as `learn` gives it.")
    domain: str = Field("", description="Domain of ours that it counts for; empty: all.")
    comment: str = Field("", max_length=500)


class ImageView(BaseModel):
    """A stored entry."""

    id: str
    domain: str
    fingerprint: str
    comment: str
    created_at: datetime


def image_routes(
    images: MongoKnownImages, changed: Callable[[str], Awaitable[None]], look: Look, clock: Callable[[], datetime]
) -> APIRouter:
    """`changed(scope)` tells all replicas."""
    router = APIRouter(prefix="/v1/images", tags=["images"], dependencies=[Depends(require(ADMIN))])

    async def know(fingerprint: str, domain: str, comment: str) -> ImageView:
        scope, now = scope_of(domain), clock()
        stored = await images.add(KnownImage(new_id(now), scope, fingerprint, comment, now))
        await changed(scope)
        return _view(stored)

    @router.get("", summary="Known images of a domain (default: of all), by fingerprint")
    async def list_images(
        domain: str = "", after: After = None, limit: int = Query(50, ge=1, le=500)
    ) -> Page[ImageView]:
        found = await images.page(scope_of(domain), after=_PAGES.text(after), limit=limit)
        return Page(
            items=[_view(image) for image in found], next=_PAGES.behind(found, limit, lambda image: image.fingerprint)
        )

    @router.post("", status_code=201, summary="Add a fingerprint; twice is once")
    async def create_image(image: NewImage) -> ImageView:
        return await know(image.fingerprint, image.domain, image.comment)

    @router.post(
        "/learn",
        status_code=201,
        summary="Add an image (PNG, JPEG, GIF, BMP, WebP, TIFF); 422 if it is too plain or small to be known again",
        openapi_extra=_RAW_BODY,
    )
    async def learn_image(request: Request, domain: str = "", comment: str = Query("", max_length=500)) -> ImageView:
        octets = await request.body()
        facts = await look(octets) if octets else ImageFacts()
        if facts.fingerprint is None:
            raise Problem(422, "this is no image that could be known again: broken, too large, too small or too plain")
        return await know(f"{facts.fingerprint:016x}", domain, comment)

    @router.get("/{id}", summary="One entry")
    async def get_image(id: str) -> ImageView:
        return _view(_there(await images.get(id)))

    @router.delete("/{id}", status_code=204, summary="Forget an image")
    async def delete_image(id: str) -> Response:
        image = _there(await images.delete(id))
        await changed(image.scope)
        return Response(status_code=204)

    return router


def _there(image: KnownImage | None) -> KnownImage:
    if image is None:
        raise Problem(404, "there is no such image")
    return image


def _view(image: KnownImage) -> ImageView:
    return ImageView(
        id=image.id,
        domain=domain_of(image.scope),
        fingerprint=image.fingerprint,
        comment=image.comment,
        created_at=image.created_at,
    )
