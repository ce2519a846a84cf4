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


@pytest.mark.parametrize("url", ["", "kafka://host", "/var/bus"])
def test_another_scheme_is_one_clear_error(url: str) -> None:
    with pytest.raises(ValueError, match="unknown scheme"):
        open_bus(url)
