"""Detects an image that is known from spam, even when it was scaled, recoloured or speckled since.

No image is read where none is known for the domain.
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.images.model import has_images, nearest
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: FilterContext) -> Report:
    reader = context.environment.images
    known = {image for book in context.books for image in book.images}
    if reader is None or not known or not has_images(mail):
        return MISS
    for facts in await reader.read_images(mail):
        if facts.fingerprint is not None:
            found = nearest(facts.fingerprint, known, within=reader.distance)
            if found is not None:
                return hit(f"like the known image {found:016x}")
    return MISS
