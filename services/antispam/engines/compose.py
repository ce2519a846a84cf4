"""Composition of the engines slice: the clients of SpamAssassin and Rspamd, where these are configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.antispam.engines.circuit_breaker import CircuitBreaker
from services.antispam.engines.engine_address import SpamdAddress
from services.antispam.engines.rspamd import Rspamd
from services.antispam.engines.spamd import Spamd
from services.antispam.settings import Settings


@dataclass(frozen=True, slots=True)
class EnginesSlice:
    """The configured engines, by the name of their filter.

    They fail open: an engine that is dead, late or confused is a finding with an error, and the rest of the chain
    decides. No mail waits for it longer than its deadline.
    """

    engines: Mapping[str, CircuitBreaker]

    async def close(self) -> None:
        """Close the connections to the engines."""
        for engine in self.engines.values():
            await engine.close()


def open_engines(settings: Settings) -> EnginesSlice:
    """Nothing is connected before the first message."""
    engines: dict[str, CircuitBreaker] = {}
    if settings.spamd:
        spamd = Spamd(
            SpamdAddress.parse(settings.spamd),
            hostname=settings.hostname,
            connections=settings.engine_connections,
            limit_bytes=settings.engine_limit_bytes,
            deadline=settings.engine_deadline,
        )
        engines["spamassassin"] = CircuitBreaker(spamd, cooldown=settings.engine_cooldown)
    if settings.rspamd:
        rspamd = Rspamd(
            settings.rspamd,
            hostname=settings.hostname,
            required=settings.rspamd_required_score,
            connections=settings.engine_connections,
            limit_bytes=settings.engine_limit_bytes,
            deadline=settings.engine_deadline,
        )
        engines["rspamd"] = CircuitBreaker(rspamd, cooldown=settings.engine_cooldown)
    return EnginesSlice(engines)
