"""Who hears what became of a message: one rule for all services."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from libs.envelope import Envelope, Peer, Recipient, Verdict
from libs.postmaster import NotifyEvent, is_notified, notify_without_success

NOON = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
SPAM = {"example.org": Verdict(spam=True, score=9, required=7.5, action="junk")}
HAM = {"example.org": Verdict(spam=False, score=1, required=7.5)}
FORGED = "dkim=none;\r\n\tspf=fail (not one of its hosts) smtp.mailfrom=a@b.example"
SIGNED_IN = {"peer": Peer(account="jean@example.org")}


@pytest.mark.parametrize(
    ("given", "notify", "success", "failure", "failure_elsewhere", "delay_elsewhere"),
    [
        ({}, (), False, True, False, False),
        ({"verdicts": HAM}, ("SUCCESS", "FAILURE", "DELAY"), True, True, False, False),
        ({}, ("success",), True, False, False, False),
        ({}, ("NEVER",), False, False, False, False),
        ({}, ("DELAY",), False, False, False, False),
        ({}, ("success", "failure"), True, True, False, False),
        ({"mail_from": ""}, ("SUCCESS", "FAILURE"), False, False, False, False),
        ({"verdicts": SPAM}, ("SUCCESS", "FAILURE"), False, False, False, False),
        ({"verdicts": SPAM, "released": True}, ("SUCCESS", "FAILURE"), True, True, False, False),
        ({"authentication": FORGED}, ("SUCCESS", "FAILURE"), False, False, False, False),
        ({"authentication": "spf=hardfail smtp.helo=x"}, ("SUCCESS",), False, False, False, False),
        ({"authentication": "spf=softfail smtp.mailfrom=a@b.c"}, ("SUCCESS",), True, False, False, False),
        ({"authentication": "spf=pass smtp.mailfrom=spf=fail@b.c"}, ("SUCCESS",), True, False, False, False),
        ({"authentication": FORGED, "released": True}, ("SUCCESS",), True, False, False, False),
        (SIGNED_IN, (), False, True, True, True),
        (SIGNED_IN, ("SUCCESS",), True, False, False, False),
        ({"peer": Peer(relays=True)}, (), False, True, True, True),
        ({"listener": "http"}, ("SUCCESS", "FAILURE"), True, True, True, False),
        ({**SIGNED_IN, "mail_from": ""}, ("SUCCESS", "FAILURE"), False, False, False, False),
    ],
)
def test_who_asked_hears_unless_that_would_be_backscatter(
    given: dict[str, Any],
    notify: tuple[str, ...],
    success: bool,
    failure: bool,
    failure_elsewhere: bool,
    delay_elsewhere: bool,
) -> None:
    recipient = Recipient(address="marie@example.org", domain="example.org", notify=notify)
    settled = {"id": "1", "received_at": NOON, "recipients": (), "size_bytes": 1, "sha256": "", "mail_from": "a@b.c"}
    envelope = Envelope(**{**settled, **given})
    assert is_notified(envelope, recipient, NotifyEvent.SUCCESS) is success
    assert is_notified(envelope, recipient, NotifyEvent.SUCCESS, elsewhere=True) is success
    assert is_notified(envelope, recipient, NotifyEvent.FAILURE) is failure
    assert is_notified(envelope, recipient, NotifyEvent.FAILURE, elsewhere=True) is failure_elsewhere
    assert is_notified(envelope, recipient, NotifyEvent.DELAY, elsewhere=True) is delay_elsewhere


@pytest.mark.parametrize(
    ("notify", "left"),
    [(("SUCCESS", "FAILURE"), ("FAILURE",)), (("SUCCESS",), ("NEVER",)), (("DELAY", "success"), ("DELAY",))],
)
def test_without_success_nobody_hears_of_more_than_was_asked_for(
    notify: tuple[str, ...], left: tuple[str, ...]
) -> None:
    assert notify_without_success(notify) == left
