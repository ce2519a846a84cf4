"""Reconstructs the envelope of a message that the API checks, from the request and from its own trace fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from libs.envelope import Envelope, Mail, Peer, Recipient, new_id
from libs.network import Ip
from services.antispam.message.traces import Hop, Trace, read_trace


@dataclass(frozen=True, slots=True)
class GivenEnvelope:
    """What the request says of the envelope; None where it says nothing. An empty sender is the null sender."""

    sender: str | None = None
    recipients: tuple[str, ...] = ()
    peer: str | None = None
    helo: str | None = None


def reconstruct_mail(
    raw: bytes, given: GivenEnvelope, *, is_trusted: Callable[[Ip], bool], domain: str, now: datetime
) -> tuple[Mail, frozenset[str]]:
    """Return the message as it came, and the parts of its envelope that neither `given` nor its trace fields say."""
    trace = read_trace(raw, is_trusted)
    # Address and HELO name belong to one hop: a given one is not combined with one from a field.
    hop = trace.hop if given.peer is None and given.helo is None else _hop(given)
    sender = trace.sender if given.sender is None else given.sender
    recipients = _recipients(given, trace, domain)
    helo = hop.helo if hop else None
    unknown = {"sender": sender is None, "recipients": not recipients, "helo": helo is None}
    envelope = Envelope(
        id=new_id(now),
        received_at=min(hop.at, now) if hop and hop.at else now,
        peer=Peer(address=hop.peer if hop else "", helo=helo or ""),
        listener="submission" if hop and hop.is_submission else "mx",
        mail_from=sender or "",
        recipients=recipients,
        size_bytes=len(trace.raw),
        sha256=sha256(trace.raw).hexdigest(),
        verdicts={},
    )
    return Mail(envelope, trace.raw), frozenset(name for name, is_unknown in unknown.items() if is_unknown)


def _hop(given: GivenEnvelope) -> Hop:
    return Hop(given.peer or "", given.helo, is_submission=False, at=None)


def _recipients(given: GivenEnvelope, trace: Trace, domain: str) -> tuple[Recipient, ...]:
    if given.recipients:
        return tuple(Recipient(address=address, domain=domain) for address in given.recipients)
    address = trace.recipient or trace.original_recipient
    return (Recipient(address=address, domain=domain, original=trace.original_recipient or ""),) if address else ()
