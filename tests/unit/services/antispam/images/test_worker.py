"""What is known of an image: a fingerprint that survives what spammers do to it, and no harm from hostile ones."""

from __future__ import annotations

import struct
import zlib

import pytest
from PIL import Image

from services.antispam.images.worker import analyse, fingerprint
from tests.specimens.images import LINES, drawn, encoded

PIXELS = 1_000_000
ORIGINAL = fingerprint(drawn(*LINES).convert("L"))


def read(image: Image.Image) -> str:
    return f"{image.mode} {image.width}x{image.height}"


def distance(octets: bytes) -> int:
    found = analyse(octets, read, pixels=PIXELS)["fingerprint"]
    assert isinstance(found, int)
    assert ORIGINAL is not None
    return (found ^ ORIGINAL).bit_count()


def a_bomb(side: int) -> bytes:
    """A PNG of side times side pixels whose data are a few octets."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("change", "octets"),
    [
        ("JPEG", encoded(drawn(*LINES), "JPEG", quality=40)),
        ("GIF", encoded(drawn(*LINES, mode="P"), "GIF")),
        ("BMP in grey", encoded(drawn(*LINES, mode="L"), "BMP")),
        ("scaled", encoded(drawn(*LINES).resize((731, 290)))),
        ("speckled", encoded(drawn(*LINES, speckled=True))),
        ("transparent", encoded(drawn(*LINES, mode="RGBA"))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_changed_image_has_nearly_the_same_fingerprint(change: str, octets: bytes) -> None:
    assert distance(octets) <= 6


def test_another_image_has_another_fingerprint() -> None:
    other = drawn("", "", "Meeting on Tuesday", size=(300, 300)).rotate(180)
    assert distance(encoded(other)) > 12


@pytest.mark.parametrize(
    ("what", "octets"),
    [
        ("nothing", b""),
        ("no image", b"<svg onload=alert(1)>"),
        ("cut off", encoded(drawn(*LINES))[:300]),
        ("a bomb", a_bomb(60_000)),
        ("data that end at once", a_bomb(500)),
        ("a pixel that counts readers", encoded(drawn(size=(1, 1)))),
        ("an EPS, which would start a program", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_broken_or_hostile_image_has_neither_fingerprint_nor_text(what: str, octets: bytes) -> None:
    assert analyse(octets, read, pixels=PIXELS) == {}


@pytest.mark.parametrize("image", [Image.new("RGB", (300, 200), "white"), Image.linear_gradient("L").rotate(90)])
def test_a_plain_surface_and_a_gradient_have_no_fingerprint_since_all_look_alike(image: Image.Image) -> None:
    assert analyse(encoded(image), read, pixels=PIXELS)["fingerprint"] is None


def test_text_is_read_in_grey_and_large_images_are_made_smaller_first() -> None:
    assert analyse(encoded(drawn(*LINES, mode="RGBA")), read, pixels=PIXELS)["text"] == "L 500x200"
    text = str(analyse(encoded(drawn(size=(3000, 2000), mode="L")), read, pixels=10_000_000)["text"])
    width, _, height = text.removeprefix("L ").partition("x")
    assert 1_400_000 < int(width) * int(height) <= 1_500_000
