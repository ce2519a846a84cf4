"""`/v1/receptions`, `/v1/admissions`: what ingress asks at RCPT."""

from __future__ import annotations

from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, Field

from libs.http import ADMIN, Problem, RequestBody, question, require
from libs.http.requests import example
from services.antispam.api.scopes import scope_of
from services.antispam.feedback.screening import RcptQuery, RecipientScreening
from services.antispam.reputation.greylist import greylisted_network
from services.antispam.reputation.mongo_greylist import MongoGreylist


class ReceptionRules(BaseModel):
    """`greylists`: ask at each recipient of this domain. `purposes`: addresses that antispam takes itself."""

    greylists: bool = Field(description="Whether each recipient of the domain must be asked for.")
    purposes: dict[str, Literal["honeypot", "training"]] = Field(
        description="Addresses that antispam takes itself, and what for."
    )


class AdmissionRequest(RequestBody):
    """A recipient at RCPT."""

    model_config = example(
        {"peer": "192.0.2.1", "sender": "a@example.net", "recipient": "jean@example.org", "domain": "example.org"}
    )

    peer: str = Field(max_length=64, description="IP address.")
    sender: str = Field("", max_length=320, description="Envelope sender, empty for the null sender.")
    recipient: str = Field(max_length=320, description="Address of the recipient.")
    domain: str = Field(max_length=255, description="Our main domain of the recipient.")
    account: str | None = Field(None, max_length=320, description="Whoever authenticated; null for strangers.")


class Admission(BaseModel):
    """`defer` is 451 4.7.1 until `retry_at`; the answer may be kept for `keep_seconds`, for all of the peer's network
    when `whole_network` says so."""

    decision: Literal["accept", "defer", "refuse"] = Field(
        description="`defer` is answered 451 4.7.1, `refuse` 550 5.7.1."
    )
    note: str = Field(description="What stands in the log and the trace.")
    retry_at: datetime | None = Field(description="When the peer may try again; null unless it is deferred.")
    keep_seconds: float = Field(description="How long the answer may be kept.")
    whole_network: bool = Field(description="Whether the answer counts for the whole network of the peer.")


def reception_routes(screening: RecipientScreening, greylist: MongoGreylist) -> APIRouter:
    """Asked by services, for every stranger where a domain greylists."""
    router = APIRouter(prefix="/v1", tags=["reception"])
    ingress = Depends(require(ADMIN, "ingress"))

    @router.get("/receptions/{domain}", dependencies=[ingress], summary="Get the reception rules of a domain")
    async def get_reception(
        domain: Annotated[str, Path(description="Main domain of the recipient.")],
    ) -> ReceptionRules:
        """Shows the settings of a domain that ingress needs when a message comes in."""
        scope = scope_of(domain)
        return ReceptionRules.model_validate(
            {"greylists": await screening.is_greylisting(scope), "purposes": await screening.special_addresses(scope)}
        )

    @router.post("/admissions", dependencies=[ingress], summary="Ask whether a recipient is admitted")
    @question
    async def create_admission(arrival: AdmissionRequest) -> Admission:
        """Greylisting, honeypots and other rules decide at RCPT whether mail for the recipient may come in now."""
        answer = await screening.screen(RcptQuery(**{**arrival.model_dump(), "domain": scope_of(arrival.domain)}))
        return Admission(
            decision=answer.decision,
            note=answer.note,
            retry_at=answer.retry_at,
            keep_seconds=answer.keep.total_seconds(),
            whole_network=answer.whole_network,
        )

    @router.delete(
        "/greylist/{peer}",
        status_code=204,
        dependencies=[Depends(require(ADMIN))],
        summary="Forget a greylisted network",
    )
    async def delete_greylisted_network(
        peer: Annotated[IPv4Address | IPv6Address, Path(description="IP address in the network.")],
    ) -> Response:
        """Makes the network of a peer unknown to greylisting again, for all recipients."""
        if not await greylist.forget(greylisted_network(peer)):
            raise Problem(404, "greylisting does not know the network of this peer")
        return Response(status_code=204)

    return router
