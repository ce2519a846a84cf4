"""Draws the image of a captcha: a few distorted characters."""

from __future__ import annotations

import math
import random
from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT, CELL = 300, 90, 46
INK, PAPER = 40, 255


def picture(text: str, seed: bytes) -> bytes:
    """Draw `text` as a greyscale PNG; the same `seed` draws the same image. It takes milliseconds: call it off the
    loop.
    """
    chance = random.Random(seed)
    sheet = Image.new("L", (WIDTH, HEIGHT), PAPER)
    for position, character in enumerate(text):
        glyph = _turned(character, chance)
        place = (8 + position * CELL + chance.randint(-4, 4), chance.randint(4, HEIGHT - 70))
        sheet.paste(INK + chance.randint(0, 50), place, glyph)
    sheet = _waved(sheet, chance)
    _scratched(sheet, chance)
    stream = BytesIO()
    sheet.save(stream, "PNG")
    return stream.getvalue()


def _turned(character: str, chance: random.Random) -> Image.Image:
    """Draw a mask of one character in a random size and angle."""
    mask = Image.new("L", (64, 72), 0)
    ImageDraw.Draw(mask).text((32, 36), character, fill=255, font=_font(chance.randint(40, 54)), anchor="mm")
    return mask.rotate(chance.uniform(-28, 28), resample=Image.Resampling.BICUBIC)


def _waved(sheet: Image.Image, chance: random.Random) -> Image.Image:
    """Shift the columns along a sine, so that a segmentation by rows finds no characters."""
    height, length, phase = chance.uniform(3, 6), chance.uniform(50, 90), chance.uniform(0, 6)
    waved = Image.new("L", sheet.size, PAPER)
    for left in range(WIDTH):
        shift = round(height * math.sin(left / length * 2 * math.pi + phase))
        waved.paste(sheet.crop((left, 0, left + 1, HEIGHT)), (left, shift))
    return waved


def _scratched(sheet: Image.Image, chance: random.Random) -> None:
    """Draw lines through the characters in their colour, and noise."""
    draw = ImageDraw.Draw(sheet)
    for _ in range(4):
        start, end = (0, chance.randint(10, HEIGHT - 10)), (WIDTH, chance.randint(10, HEIGHT - 10))
        draw.line((start, end), fill=INK + chance.randint(20, 70), width=2)
    for _ in range(500):
        at = (chance.randrange(WIDTH), chance.randrange(HEIGHT))
        draw.point(at, fill=chance.randint(60, 200))


@lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Load the font that Pillow includes."""
    return ImageFont.load_default(size)
