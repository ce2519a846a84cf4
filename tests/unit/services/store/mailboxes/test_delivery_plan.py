"""What a transaction of deliveries writes, and the outcome of each copy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.store.mailboxes.delivery_plan import DeliveryPlan, DeliveryResult, counter_update, may_be_expunged
from services.store.mailboxes.messages import Body, Copy, MailboxDelivery, Summary
from services.store.mailboxes.mongo_delivery import MAX_BYTES, MAX_COPIES, groups
from services.store.mailboxes.refusals import NotFound
from services.store.mailboxes.schema import new_mailbox

NOON = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SUMMARY = Summary("", "", "", "", None)
MARIE, JEAN = "marie@example.org", "jean@example.org"


def a_copy(mailbox: str = MARIE, **given: Any) -> Copy:
    settled = {"folder": "inbox", "key": "1", "size": 100, "received_at": NOON, "accepted_at": NOON}
    return Copy(**{"mailbox": mailbox, "summary": SUMMARY, "prefix": b"", "edits": (), **settled, **given})


def a_delivery(*copies: Copy, size: int = 1) -> MailboxDelivery:
    return MailboxDelivery(Body("b", b"x" * size), copies)


def a_mailbox(address: str, copies: int, **given: Any) -> dict[str, Any]:
    """The document after `copies` of 100 bytes were counted in."""
    mailbox = {"_id": address, **new_mailbox(NOON), "used_bytes": 100 * copies, "messages": copies}
    mailbox["folders"]["inbox"] |= {"last_uid": copies, "modseq": 1 + copies}
    return mailbox | given


def placed(*copies: Copy, expunged: bool = False, **given: Any) -> tuple[DeliveryResult, list[dict[str, Any]]]:
    keys = {(copy.key or "", copy.mailbox) for copy in copies} if expunged else set()
    result = DeliveryResult({MARIE: a_mailbox(MARIE, len(copies), **given)}, keys)
    return result, result.place(MARIE, [(copy, Body("b", b"")) for copy in copies], NOON)


def test_a_key_is_written_once_in_each_mailbox() -> None:
    plan = DeliveryPlan([a_delivery(a_copy(), a_copy(JEAN)), a_delivery(a_copy()), a_delivery(a_copy(key=None))])
    assert [(copy.mailbox, copy.key) for copy in plan.copies] == [(MARIE, "1"), (JEAN, "1"), (MARIE, None)]
    assert list(plan.by_mailbox) == [JEAN, MARIE]


def test_stored_copies_are_skipped_and_their_mailbox_is_read_all_the_same() -> None:
    plan = DeliveryPlan([a_delivery(a_copy())], stored={("1", MARIE)})
    assert (plan.copies, plan.mailboxes) == ([], [MARIE])


def test_an_unavailable_mailbox_gets_nothing_and_the_outcome_says_why() -> None:
    group = [a_delivery(a_copy(), a_copy(JEAN), a_copy("luc@example.org"))]
    plan = DeliveryPlan(group, unavailable={JEAN: "gone", "luc@example.org": "unknown"})
    assert plan.mailboxes == [MARIE]
    [outcome] = DeliveryResult({MARIE: a_mailbox(MARIE, 1)}, set(), plan.unavailable).outcomes(group)
    assert [usage.address for usage in outcome.usages] == [MARIE]
    assert outcome.gone == {JEAN}
    assert outcome.unknown == {"luc@example.org"}


def test_uids_follow_one_another_in_the_order_of_the_batch() -> None:
    _, rows = placed(a_copy(key="1"), a_copy(key="2"))
    assert [(row["key"], row["uid"], row["modseq"]) for row in rows] == [("1", 1, 2), ("2", 2, 3)]


@pytest.mark.parametrize(
    ("copy", "given", "over_quota", "gone"),
    [
        (a_copy(limit=99), {}, {MARIE}, set()),
        (a_copy(accepted_at=NOON - HOUR), {"not_before": NOON}, set(), {MARIE}),
        (a_copy(limit=99), {"expunged": True}, set(), set()),
    ],
    ids=["over quota", "former account", "expunged"],
)
def test_a_dropped_copy_is_not_counted(copy: Copy, given: dict[str, Any], over_quota: set[str], gone: set[str]) -> None:
    result, rows = placed(copy, **given)
    [outcome] = result.outcomes([a_delivery(copy)])
    assert (rows, list(result.dropped)) == ([], [MARIE])
    assert outcome.over_quota == over_quota
    assert outcome.gone == gone
    assert outcome.usages[0].used_bytes == 0


def test_an_appended_message_is_never_for_a_former_account() -> None:
    result, rows = placed(a_copy(key=None, accepted_at=None), not_before=NOON)
    assert (len(rows), result.gone) == (1, set())


def test_a_copy_for_a_deleted_folder_fails() -> None:
    folders = {"inbox": {"last_uid": 1, "modseq": 1}}  # as `$inc` leaves a folder that did not exist
    with pytest.raises(NotFound):
        placed(a_copy(), folders=folders)


def test_counting_out_keeps_the_version() -> None:
    copies = [(a_copy(flags=("\\Seen",)), Body("b", b""))]
    change = counter_update(copies, NOON)["$inc"]
    back = counter_update(copies, NOON, sign=-1)["$inc"]
    assert (change["version"], back["version"], change["folders.inbox.unseen"]) == (1, 0, 0)
    assert {name: change[name] + back[name] for name in change if name != "version"} == dict.fromkeys(
        change.keys() - {"version"}, 0
    )


def test_an_expunged_message_is_sought_with_a_margin_for_clock_skew() -> None:
    assert not may_be_expunged(a_copy(), {})
    assert may_be_expunged(a_copy(), {"expunged_at": NOON - HOUR + timedelta(seconds=1)})
    assert not may_be_expunged(a_copy(), {"expunged_at": NOON - HOUR})


def test_a_batch_is_split_where_a_transaction_is_full() -> None:
    many = a_delivery(*[a_copy()] * MAX_COPIES)
    large = a_delivery(a_copy(), size=MAX_BYTES)
    small = a_delivery(a_copy())
    assert [len(group) for group in groups([small, small, many, large, small])] == [2, 1, 1, 1]
    assert list(groups([])) == []
