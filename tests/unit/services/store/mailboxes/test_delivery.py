"""From an envelope to copies."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from libs.envelope import Envelope, Permanent, Recipient, Verdict
from libs.mail.headers import Headers
from libs.mail.render import rendered
from services.store.mailboxes.delivery import build_delivery, placement, recipients_by_mailbox
from services.store.mailboxes.messages import Body
from tests import builders

NOON = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)


RAW = b"Subject: hello\r\nFrom: a@b\r\n\r\nbody\r\n"


def an_envelope(*recipients: Recipient, **given: Any) -> Envelope:
    return builders.an_envelope(*recipients, raw=RAW, **{"id": "1", "received_at": NOON, **given})


def a_verdict(action: str) -> Verdict:
    return Verdict(spam=True, score=9, required=7.5, action=action, subject_prefix="[SPAM]")


@pytest.mark.parametrize(
    ("action", "released", "expected"),
    [
        ("none", False, ("inbox", "")),
        ("tag", False, ("inbox", "[SPAM]")),
        ("junk", False, ("junk", "")),
        ("quarantine", False, ("inbox", "")),
        ("junk", True, ("inbox", "")),
        ("tag", True, ("inbox", "")),
    ],
)
def test_the_action_of_the_domain_places_the_copy(action: str, released: bool, expected: tuple[str, str]) -> None:
    assert placement(a_verdict(action), released=released) == expected


def test_mail_without_a_verdict_goes_to_the_inbox() -> None:
    assert placement(None, released=False) == ("inbox", "")


def test_each_domain_has_its_own_reading_and_every_size_is_that_of_what_is_read() -> None:
    tagged = Recipient(address="a@tag.example", domain="tag.example")
    plain = Recipient(address="b@plain.example", domain="plain.example")
    envelope = an_envelope(tagged, plain, verdicts={"tag.example": a_verdict("tag")})
    limits = {"a@tag.example": 5, "b@plain.example": None}
    delivery = build_delivery(envelope, Body.of(RAW), limits=limits, hostname="h")
    subjects = []
    for copy in delivery.copies:
        seen = rendered(copy.prefix, copy.edits, RAW)
        assert copy.size == len(seen)
        assert copy.summary.subject == Headers(seen).get("Subject")
        # What ingress took below the limit is stored, even if it goes over it.
        assert copy.limit in (None, 5 + copy.size - 1)
        subjects.append((copy.mailbox, copy.summary.subject, copy.limit is None, copy.key))
    assert subjects == [("a@tag.example", "[SPAM] hello", False, "1"), ("b@plain.example", "hello", True, "1")]


def test_recipients_of_one_mailbox_share_its_copy_and_a_bad_address_is_no_loop() -> None:
    recipients = (Recipient(address="Marie@Example.org", original="x"), Recipient(address="marie@example.org"))
    assert {box: r.original for box, r in recipients_by_mailbox(an_envelope(*recipients)).items()} == {
        "marie@example.org": "x"
    }
    with pytest.raises(Permanent):
        recipients_by_mailbox(an_envelope(Recipient(address="no address")))
