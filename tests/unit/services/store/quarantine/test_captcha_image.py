"""The image of a captcha."""

from __future__ import annotations

from services.store.quarantine.captcha_image import HEIGHT, WIDTH, picture


def test_the_picture_is_a_png_and_differs_by_its_noise() -> None:
    one, same, other = picture("ACEFGH", b"1"), picture("ACEFGH", b"1"), picture("ACEFGH", b"2")
    assert one == same != other
    assert one.startswith(b"\x89PNG")
    assert (int.from_bytes(one[16:20], "big"), int.from_bytes(one[20:24], "big")) == (WIDTH, HEIGHT)
