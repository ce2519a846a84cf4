"""Addresses of a bus."""

from __future__ import annotations

import pytest

from libs.bus import open_bus
from libs.bus.embedded import EmbeddedBus
from libs.bus.rabbitmq import RabbitBus


@pytest.mark.parametrize(
    ("url", "kind"),
    [("embedded:var/bus", EmbeddedBus), ("amqp://u:p@host/", RabbitBus), ("amqps://u:p@host/v", RabbitBus)],
)
def test_the_scheme_picks_the_bus(url: str, kind: type) -> None:
    assert isinstance(open_bus(url), kind)


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("", "unknown scheme"),
        ("kafka://host", "unknown scheme"),
        ("/var/bus", "unknown scheme"),
        ("amqp://", "no host"),
        ("amqp://user:secret@host:abc/", "[Pp]ort"),
        ("amqp://user:secret@host:99999/", "[Pp]ort"),
    ],
)
def test_a_wrong_address_is_one_clear_error(url: str, error: str) -> None:
    with pytest.raises(ValueError, match=f"^bus address: .*{error}") as raised:
        open_bus(url)
    assert "secret" not in str(raised.value)
