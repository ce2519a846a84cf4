"""The images of a message: their text, and a fingerprint that survives small changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.antispam.message.mail_view import MailView


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """`fingerprint`: 64 bits, None for an image that is too small or too plain to be told from others."""

    fingerprint: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """How many images of a message are read, and how large each may be."""

    images: int
    octets: int


def images_of(mail: MailView, limits: ImageLimits) -> Sequence[bytes]:
    """Decode the first image parts; those over the size limit are left out.

    The declared type counts: mail programs do not display an image under another type either.
    """
    found: list[bytes] = []
    for part in mail.leaves:
        if len(found) == limits.images:
            break
        if part.content_type.startswith("image/") and len(part.raw) <= 2 * limits.octets:  # base64 takes 4/3
            octets = part.body()
            if 0 < len(octets) <= limits.octets:
                found.append(octets)
    return found


def has_images(mail: MailView) -> bool:
    return any(part.content_type.startswith("image/") for part in mail.leaves)


def nearest(fingerprint: int, known: Iterable[int], *, within: int) -> int | None:
    """Find the known fingerprint that differs in the fewest bits, at most `within`; None if there is none."""
    best, least = None, within + 1
    for candidate in known:
        if (distance := (fingerprint ^ candidate).bit_count()) < least:
            best, least = candidate, distance
    return best
