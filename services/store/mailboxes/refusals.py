"""Reasons for rejecting a request on a mailbox; the API maps each to a status."""

from __future__ import annotations


class Refusal(Exception):
    """`str()` is one plain sentence for the client."""


class NotFound(Refusal):
    """The mailbox, folder, message, part or quarantined message does not exist."""


class Conflict(Refusal):
    """The request conflicts with the present state: a name in use, a special folder, a full mailbox."""


class MailboxOverQuota(Conflict):
    """The mailbox would be over its quota."""

    def __init__(self) -> None:
        super().__init__("the mailbox is over its quota")


class InfectedMessage(Conflict):
    """The message is malware, and its release was not forced."""

    def __init__(self) -> None:
        super().__init__("an engine found malware in this message; add force=true to release it all the same")


class InvalidRequest(Refusal):
    """The request itself is invalid: a malformed name or flag."""


class PreconditionFailed(Refusal):
    """The resource has changed since the client read it (`If-Match`, RFC 9110 13.1.1)."""
