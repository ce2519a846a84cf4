"""The refusal of a command."""

from __future__ import annotations

from libs.mail.replies import Reply


class CommandRefused(Exception):
    """A command is refused: `reply` is the answer, `reason` one word for the metrics."""

    def __init__(self, reply: Reply, reason: str = "syntax") -> None:
        super().__init__(str(reply))
        self.reply = reply
        self.reason = reason
