"""When an entry is tried again, given up, and who is told."""

from datetime import UTC, datetime, timedelta

import pytest

from libs.envelope import Envelope, Peer, Recipient, Verdict
from services.relay.domain.entries import Entry, Schedule, State, after
from services.relay.domain.replies import Outcome, deferred, failed, judge, unroutable
from services.relay.domain.reporting import told
from services.relay.domain.wire import copy_of, subject_tag, with_strict_line_ends

NOW = datetime(2026, 1, 10, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SCHEDULE = Schedule(5 * MINUTE, 4 * HOUR, 5 * DAY, 4 * HOUR)


def an_entry(*, attempts: int = 1, age: timedelta = MINUTE, notified: bool = False) -> Entry:
    return Entry("m:r", "m", "r@example.com", "example.com", State.SENDING, attempts, NOW - age, NOW, notified)


@pytest.mark.parametrize(
    ("attempts", "delay"),
    [(1, 5 * MINUTE), (2, 10 * MINUTE), (3, 20 * MINUTE), (6, 160 * MINUTE), (7, 4 * HOUR), (1000, 4 * HOUR)],
)
def test_delays_double_up_to_the_longest(attempts: int, delay: timedelta) -> None:
    assert SCHEDULE.delay(attempts) == delay


@pytest.mark.parametrize(
    ("result", "entry", "state", "tell", "word"),
    [
        (judge(250, "2.0.0 ok", server="mx"), an_entry(), State.SENT, "", "taken"),
        (judge(550, "5.1.1 no", server="mx"), an_entry(), State.FAILED, "failed", "refused for ever"),
        (judge(450, "4.2.0 later", server="mx"), an_entry(), State.QUEUED, "", "refused for now"),
        (deferred("x"), an_entry(age=5 * HOUR), State.QUEUED, "delayed", "waits for long"),
        (deferred("x"), an_entry(age=5 * HOUR, notified=True), State.QUEUED, "", "the delay was told before"),
        (deferred("x"), an_entry(age=6 * DAY, notified=True), State.FAILED, "failed", "five days are over"),
        (failed("5.1.2 x", status="5.1.2"), an_entry(), State.FAILED, "failed", "no such domain"),
    ],
)
def test_a_try_decides_what_becomes_of_the_entry(result, entry, state, tell, word) -> None:
    then = after(entry, result, SCHEDULE, now=NOW)
    assert (then.state, then.tell) == (state, tell), word


def test_a_deferred_entry_waits_for_its_delay() -> None:
    assert after(an_entry(attempts=2), deferred("x"), SCHEDULE, now=NOW).next_at == NOW + 10 * MINUTE


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


@pytest.mark.parametrize(
    ("account", "sender", "notify", "event", "heard", "word"),
    [
        ("a@example.org", "a@example.org", (), "failed", True, "one of ours hears of a failure"),
        ("a@example.org", "a@example.org", (), "delayed", True, "and of a delay"),
        ("a@example.org", "a@example.org", ("NEVER",), "failed", False, "unless it wants nothing"),
        ("a@example.org", "a@example.org", ("FAILURE",), "delayed", False, "or not this"),
        ("a@example.org", "", (), "failed", False, "the null sender never"),
        (None, "x@example.net", (), "failed", False, "a stranger's address may be forged"),
    ],
)
def test_only_the_authenticated_sender_is_told(account, sender, notify, event, heard, word) -> None:
    recipient = Recipient(address="r@example.com", notify=notify)
    envelope = Envelope(
        id="m", received_at=NOW, mail_from=sender, recipients=(recipient,), size_bytes=0, sha256="",
        peer=Peer(account=account),
    )  # fmt: skip
    assert (told(envelope, recipient, event) is not None) == heard, word


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
def test_the_policy_of_the_forwarding_domain_tags_the_copy(action, domain, released, tag, word) -> None:
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
