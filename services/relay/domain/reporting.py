"""Who is told of a failure or a delay, and what: the authenticated sender, or nobody (no backscatter)."""

from __future__ import annotations

from libs.envelope import Envelope, Recipient
from libs.mail.dsn import Action, FailedRecipient
from services.relay.domain.replies import Result

_ACTIONS = {"failed": Action.FAILED, "delayed": Action.DELAYED}


def told(envelope: Envelope, recipient: Recipient, event: str) -> str | None:
    """The address that hears of `event` (`failed`, `delayed`), None when nobody does.

    Only mail that one of ours handed in is reported, for any other sender may be forged; never to the null sender
    (RFC 5321 4.5.5). RFC 3461 4.1: NOTIFY=NEVER, or a list without the event, silences it.
    """
    if not envelope.mail_from or (envelope.peer.account is None and envelope.listener != "http"):
        return None
    wanted = {word.upper() for word in recipient.notify} or {"FAILURE", "DELAY"}
    return envelope.mail_from if {"failed": "FAILURE", "delayed": "DELAY"}[event] in wanted else None


def reported(recipient: Recipient, result: Result, event: str) -> FailedRecipient:
    """What a notification says of `recipient`."""
    return FailedRecipient(
        address=recipient.address,
        original=recipient.orcpt,
        action=_ACTIONS[event],
        status=result.status,
        diagnostic=result.text,
        remote_mta=result.server,
    )
