"""The quarantine: list, read, release, delete (R-ST-06)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from libs.envelope import Mail
from libs.envelope.queues import ROUTER
from libs.http import Page, Problem, Role, require
from services.store.api.contents import HARMLESS, RAW
from services.store.api.context import Context, router
from services.store.domain.quarantine import Held, split_for_release
from services.store.domain.refusals import NotThere

Limit = Annotated[int, Query(ge=1, le=500, description="Most items on a page.")]


class HeldView(BaseModel):
    """A quarantined message. `score` is the highest of the verdicts; `tests` are their findings with their scores."""

    model_config = ConfigDict(populate_by_name=True)

    id: str
    message_id: str = Field(description="The cluster's id of the message (X-Facteur-Id).")
    reason: str
    infected: bool
    mail_from: str
    recipients: list[str] = Field(description="Those who still wait for it.")
    subject: str
    sender: str = Field(alias="from")
    size: int
    score: float | None
    findings: list[str]
    received_at: datetime
    at: datetime = Field(description="When it came to the quarantine.")
    expires_at: datetime


class Release(BaseModel):
    """Only these of the recipients; null: all."""

    recipients: list[str] | None = Field(None, min_length=1, max_length=1000)


class Released(BaseModel):
    id: str
    recipients: list[str]


def quarantine_routes(context: Context) -> APIRouter:
    api = router("quarantine", prefix="/v1/quarantine")
    held = context.quarantine

    @api.get("", summary="Quarantined messages, newest first")
    async def listing(
        domain: Annotated[str, Query(description="Domain of a recipient.")] = "",
        reason: Annotated[str, Query(max_length=200, description="Part of the reason, in any case.")] = "",
        infected: Annotated[bool | None, Query(description="Only malware, or only the rest.")] = None,
        after: Annotated[str, Query(max_length=100, description="`next` of the page before.")] = "",
        limit: Limit = 50,
    ) -> Page[HeldView]:
        found = await held.page(domain=domain.lower(), reason=reason, infected=infected, after=after, limit=limit)
        return Page(items=[_view(item) for item in found], next=found[-1].id if len(found) == limit else None)

    @api.get("/{id}", summary="One quarantined message, without its content")
    async def read(id: str) -> HeldView:
        return _view(await held.get(id))

    @api.get("/{id}/raw", summary="The message as it came", response_class=Response, responses={200: RAW})
    async def raw(id: str) -> StreamingResponse:
        item = await held.get(id)
        length = {"Content-Length": str(item.envelope.size_bytes), **HARMLESS}
        return StreamingResponse(context.bodies.pieces(item.body), media_type="message/rfc822", headers=length)

    @api.post("/{id}/release", summary="Deliver it behind the filters; 409 for malware without force=true")
    async def release(
        id: str,
        role: Annotated[Role, Depends(require(Role.ADMIN, Role.SERVICE))],
        body: Release | None = None,
        force: Annotated[bool, Query(description="Even if it is malware; administrators only.")] = False,
    ) -> Released:
        if force and role is not Role.ADMIN:
            raise Problem(403, "only an administrator may release by force")
        item = await held.get(id)
        wanted = body.recipients if body else None
        leaving, staying = split_for_release(item, wanted, force=force)
        # Confirmed first, removed then: a crash between the two releases again, and nobody gets it twice.
        await context.outbox.send(ROUTER, Mail(leaving, await context.bodies.raw(item.body)))
        if staying is None:
            await held.remove(id)
        else:
            await held.narrow(id, staying)
        return Released(id=id, recipients=[recipient.address for recipient in leaving.recipients])

    @api.delete("/{id}", status_code=204, summary="Delete it for ever")
    async def delete(id: str) -> Response:
        if not await held.remove(id):
            raise NotThere("there is no such quarantined message")
        return Response(status_code=204)

    return api


def _view(item: Held) -> HeldView:
    envelope = item.envelope
    verdicts = envelope.verdicts.values()
    tests = [*envelope.findings, *(test for verdict in verdicts for test in verdict.tests)]
    return HeldView(
        id=item.id,
        message_id=envelope.id,
        reason=envelope.quarantine_reason,
        infected=item.infected,
        mail_from=envelope.mail_from,
        recipients=[recipient.address for recipient in envelope.recipients],
        subject=item.summary.subject,
        sender=item.summary.sender,
        size=envelope.size_bytes,
        score=max((verdict.score for verdict in verdicts), default=None),
        findings=list(dict.fromkeys(f"{test.name}: {test.reason or test.outcome}" for test in tests))[:100],
        received_at=envelope.received_at,
        at=item.at,
        expires_at=item.expires_at,
    )
