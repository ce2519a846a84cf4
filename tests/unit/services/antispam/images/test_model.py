"""The images of a message, and the nearest known fingerprint."""

from __future__ import annotations

from services.antispam.images.model import ImageLimits, images_of, nearest
from tests.specimens.antispam import a_view
from tests.specimens.images import a_message_with


def test_of_a_message_the_first_images_within_the_limit_are_looked_at() -> None:
    view = a_view(a_message_with(b"one", b"too large" * 100, b"two", b"three"))
    assert images_of(view, ImageLimits(images=2, octets=100)) == [b"one", b"two"]
    assert images_of(a_view(), ImageLimits(images=2, octets=100)) == []


def test_the_nearest_known_fingerprint_is_found_within_the_distance() -> None:
    assert nearest(0b1111, [0b0000, 0b0111, 0b1111_0000], within=2) == 0b0111
    assert nearest(0b1111, [0b0000], within=3) is None
