"""Builds the copies for mailboxes from a mail of the queue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from libs.envelope import Envelope, Permanent, Recipient, Verdict
from libs.mail.address import InvalidAddress, canonical
from libs.mail.headers import Headers
from libs.mail.render import DeliveryHeaders, Edit, edits, growth
from services.store.mailboxes.folders import INBOX, JUNK
from services.store.mailboxes.messages import Body, Copy, MailboxDelivery, Summary, summarise


def recipients_by_mailbox(envelope: Envelope) -> dict[str, Recipient]:
    """Return the recipient of each mailbox, the first one where two share a mailbox. Raises `Permanent`."""
    found: dict[str, Recipient] = {}
    for recipient in envelope.recipients:
        found.setdefault(mailbox_address(recipient.address), recipient)
    return found


@lru_cache(maxsize=65536)
def mailbox_address(address: str) -> str:
    """Return the key of a mailbox. Raises `Permanent` for an invalid address."""
    try:
        return canonical(address)
    except InvalidAddress as error:
        raise Permanent(f"a recipient is no address: {error}") from error


def build_delivery(
    envelope: Envelope, body: Body, *, limits: Mapping[str, int | None], hostname: str
) -> MailboxDelivery:
    """Copies for the mailboxes in `limits`; the verdict of each recipient's domain picks folder and subject tag."""
    blocks = DeliveryHeaders(envelope, hostname=hostname)
    readings = _RenderedHeaders(body.raw, hostname)
    wanted = recipients_by_mailbox(envelope)
    return MailboxDelivery(body, tuple(_copies(envelope, wanted, limits, blocks, readings)))


def _copies(
    envelope: Envelope,
    wanted: Mapping[str, Recipient],
    limits: Mapping[str, int | None],
    blocks: DeliveryHeaders,
    readings: _RenderedHeaders,
) -> Iterator[Copy]:
    for mailbox, recipient in wanted.items():
        folder, tag = placement(envelope.verdicts.get(recipient.domain), released=envelope.released)
        summary, changes = readings.under(tag)
        prefix = blocks.of(recipient)
        size = len(readings.raw) + growth(prefix, changes)
        limit = limits[mailbox]
        yield Copy(
            mailbox=mailbox,
            folder=folder,
            key=envelope.id,
            summary=summary,
            prefix=prefix,
            edits=changes,
            size=size,
            received_at=envelope.received_at,
            # Ingress answers 452 at the limit. Mail accepted below the limit is stored even if it goes over it,
            # or it would wait for days.
            limit=None if limit is None else limit + size - 1,
            accepted_at=envelope.received_at,
        )


def placement(verdict: Verdict | None, *, released: bool) -> tuple[str, str]:
    """Return (folder id, subject tag) by the action of the verdict. Mail released from the quarantine is neither junk
    nor tagged.
    """
    if verdict is None or released:
        return INBOX, ""
    match verdict.action:
        case "junk":
            return JUNK, ""
        case "tag":
            return INBOX, verdict.subject_prefix
        case _:
            # Quarantined mail does not come here unless it was released.
            return INBOX, ""


class _RenderedHeaders:
    """Caches the summary and the edits of one raw message by subject tag."""

    def __init__(self, raw: bytes, hostname: str) -> None:
        self.raw = raw
        self._hostname = hostname
        self._headers = Headers(raw)
        self._known: dict[str, tuple[Summary, tuple[Edit, ...]]] = {}

    def under(self, tag: str) -> tuple[Summary, tuple[Edit, ...]]:
        if tag not in self._known:
            changes = edits(self._headers, subject_prefix=tag, hostname=self._hostname)
            self._known[tag] = summarise(self._headers, tag=tag), changes
        return self._known[tag]
