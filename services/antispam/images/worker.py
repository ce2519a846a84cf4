"""The process that reads images of strangers: `python -m` this module, with DATA, LANGUAGES and PIXELS.

A process of its own, since decoders and OCR are C code that a crafted image may crash, hang or fill with memory: it
can be killed. Standard input: 4 octets of length, then an image, again and again; standard output: 4 octets of length,
then {"fingerprint": ..., "text": ...}. It ends at the end of its input. With an empty DATA no text is read.
"""

from __future__ import annotations

import json
import resource
import struct
import sys
from collections.abc import Callable
from io import BytesIO
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

_MEMORY_OCTETS = 1024**3
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF")
_LEAST_SIDE = 24  # pixels: smaller ones are icons, spacers and tracking pixels
_LEAST_TEXT_SIDE = 40
_TEXT_PIXELS = 1_500_000  # larger images are scaled down before OCR, which takes a second otherwise
_LEAST_BITS = 5  # of 64, both ones and zeros
_LEAST_CONTRAST = 16  # of 255: all plain surfaces look alike

# The exceptions of Pillow's decoders for broken and hostile images.
_BROKEN = (
    *(UnidentifiedImageError, Image.DecompressionBombError, Image.DecompressionBombWarning, OSError, ValueError),
    *(SyntaxError, EOFError, ArithmeticError, LookupError, TypeError, RuntimeError, MemoryError, struct.error),
)

ReadText = Callable[[Image.Image], str]


def main(data: str, languages: str, pixels: str) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_OCTETS, _MEMORY_OCTETS))
    read = _tesseract(data, languages) if data else _no_text
    while octets := _next_image(sys.stdin.buffer):
        answer = json.dumps(analyse(octets, read, pixels=int(pixels))).encode()
        sys.stdout.buffer.write(len(answer).to_bytes(4, "big") + answer)
        sys.stdout.buffer.flush()


def analyse(octets: bytes, read: ReadText, *, pixels: int) -> dict[str, object]:
    """Return the fingerprint and the text; nothing for a broken image, one of too many pixels, or other data."""
    try:
        with Image.open(BytesIO(octets), formats=_FORMATS) as image:
            width, height = image.size
            if width * height > pixels or min(width, height) < _LEAST_SIDE:
                return {}
            image.draft("L", (1600, 1600))  # a large JPEG is decoded to a smaller image at once
            grey = _on_white(image)
            return {"fingerprint": fingerprint(grey), "text": read(_readable(grey))}
    except _BROKEN:
        return {}


def fingerprint(grey: Image.Image) -> int | None:
    """dHash: in a thumbnail of 9 times 8 grey pixels, for each whether its right neighbour is darker.

    None for a plain surface and a plain gradient, since too many images look like them. Scale, colour, contrast and
    small changes leave nearly all bits as they are.
    """
    small = grey.resize((9, 8), Image.Resampling.BOX)
    values = small.tobytes()
    if max(values) - min(values) < _LEAST_CONTRAST:
        return None
    bits = 0
    for row in range(8):
        for left in range(row * 9, row * 9 + 8):
            bits = bits << 1 | (values[left] > values[left + 1])
    return bits if _LEAST_BITS <= bits.bit_count() <= 64 - _LEAST_BITS else None


def _on_white(image: Image.Image) -> Image.Image:
    """Convert to grey; transparent areas become white, as mail programs show them."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        opaque = image.convert("RGBA")
        white = Image.new("RGBA", opaque.size, "white")
        return Image.alpha_composite(white, opaque).convert("L")
    return image.convert("L")


def _readable(grey: Image.Image) -> Image.Image:
    width, height = grey.size
    if width * height <= _TEXT_PIXELS:
        return grey
    factor = (_TEXT_PIXELS / (width * height)) ** 0.5
    return grey.resize((max(1, int(width * factor)), max(1, int(height * factor))), Image.Resampling.BOX)


def _no_text(grey: Image.Image) -> str:
    return ""


def _tesseract(data: str, languages: str) -> ReadText:
    """Make one API object for all images: loading a language takes longer than reading an image."""
    import tesserocr  # imported only for OCR: it takes time and memory

    api = tesserocr.PyTessBaseAPI(path=data, lang=languages)

    def read(grey: Image.Image) -> str:
        if min(grey.size) < _LEAST_TEXT_SIDE:
            return ""
        api.SetImage(grey)
        text: str = api.GetUTF8Text()
        api.Clear()
        return text

    return read


def _next_image(stream: BinaryIO) -> bytes:
    """Read the next image; empty at the end of the input."""
    length = stream.read(4)
    return stream.read(int.from_bytes(length, "big")) if len(length) == 4 else b""


if __name__ == "__main__":
    main(*sys.argv[1:])
