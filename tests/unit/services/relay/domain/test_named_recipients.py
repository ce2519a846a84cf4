"""Whom our users write to, and who only gets their mail."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from libs.envelope import Envelope, Peer, Recipient
from services.relay.domain.named_recipients import named_recipients

DIRECT = Recipient(address="Luc@far.example", original="luc@FAR.example", domain="")
FORWARDED = Recipient(address="luc@far.example", original="alias@example.org")


@pytest.mark.parametrize(
    ("account", "mail_from", "recipient", "told", "word"),
    [
        ("m@example.org", "m@example.org", DIRECT, True, "named by a user of ours"),
        ("m@example.org", "m@example.org", Recipient(address="luc@far.example"), True, "as it was given"),
        ("m@example.org", "m@example.org", FORWARDED, False, "a forward led there"),
        ("m@example.org", "", DIRECT, False, "an automatic message"),
        (None, "x@else.example", DIRECT, False, "a stranger's mail that we only forward"),
    ],
)
def test_whom_a_user_wrote_to(account: str | None, mail_from: str, recipient: Recipient, told: bool, word: str) -> None:
    envelope = Envelope(
        id="1",
        received_at=datetime(2026, 1, 1, tzinfo=UTC),
        peer=Peer(account=account),
        mail_from=mail_from,
        recipients=(recipient,),
        size_bytes=1,
        sha256="",
        verdicts={},
    )
    assert named_recipients(envelope, [recipient]) == ([recipient.address] if told else [])
