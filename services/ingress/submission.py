"""Mail that arrives over HTTP: the same rules as by SMTP, and the same queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from libs.envelope import Peer, new_id
from libs.http import Once
from libs.http.idempotency import Kept, Keys
from libs.mail import replies
from libs.mail.address import Path
from services.ingress.admission import SmtpAdmission
from services.ingress.domain.acceptance import FAULT_REPLIES, Acceptance
from services.ingress.domain.content import IncomingContent
from services.ingress.domain.parameters import RcptArguments
from services.ingress.domain.refusal import CommandRefused
from services.ingress.domain.relaying import AcceptedRecipient, Login, Submitter
from services.ingress.publisher import MailTransaction, MessagePublisher

_MAY_NOT_SEND = replies.SENDER_NOT_YOURS.because("The account does not exist or may not send")


@dataclass(frozen=True, slots=True)
class HttpSubmission:
    """An envelope and a message.

    `account` is the account that a webmail acts for; `once` is the request with its Idempotency-Key.
    """

    mail_from: Path
    recipients: Sequence[Path]
    raw: bytes
    peer: Peer
    account: str | None = None
    once: Once | None = None


@dataclass(frozen=True, slots=True)
class SubmissionHandler:
    """Checks and publishes messages that arrive over HTTP."""

    admission: SmtpAdmission
    acceptance: Acceptance
    publisher: MessagePublisher
    keys: Keys
    clock: Callable[[], datetime]
    max_line_octets: int

    async def submit(self, submission: HttpSubmission) -> str:
        """Publish a message and return its id. Raises `CommandRefused`, and `Temporary` when it was not published."""
        submitter = Submitter(
            "http", submission.peer.address, Login(submission.account) if submission.account else None
        )
        own = await self.admission.own_addresses(submitter)
        if own is not None and not own:
            raise CommandRefused(_MAY_NOT_SEND, "sender")
        await self.admission.check_sender(submission.mail_from, submitter)
        admitted = await self._recipients(submission, submitter)
        content = self._content(submission, admitted)
        self.acceptance.check(submission.raw, "http", own)
        kept: Kept | None = None
        if submission.once is not None:
            # Decided before the message is published: a retry publishes under the same id, which the consumers know.
            kept = await self.keys.claim(submission.once, new_id(self.clock()))
            if kept.is_done:
                return str(kept.result)
        recipients = tuple(each.recipient for each in admitted)
        await self.admission.count_send(submitter, recipients)
        transaction = MailTransaction(
            listener="http",
            peer=submission.peer,
            mail_from=submission.mail_from.address,
            recipients=recipients,
            smtputf8=not all(path.address.isascii() for path in (submission.mail_from, *submission.recipients)),
        )
        claimed = None if kept is None else str(kept.result)
        id = await self.publisher.publish(transaction, submission.raw, sha256=content.sha256, id=claimed)
        if submission.once is not None:
            await self.keys.finish(submission.once)
        return id

    async def _recipients(self, submission: HttpSubmission, submitter: Submitter) -> list[AcceptedRecipient]:
        admitted: dict[str, AcceptedRecipient] = {}
        for path in submission.recipients:
            recipient = await self.admission.admit_recipient(
                RcptArguments(path),
                submitter,
                already=admitted,
                null_sender=submission.mail_from.is_null,
                size_bytes=len(submission.raw),
                sender=submission.mail_from.address,
            )
            admitted[recipient.key] = recipient
        return list(admitted.values())

    def _content(self, submission: HttpSubmission, admitted: Sequence[AcceptedRecipient]) -> IncomingContent:
        content = IncomingContent(
            max_bytes=min(each.max_size_bytes for each in admitted), max_line=self.max_line_octets
        )
        content.append(submission.raw)
        content.finish()
        if content.fault is not None:
            raise CommandRefused(FAULT_REPLIES[content.fault], content.fault)
        return content
