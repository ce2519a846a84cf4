"""The quarantine: search, read, release, whitelist, block, delete."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from libs.http import After, Cursor, Page, PageLimit, RequestBody, audited
from libs.http.names import Address, DomainName, MailboxAddress
from libs.http.openapi import CONFLICT
from libs.http.requests import example
from services.store.api.contents import HARMLESS, RAW
from services.store.api.context import StoreContext, router
from services.store.quarantine.model import QuarantinedMessage, QuarantineFilter, split

_PAGES = Cursor("quarantine")
PART = "Part, in any case,"


class QuarantinedMessageView(BaseModel):
    """A quarantined message. `score` is the highest of the verdicts; `tests` are their findings with their scores."""

    model_config = ConfigDict(populate_by_name=True)

    id: str = Field(description="Id of the quarantined message.")
    message_id: str = Field(description="The cluster's id of the message (X-Facteur-Id).")
    reason: str = Field(description="Why it is in the quarantine.")
    infected: bool = Field(description="Whether it is malware.")
    mail_from: str = Field(description="Envelope sender; empty for the null sender.")
    recipients: list[str] = Field(description="Recipients for which it still waits.")
    subject: str = Field(description="Decoded text of the Subject field.")
    sender: str = Field(alias="from", description="Decoded text of the From field.")
    size_bytes: int = Field(description="Size of the message.")
    score: float | None = Field(description="Highest score of the verdicts; null where there is none.")
    findings: list[str] = Field(description="What engines and filters found.")
    received_at: datetime = Field(description="When the cluster received it.")
    quarantined_at: datetime = Field(description="When it came to the quarantine.")
    expires_at: datetime = Field(description="When it is deleted.")


class ReleaseRequest(RequestBody):
    """The recipients to release for; null: all."""

    model_config = example({"recipients": ["jean@example.org"], "whitelist": "sender"})

    recipients: list[Address] | None = Field(
        None, min_length=1, max_length=1000, description="Recipients that get the message; null: all."
    )
    whitelist: Literal["no", "sender", "domain"] = Field(
        "no", description="First whitelist the envelope sender, or its whole domain, for the domains of the recipients."
    )


class BlockRequest(RequestBody):
    """What to blacklist for the domains of these recipients (null: all)."""

    model_config = example({"what": "domain", "delete": True})

    recipients: list[Address] | None = Field(
        None,
        min_length=1,
        max_length=1000,
        description="Recipients for whose domains the sender is blocked; null: all.",
    )
    what: Literal["sender", "domain"] = Field("sender", description="The envelope sender, or its whole domain.")
    delete: bool = Field(False, description="Delete the message for them, too.")


class ReleaseResult(BaseModel):
    """The released message."""

    id: str = Field(description="Id of the quarantined message.")
    recipients: list[str] = Field(description="Recipients that get the message.")
    whitelisted: str = Field("", description="What is in the white list now.")


class BlockResult(BaseModel):
    """The entries that were added to the black lists."""

    id: str = Field(description="Id of the quarantined message.")
    blacklisted: str = Field(description="What is in the black list now.")
    domains: list[str] = Field(description="For whom.")
    deleted: bool = Field(description="Whether the message was deleted.")


def quarantine_routes(context: StoreContext) -> APIRouter:
    api = router("quarantine", prefix="/v1/quarantine")
    held, actions = context.quarantine, context.actions

    @api.get("", summary="List quarantined messages")
    @audited
    async def list_quarantined_messages(
        domain: Annotated[DomainName | None, Query(description="Domain of a recipient.")] = None,
        account: Annotated[MailboxAddress | None, Query(description="Account or address of a recipient.")] = None,
        sender: Annotated[str, Query(max_length=320, description=f"{PART} of the envelope sender or From.")] = "",
        subject: Annotated[str, Query(max_length=200, description=f"{PART} of the subject.")] = "",
        reason: Annotated[str, Query(max_length=200, description=f"{PART} of the reason.")] = "",
        infected: Annotated[bool | None, Query(description="Only malware, or only the rest.")] = None,
        since: Annotated[AwareDatetime | None, Query(description="Held at this time or later.")] = None,
        until: Annotated[AwareDatetime | None, Query(description="Held before this time.")] = None,
        after: After = None,
        limit: PageLimit = 50,
    ) -> Page[QuarantinedMessageView]:
        """Quarantined messages that meet all criteria, newest first."""
        wanted = QuarantineFilter(domain or "", account or "", sender, subject, reason, infected, since, until)
        found = await held.page(wanted, after=_PAGES.text(after), limit=limit)
        return Page(items=[_view(item) for item in found], next=_PAGES.behind(found, limit, lambda item: item.id))

    @api.get("/{id}", summary="Get a quarantined message")
    @audited
    async def get_quarantined_message(
        id: Annotated[str, Path(description="Id of the quarantined message.")],
    ) -> QuarantinedMessageView:
        """Returns one quarantined message without its content."""
        return _view(await held.get(id))

    @api.get("/{id}/raw", summary="Get a raw quarantined message", response_class=Response, responses=RAW)
    @audited
    async def get_raw_quarantined_message(
        id: Annotated[str, Path(description="Id of the quarantined message.")],
    ) -> StreamingResponse:
        """Returns the message as it was received; it may be malware."""
        item = await held.get(id)
        length = {"Content-Length": str(item.envelope.size_bytes), **HARMLESS}
        return StreamingResponse(context.bodies.pieces(item.body), media_type="message/rfc822", headers=length)

    @api.post("/{id}/release", summary="Release a quarantined message", responses=CONFLICT)
    async def release_quarantined_message(
        id: Annotated[str, Path(description="Id of the quarantined message.")],
        body: ReleaseRequest | None = None,
        force: Annotated[bool, Query(description="Even if it is malware; administrators only.")] = False,
    ) -> ReleaseResult:
        """Delivers a message in spite of the filters. The answer is 409 for malware, unless `force` is true."""
        item, wanted = await held.get(id), body or ReleaseRequest()
        split(item, wanted.recipients, force=force)  # a message that cannot be released adds no whitelist entry
        value = ""
        if wanted.whitelist != "no":
            whole = wanted.whitelist == "domain"
            _, value, _ = await actions.list_sender(item, wanted.recipients, colour="white", whole_domain=whole)
        recipients = await actions.release(item, wanted.recipients, by="administrator", force=force)
        return ReleaseResult(id=id, recipients=list(recipients), whitelisted=value)

    @api.post("/{id}/block", summary="Block the sender of a quarantined message")
    async def block_quarantined_sender(
        id: Annotated[str, Path(description="Id of the quarantined message.")], body: BlockRequest | None = None
    ) -> BlockResult:
        """Adds the sender to the black lists of the domains of the recipients."""
        item, wanted = await held.get(id), body or BlockRequest()
        _, value, domains = await actions.list_sender(
            item, wanted.recipients, colour="black", whole_domain=wanted.what == "domain"
        )
        if wanted.delete:
            await actions.delete(item, wanted.recipients, by="administrator")
        return BlockResult(id=id, blacklisted=value, domains=list(domains), deleted=wanted.delete)

    @api.delete("/{id}", status_code=204, summary="Delete a quarantined message")
    async def delete_quarantined_message(
        id: Annotated[str, Path(description="Id of the quarantined message.")],
        recipient: Annotated[
            list[Address] | None, Query(description="Only for these recipients; the others wait on.")
        ] = None,
    ) -> Response:
        """Deletes a message for all its recipients or for some."""
        await actions.delete(await held.get(id), recipient, by="administrator")
        return Response(status_code=204)

    return api


def _view(item: QuarantinedMessage) -> QuarantinedMessageView:
    envelope = item.envelope
    verdicts = envelope.verdicts.values()
    tests = [*envelope.findings, *(test for verdict in verdicts for test in verdict.tests)]
    return QuarantinedMessageView(
        id=item.id,
        message_id=envelope.id,
        reason=envelope.quarantine_reason,
        infected=item.infected,
        mail_from=envelope.mail_from,
        recipients=[recipient.address for recipient in envelope.recipients],
        subject=item.summary.subject,
        sender=item.summary.sender,
        size_bytes=envelope.size_bytes,
        score=max((verdict.score for verdict in verdicts), default=None),
        findings=list(dict.fromkeys(f"{test.name}: {test.reason or test.outcome}" for test in tests))[:100],
        received_at=envelope.received_at,
        quarantined_at=item.at,
        expires_at=item.expires_at,
    )
