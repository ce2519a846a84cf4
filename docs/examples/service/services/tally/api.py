"""The HTTP API: parse, call, respond."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field

from libs.http import ADMIN, require
from services.tally.ports import TallyStore


class TallyView(BaseModel):
    """The count of a domain."""

    domain: str = Field(description="The domain, in lower case.")
    messages: int = Field(description="Recipients of this domain that other servers accepted.")


def tally_routes(store: TallyStore) -> APIRouter:
    """Return the routes below `/v1/tallies`."""
    router = APIRouter(prefix="/v1/tallies", tags=["tallies"], dependencies=[Depends(require(ADMIN))])

    @router.get("/{domain}", summary="Get the count of a domain")
    async def get_tally(
        domain: str = Path(max_length=255, description="Domain of the recipients."),
    ) -> TallyView:
        return TallyView(domain=domain.lower(), messages=await store.get(domain.lower()))

    return router
