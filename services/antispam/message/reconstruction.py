"""A message that somebody asks about: what is told of its envelope, what it tells itself, what nobody knows."""

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
    """What whoever asks says of the envelope; None where he says nothing. An empty sender is the null sender."""

    sender: str | None = None
    recipients: tuple[str, ...] = ()
    peer: str | None = None
    helo: str | None = None


def reconstruct_mail(
    raw: bytes, told: GivenEnvelope, *, is_trusted: Callable[[Ip], bool], domain: str, now: datetime
) -> tuple[Mail, frozenset[str]]:
    """The message as it came, and the parts of its envelope that neither `told` nor its trace fields tell."""
    trace = read_trace(raw, is_trusted)
    # Address and name are those of one hop: what is told of one does not go with what a field says of the other.
    hop = trace.hop if told.peer is None and told.helo is None else _hop(told)
    sender = trace.sender if told.sender is None else told.sender
    recipients = _recipients(told, trace, domain)
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


def _hop(told: GivenEnvelope) -> Hop:
    return Hop(told.peer or "", told.helo, is_submission=False, at=None)


def _recipients(told: GivenEnvelope, trace: Trace, domain: str) -> tuple[Recipient, ...]:
    if told.recipients:
        return tuple(Recipient(address=address, domain=domain) for address in told.recipients)
    address = trace.recipient or trace.original_recipient
    return (Recipient(address=address, domain=domain, original=trace.original_recipient or ""),) if address else ()
