"""`POST /v1/messages`: mail from services."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from libs.envelope import Peer
from libs.http import ADMIN, APPLICATION, IdempotencyKey, Once, Problem, once_of, require
from libs.http.openapi import model_of
from libs.mail.replies import Reply
from services.ingress.api.drafts import NewMessage, account_of, composed, path_of
from services.ingress.domain.budget import Budget
from services.ingress.domain.refusal import CommandRefused
from services.ingress.metrics import IngressMetrics
from services.ingress.submission import HttpSubmission, SubmissionHandler


class AcceptedMessage(BaseModel):
    """The id under which the message is known in the whole cluster."""

    id: str = Field(description="Id of the message in the whole cluster; its `X-Facteur-Id`.")


_SERVICES = ("antispam", "antivirus", "quota", "relay", "router", "store")


_BODIES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "message/rfc822": {"schema": {"type": "string", "format": "binary"}},
            "application/json": {"schema": model_of(NewMessage)},
        },
    }
}


def message_routes(
    submitting: SubmissionHandler,
    budget: Budget,
    metrics: IngressMetrics,
    *,
    clock: Callable[[], datetime],
    hostname: str,
) -> APIRouter:
    """Accepts raw messages and JSON."""
    router = APIRouter(prefix="/v1", tags=["sending"])

    @router.post(
        "/messages",
        status_code=202,
        openapi_extra=_BODIES,
        summary="Send a message",
        responses={413: {}, 415: {}, 422: {}, 429: {}, 503: {}},
    )
    async def send_message(
        request: Request,
        caller: Annotated[str, Depends(require(ADMIN, APPLICATION, *_SERVICES))],
        key: IdempotencyKey,
        sender: Annotated[str | None, Query(alias="from", description="Raw only; empty: the null sender.")] = None,
        to: Annotated[list[str] | None, Query(description="Raw only; once for each recipient.")] = None,
        account: Annotated[str | None, Query(description="Raw only; the account that this is sent for.")] = None,
    ) -> AcceptedMessage:
        """Accepts a message as it is (`message/rfc822`, with `from` and `to` in the query) or in parts
        (`application/json`). The answer comes when the message is safe in the queue; filters, delivery and relaying
        follow. The `id` of the answer is the `X-Facteur-Id` of the message.
        """
        share = budget.open(int(request.headers.get("content-length") or 0))
        if share is None:
            raise Problem(503, "too much mail is coming in, try again", headers={"Retry-After": "5"})
        try:
            body = await request.body()
            if not share.grow(len(body)):
                raise Problem(503, "too much mail is coming in, try again", headers={"Retry-After": "5"})
            once = _once(request, key, caller, body)
            match request.headers.get("content-type", "").partition(";")[0].strip().lower():
                case "message/rfc822":
                    submission = _raw(body, sender, to, account, once, _peer(request))
                case "application/json":
                    submission = await asyncio.to_thread(
                        composed, body, once, _peer(request), now=clock(), hostname=hostname
                    )
                case _:
                    raise Problem(415, "send message/rfc822 or application/json")
            return AcceptedMessage(id=await _submit(submitting, submission, metrics))
        finally:
            share.close()

    return router


def _once(request: Request, key: str | None, caller: str, body: bytes) -> Once | None:
    """A key of a service stands for the subject of its draft: the draft is composed anew for a retry, with another
    date. The key of another caller stands for one message, octet by octet.
    """
    return None if key is None else once_of(request, key, b"" if caller in _SERVICES else body)


async def _submit(submitting: SubmissionHandler, submission: HttpSubmission, metrics: IngressMetrics) -> str:
    series = metrics.of("http")
    try:
        id = await submitting.submit(submission)
    except CommandRefused as refused:
        series.refused("POST", refused.reason)
        raise _problem(refused.reply) from refused
    series.accepted(len(submission.raw))
    return id


def _problem(reply: Reply) -> Problem:
    """Return the problem for the reply that an SMTP client would get."""
    status, kind = _status_and_kind(reply)
    return Problem(status, reply.text, kind=kind, smtp=f"{reply.code} {reply.enhanced}")


def _status_and_kind(reply: Reply) -> tuple[int, str]:
    """Without a kind, the problem has the general one of its status."""
    match reply.code, reply.enhanced:
        case 552, _:
            return 413, ""
        case 450, _:
            return 429, ""
        # A peer would send the others a second message; a program that composes a message must not.
        case _, "4.5.3":
            return 422, ""
        case _, "4.2.2":
            return 503, "over-quota"
        case code, _:
            return (503, "") if code < 500 else (422, "mail-refused")


def _raw(
    body: bytes, sender: str | None, to: list[str] | None, account: str | None, once: Once | None, peer: Peer
) -> HttpSubmission:
    if sender is None or not to:
        raise Problem(422, "a raw message needs from and to in the query")
    # HTTP carries files as they are on disk; on the wire of mail a line ends with CR LF (RFC 2046 5.2.1).
    raw = body.replace(b"\n", b"\r\n") if b"\r" not in body else body
    paths = [path_of("to", recipient) for recipient in to]
    return HttpSubmission(path_of("from", sender), paths, raw, peer, account=account_of(account), once=once)


def _peer(request: Request) -> Peer:
    client = request.client
    return Peer(address=client.host if client else "", port=client.port if client else 0, protocol="HTTP")
