"""When an entry is tried again, given up, and who is told."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.envelope import Envelope, Peer, Recipient, Verdict
from services.relay.domain.entries import Entry, Schedule, State, after
from services.relay.domain.message_copy import copy_of, subject_tag, with_strict_line_ends
from services.relay.domain.replies import Outcome, Result, deferred, failed, judge, unroutable
from services.relay.domain.reporting import ReportEvent, ReportTarget, report_target

NOW = datetime(2026, 1, 10, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SCHEDULE = Schedule(5 * MINUTE, 4 * HOUR, 5 * DAY, 4 * HOUR)


def an_entry(*, attempts: int = 1, age: timedelta = MINUTE, notified: bool = False) -> Entry:
    return Entry(
        id="m:r", message="m", to=Recipient(address="r@example.com"), destination="example.com", state=State.SENDING,
        attempts=attempts, created_at=NOW - age, next_at=NOW, notified_delay=notified,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("attempts", "delay"),
    [(1, 5 * MINUTE), (2, 10 * MINUTE), (3, 20 * MINUTE), (6, 160 * MINUTE), (7, 4 * HOUR), (1000, 4 * HOUR)],
)
def test_delays_double_up_to_the_longest(attempts: int, delay: timedelta) -> None:
    assert SCHEDULE.delay(attempts) == delay


@pytest.mark.parametrize(
    ("result", "entry", "state", "tell", "word"),
    [
        (judge(250, "2.0.0 ok", server="mx"), an_entry(), State.SENT, ReportEvent.RELAYED, "taken"),
        (judge(250, "ok", server="mx", reports_onward=True), an_entry(), State.SENT, None, "taken with its DSN wishes"),
        (judge(550, "5.1.1 no", server="mx"), an_entry(), State.FAILED, ReportEvent.FAILED, "refused for ever"),
        (judge(450, "4.2.0 later", server="mx"), an_entry(), State.QUEUED, None, "refused for now"),
        (deferred("x"), an_entry(age=5 * HOUR), State.QUEUED, ReportEvent.DELAYED, "waits for long"),
        (deferred("x"), an_entry(age=5 * HOUR, notified=True), State.QUEUED, None, "the delay was told before"),
        (deferred("x"), an_entry(age=6 * DAY, notified=True), State.FAILED, ReportEvent.FAILED, "five days are over"),
        (failed("5.1.2 x", status="5.1.2"), an_entry(), State.FAILED, ReportEvent.FAILED, "no such domain"),
    ],
)
def test_a_try_decides_what_becomes_of_the_entry(
    result: Result, entry: Entry, state: State, tell: ReportEvent | None, word: str
) -> None:
    then = after(entry, result, SCHEDULE, now=NOW)
    assert (then.state, then.tell) == (state, tell), word


def test_a_deferred_entry_waits_for_its_delay() -> None:
    assert after(an_entry(attempts=2), deferred("x"), SCHEDULE, now=NOW).next_at == NOW + 10 * MINUTE


def test_what_failed_together_does_not_come_back_together() -> None:
    again = [after(an_entry(), deferred("x"), SCHEDULE, now=NOW, jitter=jitter / 10).next_at for jitter in range(11)]
    assert again == sorted(set(again))
    assert (again[0], again[-1]) == (NOW + 5 * MINUTE, NOW + 6 * MINUTE)


@pytest.mark.parametrize(
    ("code", "text", "outcome", "status"),
    [
        (250, "2.1.5 ok", Outcome.SENT, "2.1.5"),
        (250, "ok", Outcome.SENT, "2.0.0"),
        (452, "4.2.2 full", Outcome.DEFERRED, "4.2.2"),
        (550, "5.7.1\nno", Outcome.FAILED, "5.7.1"),
        (550, "4.7.1 a code that contradicts its reply", Outcome.FAILED, "5.0.0"),
        (354, "what", Outcome.DEFERRED, "4.0.0"),
    ],
)
def test_the_first_digit_of_a_reply_decides(code: int, text: str, outcome: Outcome, status: str) -> None:
    result = judge(code, text, server="mx")
    assert (result.outcome, result.status) == (outcome, status)
    assert "\n" not in result.text


SIGNED_IN = Peer(account="a@example.org")
SPAM = Verdict(spam=True, score=9, required=5)


@pytest.mark.parametrize(
    ("peer", "listener", "sender", "recipient", "event", "target", "word"),
    [
        (SIGNED_IN, "submission", "a@example.org", {}, "failed", "sender", "who signed in hears of a failure"),
        (SIGNED_IN, "submission", "a@example.org", {}, "delayed", "sender", "and of a delay"),
        (SIGNED_IN, "submission", "a@example.org", {}, "relayed", None, "and not of a success"),
        (SIGNED_IN, "submission", "a@example.org", {"notify": ("SUCCESS",)}, "relayed", "sender", "unless it asks"),
        (SIGNED_IN, "submission", "a@example.org", {"notify": ("NEVER",)}, "failed", None, "it wants to hear nothing"),
        (SIGNED_IN, "submission", "a@example.org", {"notify": ("FAILURE",)}, "delayed", None, "or not this"),
        (SIGNED_IN, "submission", "", {}, "failed", "dead letter", "the null sender is never answered"),
        (Peer(), "http", "a@example.org", {}, "failed", "sender", "who submits by HTTP"),
        (Peer(relays=True), "mx", "x@inside.example", {}, "failed", "sender", "a host in our relay networks"),
        (Peer(), "mx", "x@else.example", {}, "failed", "dead letter", "a stranger's address may be forged"),
        (Peer(), "mx", "x@else.example", {}, "delayed", None, "a delay is not the end"),
        (Peer(), "mx", "x@else.example", {"notify": ("SUCCESS",)}, "relayed", "sender", "who asked for it hears"),
        (Peer(), "mx", "x@else.example", {}, "relayed", None, "and to nobody else"),
        (Peer(), "mx", "", {"notify": ("SUCCESS",)}, "relayed", None, "never to the null sender"),
        (Peer(), "mx", "x@else.example", {"notify": ("SUCCESS",), "domain": "spam.example"}, "relayed", None, "spam"),
        (Peer(), "mx", "x@else.example", {"account": "o@example.org"}, "failed", "owner", "the owner of the forward"),
        (Peer(), "mx", "", {"account": "o@example.org"}, "failed", "dead letter", "no notice of a notice"),
        (Peer(), "mx", "x@else.example", {"account": "o@spam.example", "domain": "spam.example"}, "failed",
         "dead letter", "no notice of spam"),
    ],
)  # fmt: skip
def test_whoever_can_be_told_hears_and_else_an_operator(
    peer: Peer, listener: str, sender: str, recipient: dict[str, Any], event: str, target: str | None, word: str
) -> None:
    to = Recipient.model_validate({"address": "r@far.example", "original": "o@example.org", **recipient})
    envelope = Envelope(
        id="m", received_at=NOW, mail_from=sender, recipients=(to,), size_bytes=0, sha256="", peer=peer,
        listener=listener, verdicts={"spam.example": SPAM},
    )  # fmt: skip
    assert report_target(envelope, to, ReportEvent(event)) == (ReportTarget(target) if target else None), word


@pytest.mark.parametrize(
    ("raw", "sent"),
    [
        (b"a\r\nb\r\n", b"a\r\nb\r\n"),
        (b"a\nb", b"a\r\nb\r\n"),
        (b"a\rb\r\n", b"a\r\nb\r\n"),
        (b"a\r\r\nb\n\n", b"a\r\n\r\nb\r\n\r\n"),
        (b"\n.\nMAIL", b"\r\n.\r\nMAIL\r\n"),
        (b"", b"\r\n"),
    ],
)
def test_no_bare_line_end_leaves(raw: bytes, sent: bytes) -> None:
    assert with_strict_line_ends(raw) == sent


@pytest.mark.parametrize(
    ("action", "domain", "released", "tag", "word"),
    [
        ("tag", "example.org", False, "[SPAM] ", "spam that is forwarded carries the tag of its domain"),
        ("none", "example.org", False, "", "honest mail is not touched"),
        ("tag", "example.net", False, "", "another domain has no say"),
        ("tag", "example.org", True, "", "what a person released is no spam"),
    ],
)
def test_the_policy_of_the_forwarding_domain_tags_the_copy(
    action: str, domain: str, released: bool, tag: str, word: str
) -> None:
    verdict = Verdict(spam=True, score=9, required=7.5, action=action, subject_prefix="[SPAM] ")
    recipient = Recipient(address="r@example.com", domain=domain)
    envelope = Envelope(
        id="m", received_at=NOW, recipients=(recipient,), size_bytes=0, sha256="", released=released,
        verdicts={"example.org": verdict},
    )  # fmt: skip
    assert subject_tag(envelope, recipient) == tag, word


def test_a_copy_has_our_trace_field_first_and_its_subject_tagged() -> None:
    raw = b"Subject: hello\r\nX-Spam-Flag: NO\r\n\r\nbody\r\n"
    assert copy_of(raw, b"Received: us\r\n", subject_tag="") == b"Received: us\r\n" + raw
    tagged = copy_of(raw, b"Received: us\r\n", subject_tag="[SPAM] ")
    assert tagged.startswith(b"Received: us\r\nSubject: [SPAM] hello\r\n")
    assert tagged.endswith(b"\r\n\r\nbody\r\n")


def test_the_status_of_a_dead_end_is_the_routers() -> None:
    assert unroutable("5.4.6 mail loop: a -> b -> a").status == "5.4.6"
    assert unroutable("the alias is gone").status == "5.1.1"
