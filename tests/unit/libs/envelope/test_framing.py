"""The frame of a message on the queue."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from libs.envelope import Envelope, Finding, Mail, Malformed, Peer, Permanent, Recipient, Tls, Verdict, decode, encode
from tests import builders

NOW = datetime(2024, 5, 17, 8, 30, tzinfo=UTC)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
floats = st.floats(allow_nan=False, allow_infinity=False)
findings = st.builds(Finding, stage=texts, name=texts, outcome=texts, score=floats, reason=texts, ms=floats)
verdicts = st.builds(
    Verdict,
    spam=st.booleans(),
    score=floats,
    required=floats,
    action=st.sampled_from(["none", "tag", "junk", "quarantine"]),
    bayes=st.none() | floats,
    tests=st.lists(findings, max_size=2).map(tuple),
)
peers = st.builds(
    Peer,
    address=texts,
    helo=texts,
    tls=st.none() | st.builds(Tls, version=texts, cipher=texts),
    account=st.none() | texts,
)
recipients = st.builds(
    Recipient, address=texts, original=texts, domain=texts, orcpt=texts, notify=st.lists(texts, max_size=2).map(tuple)
)
contents = st.binary(max_size=200)
offsets = st.integers(-720, 720).map(lambda minutes: timezone(timedelta(minutes=minutes)))
envelopes = st.builds(
    Envelope,
    id=texts,
    received_at=st.datetimes(timezones=offsets),
    listener=st.sampled_from(["mx", "submission", "submissions", "http", "internal"]),
    peer=peers,
    mail_from=texts,
    recipients=st.lists(recipients, max_size=3).map(tuple),
    size_bytes=st.just(0),
    sha256=texts,
    blob=st.none() | texts,
    findings=st.lists(findings, max_size=3).map(tuple),
    verdicts=st.dictionaries(texts, verdicts, max_size=2),
    released=st.booleans(),
)


def an_envelope(**fields: Any) -> Envelope:
    return builders.an_envelope("b@example.org", **{"id": "a1", "received_at": NOW, "sha256": "0" * 64, **fields})


def a_frame(raw: bytes = b"", **fields: Any) -> bytes:
    """As another version may write it: plain JSON."""
    head = {"id": "a1", "received_at": "2024-05-17T08:30:00Z", "recipients": [], "size_bytes": len(raw), "sha256": "00"}
    return json.dumps({**head, **fields}).encode() + b"\n" + raw


@settings(max_examples=50, deadline=None)
@given(envelopes, contents)
def test_what_is_encoded_comes_back(envelope: Envelope, raw: bytes) -> None:
    envelope = envelope.model_copy(update={"size_bytes": len(raw)})
    back = decode(encode(Mail(envelope, raw)))
    assert back.envelope == envelope
    assert back.content == (raw if envelope.blob is None else None)


def test_the_head_is_one_line_whatever_the_peer_said() -> None:
    envelope = an_envelope(mail_from="a\r\nb\n", peer=Peer(helo="x\ny"))
    assert encode(Mail(envelope, b"")).count(b"\n") == 1


def test_the_version_stands_in_every_frame() -> None:
    # A default is not written, and a newer reader has another default.
    assert json.loads(encode(Mail(an_envelope(), b"")).partition(b"\n")[0])["schema_version"] == 1


def test_the_version_of_a_newer_writer_survives_a_hop() -> None:
    head = encode(decode(a_frame(schema_version=7))).partition(b"\n")[0]
    assert json.loads(head)["schema_version"] == 7
    assert head.count(b"schema_version") == 1


def test_unknown_fields_survive_a_hop_at_every_level() -> None:
    finding = {"stage": "s", "name": "n", "outcome": "o", "weight": 3}
    unknown = {
        "priority": {"class": ["bulk", None]},
        "peer": {"address": "192.0.2.1", "country": "FR", "tls": {"version": "v", "cipher": "c", "group": "x25519"}},
        "recipients": [{"address": "b@example.org", "folder": "Lists"}],
        "findings": [finding],
        "verdicts": {"example.org": {"spam": True, "score": 1.0, "required": 7.5, "tests": [finding], "by": "dmarc"}},
    }
    mail = decode(a_frame(b"raw", **unknown))
    changed = mail.with_envelope(mail.envelope.found(Finding(stage="s", name="new", outcome="o")))
    head = json.loads(encode(changed).partition(b"\n")[0])
    assert head["priority"] == unknown["priority"]
    assert head["peer"] == unknown["peer"]
    assert head["recipients"] == unknown["recipients"]
    assert head["findings"][0] == finding
    assert head["verdicts"] == unknown["verdicts"]


def test_octets_of_outside_that_are_no_text_do_not_lose_the_message() -> None:
    finding = Finding(stage="antivirus", name="na\udcefve", outcome="tag", reason="r\udce9sum\udce9.exe \U0001f4a3")
    mail = Mail(an_envelope(mail_from="j\ud83d@example.org", size_bytes=3, later={"new\udcff": ["\udcff"]}), b"raw")
    back = decode(encode(mail.with_envelope(mail.envelope.found(finding)))).envelope
    [found] = back.findings
    assert (found.name, found.reason) == ("na\ufffdve", "r\ufffdsum\ufffd.exe \U0001f4a3")
    assert back.mail_from == "j\ufffd@example.org"
    assert back.model_extra == {"later": {"new\ufffd": ["\ufffd"]}}
    assert back.received_at == NOW


POISON = {
    "empty": b"",
    "no newline": a_frame().rstrip(b"\n"),
    "no JSON": b"hello\nraw",
    "JSON cut off": a_frame()[:20] + b"\n",
    "JSON, not an object": b"[]\n",
    "binary": b"\xff\xfe\x00\n",
    "not UTF-8 within": a_frame().replace(b"a1", b"\xe9"),
    "a lone surrogate": a_frame(id="\ud800"),
    "a field is missing": a_frame().replace(b"sha256", b"sha257"),
    "a time without zone": a_frame(received_at="2024-05-17T08:30:00"),
    "a score that is no number": a_frame(findings=[{"stage": "s", "name": "n", "outcome": "o", "score": "much"}]),
    "a score that is infinite": a_frame(findings=[{"stage": "s", "name": "n", "outcome": "o", "score": float("inf")}]),
    "nested without end": b'{"x":' * 100_000 + b"\n",
    "bytes missing": a_frame(b"raw")[:-1],
    "bytes too many": a_frame(b"raw") + b"!",
    "bytes behind a claim check": a_frame(b"raw", blob="a1"),
}


@pytest.mark.parametrize("frame", POISON.values(), ids=POISON.keys())
def test_poison_is_malformed_and_so_permanent(frame: bytes) -> None:
    with pytest.raises(Malformed) as raised:
        decode(frame)
    assert isinstance(raised.value, Permanent)
    assert "\n" not in raised.value.reason


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_make_decoding_fail_in_another_way(frame: bytes) -> None:
    with pytest.raises(Malformed):
        decode(frame)


def test_a_claim_check_frame_ends_at_the_newline() -> None:
    frame = encode(Mail(an_envelope(blob="a1", size_bytes=3), b"raw"))
    assert frame.endswith(b"}\n")
    mail = decode(frame)
    assert mail.envelope.blob == "a1"
    with pytest.raises(LookupError, match="did not ask"):
        _ = mail.raw


def test_content_may_be_a_view_of_a_larger_buffer() -> None:
    buffer = b"headers: yes\r\n\r\nbody"
    assert decode(encode(Mail(an_envelope(size_bytes=7), memoryview(buffer)[:7]))).raw == b"headers"


@pytest.mark.parametrize("score", [float("inf"), float("-inf"), float("nan")])
def test_a_score_that_json_cannot_hold_fails_where_it_is_made(score: float) -> None:
    with pytest.raises(ValidationError):
        Finding(stage="s", name="n", outcome="o", score=score)
    with pytest.raises(ValidationError):
        Verdict(spam=True, score=score, required=7.5)
