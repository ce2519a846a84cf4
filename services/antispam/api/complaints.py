"""`/v1/complaints/{kind}`: what recipients complained about, and how complaints are deleted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, Field

from libs.http import ADMIN, After, Cursor, Page, PageLimit, Problem, require
from libs.network import network_of
from services.antispam.reputation.complaints import ComplaintSubject, ComplaintThresholds, SubjectKind
from services.antispam.reputation.mongo_complaints import MongoComplaints, SubjectComplaints

_PAGES = Cursor("complaints")


class ComplaintView(BaseModel):
    """`counts` once there are at least `required` distinct complainants."""

    value: str = Field(description="The peer, sender or domain.")
    complainants: list[str] = Field(description="At most the latest 200.")
    required: int = Field(description="Number of distinct complainants from which complaints count.")
    counts: bool = Field(description="Whether the complaints count.")
    last_at: datetime = Field(description="Time of the last complaint.")


def complaint_routes(
    store: MongoComplaints,
    thresholds: ComplaintThresholds,
    refresh: Callable[[], Awaitable[None]],
    clock: Callable[[], datetime],
) -> APIRouter:
    """`refresh` reads what counts now; other replicas follow within seconds."""
    router = APIRouter(prefix="/v1/complaints/{kind}", tags=["complaints"], dependencies=[Depends(require(ADMIN))])

    @router.get("", summary="List complaints")
    async def list_complaints(
        kind: Annotated[SubjectKind, Path(description="What the complaints are about.")],
        after: After = None,
        limit: PageLimit = 50,
    ) -> Page[ComplaintView]:
        """Peers, senders or domains that recipients complained about, in the order of their names."""
        found = await store.page(kind, clock(), after=_PAGES.text(after), limit=limit)
        return Page(
            items=[_view(item, thresholds.of(kind)) for item in found],
            next=_PAGES.behind(found, limit, lambda item: item.subject.value),
        )

    @router.delete("", status_code=204, summary="Delete complaints")
    async def delete_complaints(
        kind: Annotated[SubjectKind, Path(description="What the complaints are about.")],
        value: str = Query(max_length=320, description="The peer, sender or domain."),
    ) -> Response:
        """Forgets all complaints about one peer, sender or domain."""
        if not await store.clear(ComplaintSubject(kind, _normal(kind, value))):
            raise Problem(404, "there are no complaints about it")
        await refresh()
        return Response(status_code=204)

    return router


def _normal(kind: SubjectKind, value: str) -> str:
    return network_of(value) if kind == "peer" else value.lower()


def _view(item: SubjectComplaints, required: int) -> ComplaintView:
    count = len(item.complainants)
    return ComplaintView(
        value=item.subject.value,
        complainants=list(item.complainants),
        required=required,
        counts=count >= required,
        last_at=item.last_at,
    )
