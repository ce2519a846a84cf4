"""What antispam asks outside its process besides DNS: external engines, and the processes that look at images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.antispam.engines.circuit_breaker import CircuitBreaker
from services.antispam.engines.engine_address import EngineAddress
from services.antispam.engines.rspamd import Rspamd
from services.antispam.engines.spamd import Spamd
from services.antispam.images.model import ImageLimits
from services.antispam.images.worker_pool import ImageWorkerPool, worker_command
from services.antispam.settings import Settings


@dataclass(frozen=True, slots=True)
class Outside:
    """Both fail open: an engine or an image process that is dead, late or confused is a finding with an error, and the
    rest of the chain decides. No mail waits for them longer than their deadlines.
    """

    engines: Mapping[str, CircuitBreaker]
    images: ImageWorkerPool

    @classmethod
    def of(cls, settings: Settings) -> Outside:
        """Nothing is connected and no process started before a message needs it."""
        return cls(_engines(settings), _images(settings))

    async def close(self) -> None:
        """No process and no connection stays."""
        await self.images.close()
        for engine in self.engines.values():
            await engine.close()


def _engines(settings: Settings) -> dict[str, CircuitBreaker]:
    found: dict[str, CircuitBreaker] = {}
    if settings.spamd:
        spamd = Spamd(
            EngineAddress.parse(settings.spamd),
            hostname=settings.hostname,
            connections=settings.engine_connections,
            limit_bytes=settings.engine_limit_bytes,
            deadline=settings.engine_deadline,
        )
        found["spamassassin"] = CircuitBreaker(spamd, cooldown=settings.engine_cooldown)
    if settings.rspamd:
        rspamd = Rspamd(
            settings.rspamd,
            hostname=settings.hostname,
            required=settings.rspamd_required_score,
            connections=settings.engine_connections,
            limit_bytes=settings.engine_limit_bytes,
            deadline=settings.engine_deadline,
        )
        found["rspamd"] = CircuitBreaker(rspamd, cooldown=settings.engine_cooldown)
    return found


def _images(settings: Settings) -> ImageWorkerPool:
    command = worker_command(
        data=settings.ocr_data_directory, languages=settings.ocr_languages, pixels=settings.image_limit_pixels
    )
    return ImageWorkerPool(
        command,
        reads_text=bool(settings.ocr_data_directory),
        distance=settings.image_match_bits,
        workers=settings.image_workers,
        deadline=settings.image_deadline,
        limits=ImageLimits(images=settings.images_per_message, octets=settings.image_limit_bytes),
        capacity=settings.image_cache_capacity,
    )
