"""Quarantined messages: held mail that waits for a decision."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from libs.envelope import Envelope, Recipient, Verdict
from libs.mail.address import InvalidAddress, domain_of
from services.store.mailboxes.messages import Summary
from services.store.mailboxes.refusals import InfectedMessage, NotFound


@dataclass(frozen=True, slots=True)
class QuarantinedMessage:
    """A quarantined message. `envelope` names the recipients it is still held for, `body` the raw bytes."""

    id: str
    envelope: Envelope
    body: str
    summary: Summary
    at: datetime
    expires_at: datetime

    @property
    def infected(self) -> bool:
        return is_infected(self.envelope)


@dataclass(frozen=True, slots=True)
class QuarantineFilter:
    """Criteria of a search; empty criteria match anything. Texts match parts of fields, in any case.

    `account` is an account or address of a recipient; `since` and `until` apply to the time of quarantining.
    """

    domain: str = ""
    account: str = ""
    sender: str = ""
    subject: str = ""
    reason: str = ""
    infected: bool | None = None
    since: datetime | None = None
    until: datetime | None = None


def entry_id(envelope: Envelope) -> str:
    """Return the same id for the same message and recipients: antivirus and antispam may each hold some recipients."""
    recipients = "\n".join(sorted(recipient.address for recipient in envelope.recipients))
    return f"{envelope.id}-{sha256(recipients.encode()).hexdigest()[:12]}"


def is_infected(envelope: Envelope) -> bool:
    """Return whether an engine found malware: such mail leaves the quarantine only by force."""
    return any(finding.stage == "antivirus" and finding.outcome == "infected" for finding in envelope.findings)


def domains_of(envelope: Envelope) -> list[str]:
    """Return the domains whose administrators are responsible: local domains, else those of the addresses."""
    return sorted({recipient.domain or _domain(recipient.address) for recipient in envelope.recipients})


def accounts_of(recipients: Iterable[Recipient]) -> list[str]:
    """Return the local accounts of the recipients."""
    return sorted({recipient.account for recipient in recipients if recipient.account})


def split(
    held: QuarantinedMessage, addresses: Collection[str] | None, *, force: bool
) -> tuple[Envelope, Envelope | None]:
    """Return (envelope of those recipients, remaining envelope or None). None for `addresses` means all recipients.

    Raises `Conflict` for malware without `force`, `NotFound` when the message is held for none of the recipients.
    """
    if held.infected and not force:
        raise InfectedMessage
    chosen = tuple(r for r in held.envelope.recipients if addresses is None or r.address in addresses)
    if not chosen:
        raise NotFound("the message is held for none of these recipients")
    return held.envelope.to(chosen), without(held.envelope, [recipient.address for recipient in chosen])


def without(envelope: Envelope, addresses: Collection[str]) -> Envelope | None:
    """Return the envelope without these recipients; None when none remains."""
    staying = tuple(recipient for recipient in envelope.recipients if recipient.address not in addresses)
    return envelope.to(staying) if staying else None


def released(envelope: Envelope) -> Envelope:
    """Return the envelope as released: findings stay on record, verdicts have no effect any more."""
    verdicts = {domain: _pardoned(verdict) for domain, verdict in envelope.verdicts.items()}
    return envelope.model_copy(update={"released": True, "verdicts": verdicts, "quarantine_reason": "", "blob": None})


def _pardoned(verdict: Verdict) -> Verdict:
    return verdict.model_copy(update={"action": "none", "subject_prefix": ""})


def _domain(address: str) -> str:
    try:
        return domain_of(address)
    except InvalidAddress:
        return ""
