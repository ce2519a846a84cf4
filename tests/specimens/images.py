"""Images as spam has them, drawn for the tests."""

from __future__ import annotations

from base64 import encodebytes
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from services.antispam.images.model import ImageFacts
from services.antispam.message.mail_view import MailView
from tests.specimens.antispam import multipart

LINES = ("Buy cheap watches now", "Limited offer, only today!", "Visit watches.example")


def drawn(*lines: str, size: tuple[int, int] = (500, 200), mode: str = "RGB", speckled: bool = False) -> Image.Image:
    """Black text on white, over a dark bar on the left that gives it a shape of its own."""
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, size[0] // 20, size[1]), fill="navy")
    for number, line in enumerate(lines):
        draw.text((size[0] // 8, 15 + number * 55), line, fill="black", font=ImageFont.load_default(size=30))
    if speckled:
        for x in range(0, size[0], 13):
            image.putpixel((x, (x * 7) % size[1]), (200, 30, 30))
    return image.convert(mode)


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    octets = BytesIO()
    image.save(octets, form, **options)
    return octets.getvalue()


def a_message_with(*images: bytes, **headers: str) -> bytes:
    """A text and the images."""
    parts = ["Content-Type: text/plain\r\n\r\nsee below"]
    for octets in images:
        text = encodebytes(octets).decode().replace("\n", "\r\n")
        parts.append(f"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n{text}")
    return multipart(*parts, subtype="mixed", **headers)


@dataclass
class Reader:
    """Has read the images already."""

    found: Sequence[ImageFacts]
    reads_text: bool = True
    distance: int = 6
    asked: list[int] = field(default_factory=list)

    async def read_images(self, mail: MailView) -> Sequence[ImageFacts]:
        self.asked.append(len(mail.raw))
        return self.found
