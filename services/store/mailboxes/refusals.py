"""Why a request on a mailbox cannot be granted; the API gives each its status."""

from __future__ import annotations


class Refusal(Exception):
    """`str()` is one plain sentence for whoever asked."""


class NotFound(Refusal):
    """No such mailbox, folder, message, part or quarantined mail."""


class Conflict(Refusal):
    """It does not fit what is there: a name in use, a special folder, a full mailbox."""


class InvalidRequest(Refusal):
    """The request itself is wrong: a name or a flag that cannot be."""


class PreconditionFailed(Refusal):
    """What the caller saw has changed since (`If-Match`)."""
