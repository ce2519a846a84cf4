"""`/v1/images`: images known from spam, of a domain or of all, by a fingerprint that survives small changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field, StringConstraints

from libs.envelope import new_id
from libs.http import ADMIN, After, Cursor, Page, PageLimit, Problem, RequestBody, require
from libs.http.openapi import raw_body
from libs.http.requests import example
from libs.http.resources import created
from services.antispam.api.scopes import domain_of, scope_of
from services.antispam.images.model import ImageFacts
from services.antispam.images.mongo import KnownImage, MongoKnownImages

Fingerprint = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{16}$", to_lower=True)]
Look = Callable[[bytes], Awaitable[ImageFacts]]

_RAW_BODY = raw_body("image/*", "The image.")

_PAGES = Cursor("images")


class NewImage(RequestBody):
    """A fingerprint from elsewhere, for instance from another cluster."""

    model_config = example({"fingerprint": "9f1c3a7e5b2d4860", "comment": "watches"})

    fingerprint: Fingerprint = Field(description="64 bits in hex, as `learn` gives it.")
    domain: str = Field("", description="Main domain for which it counts; empty: all domains.")
    comment: str = Field("", max_length=500, description="Note for people.")


class ImageView(BaseModel):
    """A stored entry."""

    id: str = Field(description="Id of the entry.")
    domain: str = Field(description="Domain for which it counts; empty: all domains.")
    fingerprint: str = Field(description="64 bits in hex.")
    comment: str = Field(description="Note for people.")
    created_at: datetime = Field(description="When it was added.")


def image_routes(
    images: MongoKnownImages, changed: Callable[[str], Awaitable[None]], look: Look, clock: Callable[[], datetime]
) -> APIRouter:
    """`changed(scope)` tells all replicas."""
    router = APIRouter(prefix="/v1/images", tags=["images"], dependencies=[Depends(require(ADMIN))])

    async def know(fingerprint: str, domain: str, comment: str, response: Response) -> ImageView:
        scope, now = scope_of(domain), clock()
        new = KnownImage(new_id(now), scope, fingerprint, comment, now)
        stored = await images.add(new)
        created(response, "/v1/images", stored.id, is_new=stored.id == new.id)
        await changed(scope)
        return _view(stored)

    @router.get("", summary="List known images")
    async def list_images(
        domain: Annotated[str, Query(description="Domain for which the images count; empty: all domains.")] = "",
        after: After = None,
        limit: PageLimit = 50,
    ) -> Page[ImageView]:
        """Images known from spam, of one domain or of all domains, in the order of their fingerprints."""
        found = await images.page(scope_of(domain), after=_PAGES.text(after), limit=limit)
        return Page(
            items=[_view(image) for image in found], next=_PAGES.behind(found, limit, lambda image: image.fingerprint)
        )

    @router.post("", status_code=201, summary="Add the fingerprint of an image")
    async def create_image(image: NewImage, response: Response) -> ImageView:
        """Makes an image known by its fingerprint. The answer is 200 when it is known already."""
        return await know(image.fingerprint, image.domain, image.comment, response)

    @router.post(
        "/learn",
        status_code=201,
        summary="Add an image",
        openapi_extra=_RAW_BODY,
    )
    async def learn_image(
        request: Request,
        response: Response,
        domain: Annotated[str, Query(description="Domain for which the image counts; empty: all domains.")] = "",
        comment: str = Query("", max_length=500, description="Note for people."),
    ) -> ImageView:
        """Makes an image known: PNG, JPEG, GIF, BMP, WebP or TIFF. It is refused when it is too small or too plain to
        be recognised again. The answer is 200 when it is known already.
        """
        octets = await request.body()
        facts = await look(octets) if octets else ImageFacts()
        if facts.fingerprint is None:
            raise Problem(422, "this is no image that could be known again: broken, too large, too small or too plain")
        return await know(f"{facts.fingerprint:016x}", domain, comment, response)

    @router.get("/{id}", summary="Get a known image")
    async def get_image(id: Annotated[str, Path(description="Id of the entry.")]) -> ImageView:
        """Returns one entry."""
        return _view(_there(await images.get(id)))

    @router.delete("/{id}", status_code=204, summary="Delete a known image")
    async def delete_image(id: Annotated[str, Path(description="Id of the entry.")]) -> Response:
        """Deletes one entry; the image is unknown again."""
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
