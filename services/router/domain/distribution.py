"""Splits an envelope into at most three: local mailboxes, remote addresses, and junk that must not leave."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from libs.envelope import Envelope, Recipient
from libs.postmaster import NotifyEvent, notify_without_success, requests_notification
from services.router.domain.resolution import Resolution, ResolvedDelivery

JUNK_STAYS = "junk is not forwarded to other servers"


@dataclass(frozen=True, slots=True)
class Distribution:
    """Recipients by where they go next. Those in `elsewhere` with a `failure` are for a notification, not for a peer.

    `failure` is an RFC 3463 status, a space and one sentence.
    """

    mailboxes: tuple[Recipient, ...]
    elsewhere: tuple[Recipient, ...]
    withheld: tuple[Recipient, ...]


def distribute(envelope: Envelope, resolutions: Iterable[Resolution]) -> Distribution:
    """Return each mailbox and each remote address once for the whole message, over all its recipients.

    `resolutions` belong to `envelope.recipients`, in order.
    """
    mailboxes: dict[str, Recipient] = {}
    elsewhere: dict[str, Recipient] = {}
    withheld: list[Recipient] = []
    for recipient, resolution in zip(envelope.recipients, resolutions, strict=True):
        recipient = _with_domain(recipient, resolution)
        junk = _is_junk(envelope, recipient)
        if not resolution.deliveries:
            elsewhere.setdefault(recipient.address, _failed(recipient, resolution.failure))
        elif junk and all(delivery.kind == "remote" for delivery in resolution.deliveries):
            withheld.append(recipient)
        else:
            heard_of = _wishes(recipient, resolution)
            for delivery in resolution.deliveries:
                match delivery.kind:
                    case "local":
                        _keep_better(mailboxes, _to(heard_of(delivery), delivery))
                    case "remote" if not junk:
                        _keep_better(elsewhere, _to(heard_of(delivery), delivery))
                    case _:
                        pass  # junk stays in local mailboxes; a local copy exists, so nothing is lost
    return Distribution(tuple(mailboxes.values()), tuple(elsewhere.values()), tuple(withheld))


def _wishes(recipient: Recipient, resolution: Resolution) -> Callable[[ResolvedDelivery], Recipient]:
    """The recipient with what its sender is to hear of each delivery (RFC 3461 5.2.7).

    Where the address leads to several, one speaks for it, so that a success tells nothing of the members of a list.
    That is its own mailbox where it has one, and then the success is a delivery; else it is an expansion.
    """
    if len(resolution.deliveries) == 1 or not requests_notification(recipient, NotifyEvent.SUCCESS):
        return lambda delivery: recipient
    own = resolution.first.address
    speaker = max(resolution.deliveries, key=lambda delivery: (delivery.address == own, delivery.kind == "local"))
    heard = recipient.model_copy(update={"expanded": speaker.address != own})
    silent = recipient.model_copy(update={"notify": notify_without_success(recipient.notify)})
    return lambda delivery: heard if delivery is speaker else silent


def _with_domain(recipient: Recipient, resolution: Resolution) -> Recipient:
    """Ingress fills the domain from our own answer at RCPT; a message that came in another way has none yet."""
    first = resolution.first
    _, at, domain = first.address.rpartition("@")
    if recipient.domain or first.kind == "remote" or not at:
        return recipient
    return recipient.model_copy(update={"domain": domain})


def _is_junk(envelope: Envelope, recipient: Recipient) -> bool:
    """A message that was released from the quarantine is no junk."""
    verdict = envelope.verdicts.get(recipient.domain)
    return verdict is not None and verdict.action == "junk" and not envelope.released


def _to(recipient: Recipient, delivery: ResolvedDelivery) -> Recipient:
    """A copy that leaves keeps the domain that it came through, whose verdict it carries."""
    if recipient.address == delivery.address and recipient.original:
        return recipient
    original = recipient.original or recipient.address
    return recipient.model_copy(update={"address": delivery.address, "original": original})


def _failed(recipient: Recipient, failure: str) -> Recipient:
    return recipient.model_copy(update={"original": recipient.original or recipient.address, "failure": failure})


def _keep_better(chosen: dict[str, Recipient], recipient: Recipient) -> None:
    """Of two recipients that lead to one address, the more direct: the policy of its own domain is the one to apply."""
    before = chosen.get(recipient.address)
    if before is None or before.failure or _directness(recipient) > _directness(before):
        chosen[recipient.address] = recipient


def _directness(recipient: Recipient) -> tuple[bool, bool]:
    own_domain = recipient.address.rpartition("@")[2] == recipient.domain
    return own_domain, recipient.original.lower() == recipient.address
