"""Who hears that a message did not arrive."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from libs.envelope import Envelope, Recipient, Verdict
from libs.letters import hears_of_failure

NOON = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
SPAM = {"example.org": Verdict(spam=True, score=9, required=7.5, action="junk")}
HAM = {"example.org": Verdict(spam=False, score=1, required=7.5)}


@pytest.mark.parametrize(
    ("envelope", "notify", "told"),
    [
        ({}, (), True),
        ({"verdicts": HAM}, (), True),
        ({"mail_from": ""}, (), False),
        ({"verdicts": SPAM}, (), False),
        ({"verdicts": SPAM, "released": True}, (), True),
        ({}, ("NEVER",), False),
        ({}, ("success", "failure"), True),
        ({}, ("DELAY",), False),
    ],
)
def test_the_sender_hears_of_it_unless_that_would_be_backscatter(
    envelope: dict[str, Any], notify: tuple[str, ...], told: bool
) -> None:
    settled = {"id": "1", "received_at": NOON, "recipients": (), "size_bytes": 1, "sha256": "", "mail_from": "a@b.c"}
    message = Envelope(**{**settled, **envelope})
    recipient = Recipient(address="marie@example.org", domain="example.org", notify=notify)
    assert hears_of_failure(message, recipient) is told
