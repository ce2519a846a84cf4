"""Decides at MAIL and RCPT who may send, and to whom; for SMTP and HTTP alike."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC

from libs.envelope import Recipient, Temporary
from libs.mail import replies
from libs.mail.address import Path
from libs.mail.replies import Reply
from libs.neighbours.quota import SendDecision
from services.ingress.domain.parameters import RcptArguments
from services.ingress.domain.refusal import CommandRefused
from services.ingress.domain.relaying import AcceptedRecipient, Submitter, canonical_of, is_relay_trick
from services.ingress.ports import (
    AddressResolution,
    Quotas,
    RecipientDirectory,
    Screening,
    ScreeningRequest,
    ScreeningResult,
    SendLimits,
)

OVER_QUOTA = replies.MAILBOX_FULL.because("temporary failure: user overquota")
_LOCAL_SENDER = replies.REFUSED_BY_POLICY.because("Authenticate to send from this domain")
_NULL_SENDER = replies.REFUSED_BY_POLICY.because("A message with the null sender has one recipient")
_NOT_A_HOST = replies.RELAY_DENIED.because("This form of address is not accepted")
_OTHER_FAILURE = re.compile(r"5\.(?!1\.1\b)\d{1,3}\.\d{1,3}")
_LIMIT = Reply(450, "4.7.1", "Sending limit reached")
_GREYLISTED = replies.DEFERRED_BY_POLICY.because("Greylisted, try again later")


@dataclass(frozen=True, slots=True)
class AdmissionPolicy:
    """The settings that admission depends on."""

    main_domain: str
    max_recipients: int
    max_message_bytes: int
    largest_message_bytes: int
    refuse_local_senders: bool
    send_without_quota: bool


@dataclass(frozen=True, slots=True)
class SmtpAdmission:
    """Decides with the answers of the router, the quota service and antispam. All methods raise `CommandRefused`."""

    policy: AdmissionPolicy
    directory: RecipientDirectory
    quotas: Quotas
    sends: SendLimits
    screening: Screening

    async def check_sender(self, path: Path, submitter: Submitter) -> None:
        """Check that the submitter may use this sender."""
        if path.is_postmaster:
            raise CommandRefused(replies.BAD_SENDER_SYNTAX)
        if path.is_null:  # RFC 5321 4.5.5: notifications, also those that the clients of users send
            return
        try:
            if submitter.login is not None:
                if canonical_of(path) not in await self.directory.senders(submitter.login.account):
                    raise CommandRefused(replies.SENDER_NOT_YOURS, "sender")
            elif self._is_checked(submitter) and await self.directory.is_ours(path.domain):
                raise CommandRefused(_LOCAL_SENDER, "sender")
        except Temporary as error:
            raise CommandRefused(replies.LOOKUP_FAILED, "router") from error

    async def admit_recipient(
        self,
        asked: RcptArguments,
        submitter: Submitter,
        *,
        already: Collection[str],
        null_sender: bool,
        size_bytes: int,
        sender: str = "",
    ) -> AcceptedRecipient:
        """Return the recipient for the envelope. `already` holds the recipients of this transaction so far."""
        path = asked.path
        if path.is_null:
            raise CommandRefused(replies.NO_NULL_FORWARD_PATH)
        if null_sender and already:
            raise CommandRefused(_NULL_SENDER, "null_sender")
        if len(already) >= self.policy.max_recipients:
            raise CommandRefused(replies.TOO_MANY_RECIPIENTS, "too_many_recipients")
        if is_relay_trick(path):
            raise CommandRefused(_NOT_A_HOST, "relay")
        # RFC 5321 4.5.1: postmaster without a domain is local, in any case
        address = f"postmaster@{self.policy.main_domain}" if path.is_postmaster else canonical_of(path)
        try:
            found = await self.directory.recipient(address)
        except Temporary as error:
            raise CommandRefused(replies.LOOKUP_FAILED, "router") from error
        purpose = await self._purpose(address, found, submitter, sender)
        admitted = await self._admit(asked, address, found, submitter, size_bytes, purpose)
        if found.domain and not purpose and submitter.is_stranger:
            return await self._greylist(admitted, submitter, sender)
        return admitted

    async def count_send(self, submitter: Submitter, recipients: Collection[Recipient]) -> None:
        """Check the send limits of the submitter's class, and count the message."""
        if submitter.login is None and not submitter.relays:
            return
        remote = any(not recipient.domain for recipient in recipients)
        send_class = submitter.send_class(remote=remote)
        if send_class is None:
            return
        try:
            answer = await self.sends.attempt_send(submitter.send_key, send_class, len(recipients))
        except Temporary as error:
            if self.policy.send_without_quota:
                return
            raise CommandRefused(replies.DEFERRED_BY_POLICY, "quota") from error
        if not answer.allowed:
            raise CommandRefused(_limit_reply(answer), "send_limit")

    async def own_addresses(self, submitter: Submitter) -> frozenset[str] | None:
        """Return the addresses that an authenticated submitter may use; None for other submitters."""
        if submitter.login is None:
            return None
        try:
            return await self.directory.senders(submitter.login.account)
        except Temporary as error:
            raise CommandRefused(replies.LOOKUP_FAILED, "router") from error

    def _is_checked(self, submitter: Submitter) -> bool:
        trusted = submitter.internal or submitter.may_relay
        return self.policy.refuse_local_senders and not trusted

    async def _admit(
        self,
        asked: RcptArguments,
        address: str,
        found: AddressResolution,
        submitter: Submitter,
        size_bytes: int,
        purpose: str,
    ) -> AcceptedRecipient:
        if found.status == "unknown" and not purpose:
            raise CommandRefused(_unknown_reply(found.reason), "unknown")
        if found.status == "not_ours" and not submitter.may_relay:
            raise CommandRefused(replies.RELAY_DENIED, "relay")
        limit = min(found.max_size_bytes or self.policy.max_message_bytes, self.policy.largest_message_bytes)
        if size_bytes > limit:
            raise CommandRefused(replies.MESSAGE_TOO_LARGE, "size")
        if found.account is not None and not purpose:
            await self._check_room(found.account, size_bytes)
        return AcceptedRecipient(
            address,
            Recipient(
                # The case of a remote local part is significant to its host (RFC 5321 2.4).
                address=address if found.domain else asked.path.address,
                original=asked.path.original,
                domain=found.domain,
                orcpt=asked.orcpt,
                notify=asked.notify,
                account=found.account or "",
                purpose=purpose,
            ),
            limit,
        )

    async def _purpose(self, address: str, found: AddressResolution, submitter: Submitter, sender: str) -> str:
        """Return `honeypot` for strangers, `training` for accounts that may train, otherwise an empty string.

        A training address is not the address of a mailbox.
        """
        if not found.domain:
            return ""
        purpose = await self.screening.purpose(address, found.domain)
        if purpose == "honeypot":
            return purpose if submitter.is_stranger else ""
        if purpose != "training" or submitter.login is None or found.status != "unknown":
            return ""
        account = submitter.login.account
        answer = await self.screening.screen(
            ScreeningRequest(submitter.address, sender, address, found.domain, account)
        )
        if answer.decision == "refuse":
            raise CommandRefused(replies.REFUSED_BY_POLICY.quoting(answer.note), "training")
        if answer.decision == "defer":
            raise CommandRefused(replies.LOOKUP_FAILED, "antispam")
        return purpose

    async def _greylist(self, admitted: AcceptedRecipient, submitter: Submitter, sender: str) -> AcceptedRecipient:
        """Greylist. This check comes last, so that a peer does not return only to be refused for ever."""
        recipient = admitted.recipient
        answer = await self.screening.screen(
            ScreeningRequest(submitter.address, sender.lower(), admitted.key, recipient.domain)
        )
        if answer.decision == "defer":
            raise CommandRefused(_greylist_reply(answer), "greylisted")
        if not answer.note:
            return admitted
        return replace(admitted, recipient=recipient.model_copy(update={"screened": answer.note}))

    async def _check_room(self, account: str, size_bytes: int) -> None:
        try:
            room = await self.quotas.room_bytes(account)
        except Temporary:
            return  # fails open: the store delays what does not fit
        if room is not None and room <= size_bytes:
            raise CommandRefused(OVER_QUOTA, "over_quota")


def _limit_reply(answer: SendDecision) -> Reply:
    """Return the reply to a sender above a limit, with the time of the next attempt if waiting helps."""
    if answer.retry_at is None:
        return _LIMIT.quoting(f"{_LIMIT.text}: {answer.reason}")
    return _LIMIT.because(f"{_LIMIT.text}, try again after {answer.retry_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")


def _greylist_reply(answer: ScreeningResult) -> Reply:
    if answer.retry_at is None:
        return _GREYLISTED
    return _GREYLISTED.because(f"Greylisted, try again after {answer.retry_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")


def _unknown_reply(reason: str) -> Reply:
    """Return the reply for an unknown recipient; a loop of aliases has its own status."""
    status, _, text = reason.partition(" ")
    if not _OTHER_FAILURE.fullmatch(status) or not text.isascii() or not text.isprintable():
        return replies.UNKNOWN_RECIPIENT
    return Reply(550, status, text)
