"""Mail that a service hands in over HTTP (R-IN-12): the same rules and the same way as by SMTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from libs.envelope import Peer, new_id
from libs.http import Once
from libs.http.idempotency import Kept, Keys
from libs.mail import replies
from libs.mail.address import Path
from services.ingress.admission import Admission
from services.ingress.domain.acceptance import FAULT_REPLIES, Acceptance
from services.ingress.domain.content import Content
from services.ingress.domain.parameters import RcptArguments
from services.ingress.domain.refusal import Refused
from services.ingress.domain.relaying import Admitted, Login, Submitter
from services.ingress.reception import Reception, Submission

_NOBODY = replies.SENDER_NOT_YOURS.because("There is no such account, or it may not send")


@dataclass(frozen=True, slots=True)
class Parcel:
    """An envelope and a message. `account` is who a webmail acts for; `once` the request with its Idempotency-Key."""

    mail_from: Path
    recipients: Sequence[Path]
    raw: bytes
    peer: Peer
    account: str | None = None
    once: Once | None = None


@dataclass(frozen=True, slots=True)
class Submitting:
    """Takes parcels."""

    admission: Admission
    acceptance: Acceptance
    reception: Reception
    keys: Keys
    clock: Callable[[], datetime]
    max_line_octets: int

    async def submit(self, parcel: Parcel) -> str:
        """The id of the message. Raises `Refused`, and `Temporary` when it could not be published."""
        submitter = Submitter("http", parcel.peer.address, Login(parcel.account) if parcel.account else None)
        own = await self.admission.own_addresses(submitter)
        if own is not None and not own:
            raise Refused(_NOBODY, "sender")
        await self.admission.sender(parcel.mail_from, submitter)
        admitted = await self._recipients(parcel, submitter)
        content = self._content(parcel, admitted)
        self.acceptance.check(parcel.raw, "http", own)
        kept: Kept | None = None
        if parcel.once is not None:
            # Decided before the message is published: a retry publishes under the same id, which the consumers know.
            kept = await self.keys.claim(parcel.once, new_id(self.clock()))
            if kept.is_done:
                return str(kept.result)
        recipients = tuple(each.recipient for each in admitted)
        await self.admission.sending(submitter, recipients)
        submission = Submission(
            listener="http",
            peer=parcel.peer,
            mail_from=parcel.mail_from.address,
            recipients=recipients,
            smtputf8=not all(path.address.isascii() for path in (parcel.mail_from, *parcel.recipients)),
        )
        claimed = None if kept is None else str(kept.result)
        id = await self.reception.take(submission, parcel.raw, sha256=content.sha256, id=claimed)
        if parcel.once is not None:
            await self.keys.finish(parcel.once)
        return id

    async def _recipients(self, parcel: Parcel, submitter: Submitter) -> list[Admitted]:
        admitted: dict[str, Admitted] = {}
        for path in parcel.recipients:
            taken = await self.admission.recipient(
                RcptArguments(path),
                submitter,
                already=admitted,
                null_sender=parcel.mail_from.is_null,
                size_bytes=len(parcel.raw),
                sender=parcel.mail_from.address,
            )
            admitted[taken.key] = taken
        return list(admitted.values())

    def _content(self, parcel: Parcel, admitted: Sequence[Admitted]) -> Content:
        content = Content(max_bytes=min(each.max_size_bytes for each in admitted), max_line=self.max_line_octets)
        content.add(parcel.raw)
        content.finish()
        if content.fault is not None:
            raise Refused(FAULT_REPLIES[content.fault], content.fault)
        return content
