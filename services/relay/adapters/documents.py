"""Entries as MongoDB holds them.

`deliveries` {_id: MESSAGE:RECIPIENT, message, to: the recipient as JSON, destination, bulk, state, attempts,
created_at, next_at, last_reply, notified_delay?, lease? {holder, fence}, taken?, report?, parked?, expires_at?}.
`taken` is the reply of a server that accepted the message, as a late holder reported it. `report` is pending. An entry
has `expires_at` when it is finished and reported, and not before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from libs.envelope import Envelope, Recipient
from libs.mail.address import InvalidAddress, domain_of, normalise, normalise_domain
from services.relay.domain.entries import Entry, State
from services.relay.domain.reporting import DeliveryReport, ReportEvent, ReportTarget

BULK = 100  # recipients: a message with more of them yields to others for the same destination
NOWHERE = "invalid"  # RFC 2606 2: a reserved name; the destination of invalid addresses

Document = dict[str, Any]


def new_entries(envelope: Envelope, now: datetime) -> Iterator[tuple[str, Document]]:
    """Yield the id and the fields of an entry for each recipient: there may be tens of thousands."""
    bulk = int(len(envelope.recipients) > BULK)
    for recipient in envelope.recipients:
        yield f"{envelope.id}:{recipient.address}", new_entry(envelope.id, recipient, now, bulk=bulk)


def new_entry(message: str, recipient: Recipient, now: datetime, *, bulk: int = 0) -> Document:
    """The fields of an entry. An invalid address gets an entry that fails and is reported, beside valid ones."""
    destination, recipient = _destination(recipient)
    return {
        "message": message,
        "to": recipient.model_dump_json(exclude_defaults=True),
        "destination": destination,
        "bulk": bulk,
        "state": State.QUEUED,
        "attempts": 0,
        "created_at": now,
        "next_at": now,
    }


def destinations_of(envelope: Envelope) -> set[str]:
    return {_destination(recipient)[0] for recipient in envelope.recipients}


def entry_of(document: Document) -> Entry:
    return Entry(
        id=document["_id"],
        message=document["message"],
        to=Recipient.model_validate_json(document["to"]),
        destination=document["destination"],
        state=State(document["state"]),
        attempts=document["attempts"],
        created_at=document["created_at"],
        next_at=document["next_at"],
        notified_delay=document.get("notified_delay", False),
        last_reply=document.get("last_reply", ""),
        fence=document.get("lease", {}).get("fence", ""),
    )


def report_fields(report: DeliveryReport, due_at: datetime) -> Document:
    return {
        "event": report.event,
        "way": report.target,
        "status": report.status,
        "text": report.text,
        "server": report.server,
        "attempts": report.attempts,
        "created_at": report.created_at,
        "due_at": due_at,
    }


def report_of(fields: Document) -> DeliveryReport:
    return DeliveryReport(
        event=ReportEvent(fields["event"]),
        target=ReportTarget(fields["way"]),
        status=fields["status"],
        text=fields["text"],
        server=fields["server"],
        attempts=fields["attempts"],
        created_at=fields["created_at"],
        group=fields.get("group", ""),
    )


def without_recipients(envelope: Envelope) -> str:
    """The envelope as it is stored: each entry has its own recipient."""
    return envelope.to(()).model_dump_json()


def ids(entries: Iterable[Entry]) -> list[str]:
    return [entry.id for entry in entries]


def _destination(recipient: Recipient) -> tuple[str, Recipient]:
    try:
        normalise(recipient.address)
        return normalise_domain(domain_of(recipient.address)), recipient
    except InvalidAddress as error:
        why = recipient.failure or f"5.1.3 {error}"
        return NOWHERE, recipient.model_copy(update={"failure": why})
