"""Mail comes in by SMTP and is durable on the bus before the peer hears 250."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

Eventually = Callable[..., Awaitable[None]]


async def test_a_message_is_on_the_bus_when_the_peer_hears_250(
    ingress: Any, specimen: bytes, eventually: Eventually
) -> None:
    peer = await ingress.mx()
    await peer.envelope("jean.toto@example.org", "info@example.org")
    reply = await peer.data(specimen)
    await eventually(lambda: len(ingress.received) == 1)
    envelope = ingress.received[0].envelope
    assert reply == f"250 2.6.0 Message accepted as {envelope.id}"
    assert ingress.received[0].raw == specimen
    assert (envelope.listener, envelope.mail_from) == ("mx", "someone@example.net")
    assert [(r.address, r.domain) for r in envelope.recipients] == [
        ("jean.toto@example.org", "example.org"),
        ("info@example.org", "example.org"),
    ]
    assert envelope.sha256 == hashlib.sha256(specimen).hexdigest()
    assert envelope.size_bytes == len(specimen)
    assert (envelope.peer.address, envelope.peer.helo, envelope.peer.protocol) == (
        "127.0.0.1",
        "client.example.net",
        "ESMTP",
    )
    await peer.say("QUIT", expect="221 2.0.0")
    assert await peer.is_closed()
