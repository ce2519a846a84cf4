"""What an external engine (SpamAssassin, Rspamd) says of a message, on our scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit

# Twice its threshold is as sure as an engine is; what it holds for ham it says with less weight, for few rules do.
_AT_MOST = 2.0
_AT_LEAST = -0.5
_SYMBOLS = 12  # in the reason


@dataclass(frozen=True, slots=True)
class EngineResult:
    """`score` against `required`, from which on the engine itself calls it spam; the rules that matched."""

    score: float
    required: float
    symbols: Sequence[str] = ()


class ExternalEngine(Protocol):
    """One that was configured."""

    @property
    def limit_bytes(self) -> int:
        """It is not asked about larger messages: spam is small, and reading them takes it seconds."""

    async def scan(self, mail: MailView) -> EngineResult:
        """Raises `Temporary` for every answer that is not a clear one."""


Engines = Mapping[str, ExternalEngine]  # by the name of their filter


def accepts(engines: Engines, name: str, mail: MailView) -> bool:
    """It was configured, and takes a message of this size."""
    engine = engines.get(name)
    return engine is not None and mail.envelope.size_bytes <= engine.limit_bytes


async def engine_report(engines: Engines, name: str, mail: MailView) -> Report:
    """A miss where it is not asked, or has nothing to say."""
    if not accepts(engines, name, mail):
        return MISS
    result = await engines[name].scan(mail)
    strength = max(_AT_LEAST, min(result.score / result.required, _AT_MOST))
    if not strength:
        return MISS
    return hit(f"{result.score:g} of {result.required:g}: {', '.join(result.symbols[:_SYMBOLS])}", strength)
