"""The two errors that cross a boundary. Anything else is a bug and goes up."""

from __future__ import annotations

from collections.abc import Collection

from libs.envelope.model import ACTIONS, Envelope


class Temporary(Exception):
    """Again later: an engine, a database or a peer did not answer.

    `reason` is for the log and the operator. `narrowed`, when given, replaces the envelope on the next try, so that
    the recipients that are done are not done again.
    """

    def __init__(self, reason: str, *, narrowed: Envelope | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.narrowed = narrowed


class Permanent(Exception):
    """Never again: no further try can succeed. The message goes to the dead letters with `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def understood(value: str, known: Collection[str], what: str) -> str:
    """`value`, if it is one of the `known`. Raises `Temporary` otherwise.

    During a rolling update a newer version writes values that this one does not know. To guess would be to deliver the
    message wrongly, and no message is given up for it: it waits on the retry ladder until the update is through.
    """
    if value not in known:
        raise Temporary(f"{what} {value[:100]!r} is not known to this version; it waits for a newer one")
    return value


def check_actions(envelope: Envelope) -> None:
    """Check the verdicts before a stage acts on them. Raises `Temporary` for actions of a newer version."""
    if not envelope.released:
        for verdict in envelope.verdicts.values():
            understood(verdict.action, ACTIONS, "action")
