"""Mail that a service hands in over HTTP (R-IN-12): the same rules and the same way as by SMTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from libs.envelope import Peer, new_id
from libs.mail import replies
from libs.mail.address import Path
from services.ingress.admission import Admission
from services.ingress.domain.acceptance import FAULT_REPLIES, Acceptance
from services.ingress.domain.content import Content
from services.ingress.domain.parameters import RcptArguments
from services.ingress.domain.refusal import Refused
from services.ingress.domain.relaying import Admitted, Login, Submitter
from services.ingress.ports import Claim, Keys
from services.ingress.reception import Reception, Submission

_NOBODY = replies.SENDER_NOT_YOURS.because("There is no such account, or it may not send")


@dataclass(frozen=True, slots=True)
class Parcel:
    """An envelope and a message. `account` is the account that a webmail acts for; `key` the Idempotency-Key.

    `asked` is a digest of the request, where the same key must never stand for another one; empty for services of ours,
    whose keys name what a letter is about: they compose it anew for a retry, with another date.
    """

    mail_from: Path
    recipients: Sequence[Path]
    raw: bytes
    peer: Peer
    account: str | None = None
    key: str | None = None
    asked: str = ""


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
        claim: Claim | None = None
        if parcel.key is not None:
            claim = await self.keys.claim(parcel.key, _fingerprint(parcel), new_id(self.clock()))
            if claim.confirmed:
                return claim.id
        recipients = tuple(each.recipient for each in admitted)
        await self.admission.sending(submitter, recipients)
        submission = Submission(
            listener="http",
            peer=parcel.peer,
            mail_from=parcel.mail_from.address,
            recipients=recipients,
            smtputf8=not all(path.address.isascii() for path in (parcel.mail_from, *parcel.recipients)),
        )
        claimed = None if claim is None else claim.id
        id = await self.reception.take(submission, parcel.raw, sha256=content.sha256, id=claimed)
        if parcel.key is not None:
            await self.keys.confirm(parcel.key)
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


def _fingerprint(parcel: Parcel) -> str:
    """What a key stands for (draft-ietf-httpapi-idempotency-key-header 2.7)."""
    addresses = [parcel.mail_from.address, *sorted(path.address for path in parcel.recipients)]
    asked = (parcel.account or "", parcel.asked) if parcel.asked else ()
    return sha256("\n".join((*addresses, *asked)).encode("utf-8", "surrogatepass")).hexdigest()
