"""What is held, and who may let it go."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from libs.envelope import Envelope, Finding, Recipient, Verdict
from services.store.mailboxes.messages import Summary
from services.store.mailboxes.refusals import Conflict, NotFound
from services.store.quarantine.model import QuarantinedMessage, domains_of, entry_id, released, split, without

NOON = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
MARIE = Recipient(address="marie@example.org", domain="example.org")
LUC = Recipient(address="luc@elsewhere.example")
INFECTED = Finding(stage="antivirus", name="clamav", outcome="infected")


def held(*recipients: Recipient, **given: Any) -> QuarantinedMessage:
    envelope = Envelope(id="1", received_at=NOON, recipients=recipients, size_bytes=1, sha256="", blob="1", **given)
    return QuarantinedMessage(entry_id(envelope), envelope, "body", Summary("", "", "", "", None), NOON, NOON)


def test_the_id_is_that_of_the_message_and_its_recipients_in_any_order() -> None:
    assert held(MARIE, LUC).id == held(LUC, MARIE).id
    assert held(MARIE, LUC).id != held(MARIE).id
    assert held(MARIE).id.startswith("1-")


def test_domains_are_ours_or_those_of_the_addresses() -> None:
    assert domains_of(held(MARIE, LUC, Recipient(address="bad")).envelope) == ["", "elsewhere.example", "example.org"]


def test_a_released_envelope_passes_the_filters_and_fetches_no_old_blob() -> None:
    verdict = Verdict(spam=True, score=9, required=7, action="tag", subject_prefix="[SPAM]")
    item = held(MARIE, LUC, verdicts={"example.org": verdict}, quarantine_reason="spam")
    whole, staying = split(item, None, force=False)
    assert staying is None
    leaving = released(whole)
    assert (leaving.released, leaving.blob, leaving.quarantine_reason) == (True, None, "")
    assert leaving.verdicts["example.org"].model_dump(include={"spam", "score", "action", "subject_prefix"}) == {
        "spam": True, "score": 9, "action": "none", "subject_prefix": "",
    }  # fmt: skip


def test_chosen_recipients_leave_and_the_others_stay_as_they_were() -> None:
    leaving, staying = split(held(MARIE, LUC), [LUC.address], force=False)
    assert leaving.recipients == (LUC,)
    assert staying is not None
    assert (staying.recipients, staying.released) == ((MARIE,), False)
    with pytest.raises(NotFound):
        split(held(MARIE), [LUC.address], force=False)


def test_malware_needs_force() -> None:
    item = held(MARIE, findings=(INFECTED,))
    with pytest.raises(Conflict):
        split(item, None, force=False)
    assert split(item, None, force=True)[0].recipients == (MARIE,)
    suspicious = INFECTED.model_copy(update={"outcome": "suspicious"})
    assert split(held(MARIE, findings=(suspicious,)), None, force=False)[0].recipients == (MARIE,)


def test_nobody_waits_when_all_were_taken() -> None:
    envelope = held(MARIE, LUC).envelope
    assert without(envelope, [MARIE.address, "nobody@example.org"]) == envelope.to((LUC,))
    assert without(envelope, [MARIE.address, LUC.address]) is None
