"""The pauses between attempts to deliver a report, and what a report says of a recipient."""

from __future__ import annotations

from datetime import UTC, datetime

from libs.envelope import Recipient
from libs.mail.dsn import DsnAction
from services.relay.domain.reporting import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    DeliveryReport,
    ReportEvent,
    ReportTarget,
    pause,
    reported,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MEMBER = Recipient(address="secret@far.example", original="list@example.org", expanded=True)


def a_report(event: ReportEvent) -> DeliveryReport:
    return DeliveryReport(
        event=event, target=ReportTarget.SENDER, status="2.0.0", text="250 ok", server="mx.far.example", created_at=NOW
    )


def test_pauses_double_up_to_the_longest() -> None:
    assert [pause(0), pause(1), pause(2)] == [FIRST_PAUSE, 2 * FIRST_PAUSE, min(4 * FIRST_PAUSE, LONGEST_PAUSE)]
    assert pause(10_000) == LONGEST_PAUSE


def test_the_success_report_of_a_list_does_not_name_its_members() -> None:
    told = reported(MEMBER, a_report(ReportEvent.RELAYED))
    assert (told.address, told.action, told.diagnostic, told.remote_mta) == (
        "list@example.org",
        DsnAction.EXPANDED,
        "",
        "",
    )


def test_a_failure_names_the_address_that_failed() -> None:
    told = reported(MEMBER, a_report(ReportEvent.FAILED))
    assert (told.address, told.action, told.remote_mta) == ("secret@far.example", DsnAction.FAILED, "mx.far.example")
