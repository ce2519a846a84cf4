"""Another mail server on loopback: takes everything, keeps what it got, and can be told to refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from tests.servers.ports import free_port


@dataclass(frozen=True, slots=True)
class Taken:
    """One message as it came over the wire."""

    mail_from: str
    recipients: tuple[str, ...]
    content: bytes


@dataclass
class Sink:
    """`refuse` may answer for a recipient: None takes it, a reply line refuses it."""

    taken: list[Taken] = field(default_factory=list)
    refuse: Callable[[str], str | None] = lambda recipient: None
    port: int = 0
    _controller: Controller | None = None

    def start(self, port: int = 0) -> None:
        self.port = port or free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, enable_SMTPUTF8=True)
        self._controller.start()

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop()

    def to(self, recipient: str) -> list[Taken]:
        """What came for `recipient`."""
        return [taken for taken in self.taken if recipient in taken.recipients]

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if answer := self.refuse(address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        self.taken.append(Taken(envelope.mail_from, tuple(envelope.rcpt_tos), envelope.content))
        return "250 2.0.0 Ok"
