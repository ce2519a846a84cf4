"""Composition of the images slice: the processes that read images, and the fingerprints known from spam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services.antispam.images.model import ImageLimits
from services.antispam.images.mongo import MongoKnownImages
from services.antispam.images.worker_pool import ImageWorkerPool, worker_command
from services.antispam.settings import Settings


@dataclass(frozen=True, slots=True)
class ImagesSlice:
    """`pool` reads the images of messages, `known_images` are those that administrators entered.

    The pool fails open: a process that is dead, late or confused is a finding with an error, and the rest of the chain
    decides. No mail waits for it longer than its deadline.
    """

    pool: ImageWorkerPool
    known_images: MongoKnownImages

    async def close(self) -> None:
        """End the processes."""
        await self.pool.close()


async def open_images(settings: Settings, database: Any) -> ImagesSlice:
    """No process starts before a message needs it. Raises `Temporary` when MongoDB does not answer."""
    known_images = MongoKnownImages(database)
    await known_images.prepare()
    command = worker_command(
        data=settings.ocr_data_directory, languages=settings.ocr_languages, pixels=settings.image_limit_pixels
    )
    pool = ImageWorkerPool(
        command,
        reads_text=bool(settings.ocr_data_directory),
        distance=settings.image_match_bits,
        workers=settings.image_workers,
        deadline=settings.image_deadline,
        limits=ImageLimits(images=settings.images_per_message, octets=settings.image_limit_bytes),
        capacity=settings.image_cache_capacity,
    )
    return ImagesSlice(pool, known_images)
