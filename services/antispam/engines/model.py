"""External engines: SpamAssassin and Rspamd as the filters see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.antispam.message.mail_view import MailView


@dataclass(frozen=True, slots=True)
class EngineResult:
    """`score` against `required`, from which on the engine itself calls it spam; the rules that matched."""

    score: float
    required: float
    symbols: Sequence[str] = ()


class ExternalEngine(Protocol):
    """An engine that is configured."""

    @property
    def limit_bytes(self) -> int:
        """Larger messages are not scanned: spam is small, and reading them takes the engine seconds."""

    async def scan(self, mail: MailView) -> EngineResult:
        """Raises `Temporary` for every answer that is not a clear one."""


Engines = Mapping[str, ExternalEngine]  # by the name of their filter
