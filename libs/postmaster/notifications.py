"""Sends delivery status notifications (RFC 3464) and notices to owners of forwards, each once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256

from libs.envelope import Envelope
from libs.mail.dsn import DsnAction, FailedRecipient, delivery_status, may_return, notice
from libs.mail.headers import Headers
from libs.neighbours import IngressClient


class Notifications:
    """`author` is the From address of notifications, `hostname` the reporting server.

    A failed message of up to `return_limit_bytes` is returned whole where the sender asked for that.
    """

    def __init__(
        self,
        post: IngressClient,
        *,
        hostname: str,
        author: str,
        clock: Callable[[], datetime],
        return_limit_bytes: int = 1024 * 1024,
    ) -> None:
        self._post = post
        self._hostname = hostname
        self._author = author
        self._clock = clock
        self._return_limit_bytes = return_limit_bytes

    async def report(
        self, envelope: Envelope, raw: bytes, recipients: Sequence[FailedRecipient], *, event: str
    ) -> None:
        """Send a DSN to the envelope sender. `event` is part of the key.

        Raises `Temporary`, or `Permanent` when ingress refuses it.
        """
        key = _key(f"dsn:{event}", envelope, recipients)
        # RFC 3461 6.2: a delay or a success returns the header only, whatever RET says.
        has_failed = any(recipient.action is DsnAction.FAILED for recipient in recipients)
        is_whole = has_failed and may_return(raw, ret=envelope.ret, limit_bytes=self._return_limit_bytes)
        notification = delivery_status(
            to=envelope.mail_from,
            author=self._author,
            recipients=recipients,
            reporting_mta=self._hostname,
            original_headers=Headers(raw).raw,
            now=self._clock(),
            message_id=self._message_id(key),
            envelope_id=envelope.envid,
            arrived=envelope.received_at,
            returned=raw if is_whole else b"",
        )
        await self._post.send(notification, to=envelope.mail_from, key=key)

    async def notify_owner(self, envelope: Envelope, owner: str, recipients: Sequence[FailedRecipient]) -> None:
        """Notify the owner of a local forward. Raises `Temporary`, or `Permanent` when ingress refuses it."""
        key = _key(f"forward:{owner}", envelope, recipients)
        refusals = "\n".join(f"{recipient.address}: {recipient.diagnostic}" for recipient in recipients)
        text = (
            f"A message from {envelope.mail_from} was forwarded for you, and the other server did not take it:\n\n"
            f"{refusals}\n\nIt will not be tried again, and its sender was not told. Please check where your mail is"
            " forwarded to.\n"
        )
        letter = notice(
            to=owner,
            author=self._author,
            subject="A forwarded message was not taken",
            text=text,
            now=self._clock(),
            message_id=self._message_id(key),
        )
        await self._post.send(letter, to=owner, key=key)

    def _message_id(self, key: str) -> str:
        return f"<{sha256(key.encode('utf-8', 'replace')).hexdigest()[:32]}@{self._hostname}>"


def _key(kind: str, envelope: Envelope, recipients: Sequence[FailedRecipient]) -> str:
    """Return an ASCII key, as a header needs it: addresses may be in any script."""
    addresses = " ".join(sorted(recipient.address for recipient in recipients))
    what = sha256(f"{kind} {addresses}".encode("utf-8", "replace")).hexdigest()[:32]
    return f"{kind.partition(':')[0]}:{envelope.id}:{what}"
