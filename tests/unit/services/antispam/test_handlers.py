"""Routes of judged messages by the action of each domain, and the table of events."""

from __future__ import annotations

from typing import Any
from unittest.mock import NonCallableMock

import pytest

from libs.envelope import Mail, Recipient, Verdict, queues
from services.antispam.handlers import _for_remote, _is_system_mail, _split_by_action, event_handlers
from tests.specimens.antispam import a_message, an_envelope

MARIE = Recipient(address="marie@a.example", domain="a.example")
LUC = Recipient(address="luc@b.example", domain="b.example")
REMOTE = Recipient(address="x@elsewhere.example")


def a_verdict(action: str) -> Verdict:
    return Verdict(score=9.0, required=7.5, spam=True, action=action, subject_prefix="[SPAM]")


def judged(**actions: str) -> Mail:
    raw, verdicts = a_message(), {f"{name}.example": a_verdict(action) for name, action in actions.items()}
    return Mail(an_envelope(len(raw), recipients=(MARIE, LUC, REMOTE), verdicts=verdicts), raw)


@pytest.mark.parametrize(
    ("actions", "routes"),
    [
        ({}, {queues.ROUTER: (MARIE, LUC, REMOTE)}),
        ({"a": "junk", "b": "tag"}, {queues.ROUTER: (MARIE, LUC, REMOTE)}),
        ({"a": "quarantine", "b": "tag"}, {queues.QUARANTINE: (MARIE,), queues.ROUTER: (LUC, REMOTE)}),
        ({"a": "quarantine", "b": "quarantine"}, {queues.QUARANTINE: (MARIE, LUC), queues.ROUTER: (REMOTE,)}),
    ],
)
def test_recipients_whose_domain_quarantines_leave_on_their_own_queue(
    actions: dict[str, str], routes: dict[str, tuple[Recipient, ...]]
) -> None:
    made = _split_by_action(judged(**actions))
    assert {route.queue: route.mail.envelope.recipients for route in made} == routes
    reasons = {route.mail.envelope.quarantine_reason for route in made if route.queue == queues.QUARANTINE}
    assert reasons <= {"spam: score 9, required 7.5"}


def test_a_copy_for_another_server_is_quarantined_or_left_unchanged() -> None:
    assert _for_remote(a_verdict("quarantine")).action == "quarantine"
    remote = _for_remote(a_verdict("tag"))
    assert (remote.action, remote.subject_prefix, remote.spam) == ("none", "", True)


@pytest.mark.parametrize(
    ("listener", "mail_from", "system"),
    [("http", "", True), ("http", "marie@a.example", False), ("mx", "", False)],
)
def test_only_null_sender_mail_over_http_is_mail_of_the_system(listener: str, mail_from: str, system: bool) -> None:
    assert _is_system_mail(an_envelope(listener=listener, mail_from=mail_from)) is system


def test_each_durable_row_of_the_table_of_events_has_a_queue_of_its_own() -> None:
    nothing: Any = NonCallableMock()
    queues_of_rows = [row.subscription for row in event_handlers(nothing, nothing, nothing, nothing)]
    durable = [queue for queue in queues_of_rows if queue]
    assert durable == [
        f"antispam.{name}"
        for name in ("peers", "relayed", "validated", "junk", "quarantined", "released", "accounts")
    ]  # fmt: skip
    assert queues_of_rows.count(None) == 5
