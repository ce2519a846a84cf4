"""Version N of the cluster beside version N+1: what one of them writes, the other reads, keeps, or waits with."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.envelope import (
    Envelope,
    Mail,
    Malformed,
    Newer,
    Permanent,
    Temporary,
    check_actions,
    decode,
    encode,
    understood,
)
from libs.envelope.model import SCHEMA_VERSION

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
news = st.dictionaries(texts.map(lambda name: f"new_{name}"), json_values, max_size=2)


def an_object(**known: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """The known fields with any text in them, and fields that this version never heard of."""
    return st.builds(lambda fields, more: {**more, **fields}, st.fixed_dictionaries(known), news)


findings = an_object(stage=texts, name=texts, outcome=texts)
recipients = an_object(
    address=texts, notify=st.lists(texts, max_size=2), purpose=texts, screened=texts, failure=texts
).map(lambda fields: {name: value for name, value in fields.items() if value not in ("", [])} | {"address": "a@b"})
verdicts = an_object(
    spam=st.booleans(), score=st.just(1.5), required=st.just(7.5), action=texts.filter(lambda text: text != "none")
)
heads = an_object(
    id=texts,
    received_at=st.just("2026-11-27T06:00:00Z"),
    listener=texts.filter(lambda text: text != "mx"),
    recipients=st.lists(recipients, min_size=1, max_size=2),
    findings=st.lists(findings, min_size=1, max_size=2),
    verdicts=st.dictionaries(texts, verdicts, min_size=1, max_size=2),
    peer=an_object(address=st.just("192.0.2.1"), protocol=texts.filter(lambda text: text != "ESMTP")),
    size_bytes=st.just(3),
    sha256=texts,
    schema_version=st.integers(1, 3),
)


@settings(max_examples=80, deadline=None)
@given(heads)
def test_whatever_value_a_newer_version_writes_survives_a_hop_through_this_one(head: dict[str, Any]) -> None:
    mail = decode(json.dumps(head).encode() + b"\nraw")
    again = json.loads(encode(mail).partition(b"\n")[0])
    assert again == head


@settings(max_examples=80, deadline=None)
@given(heads)
def test_values_that_a_stage_cannot_act_on_wait_and_are_never_given_up_at_once(head: dict[str, Any]) -> None:
    envelope = decode(json.dumps(head).encode() + b"\nraw").envelope
    known = all(verdict["action"] in ("tag", "junk", "quarantine") for verdict in head["verdicts"].values())
    if known:
        check_actions(envelope)
    else:
        with pytest.raises(Temporary):
            check_actions(envelope)


def test_a_message_that_a_person_released_does_not_wait_for_an_action_that_nobody_takes() -> None:
    verdict = {"spam": True, "score": 1.0, "required": 1.0, "action": "shred"}
    head = {"id": "a", "received_at": "2026-11-27T06:00:00Z", "recipients": [], "size_bytes": 0, "sha256": ""}
    check_actions(Envelope.model_validate({**head, "verdicts": {"example.org": verdict}, "released": True}))


SHAPES: list[dict[str, Any]] = [
    {"recipients": {"to": ["a@example.org"]}},  # another type
    {"sha256": None},
    {"received_at": "yesterday"},
    {"findings": [{"engine": "clamav"}]},  # another name of a field
]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_of_a_later_schema_waits_and_of_this_one_is_poison(shape: dict[str, Any]) -> None:
    head = {"id": "a", "received_at": "2026-11-27T06:00:00Z", "recipients": [], "size_bytes": 3, "sha256": "", **shape}
    with pytest.raises(Newer) as later:
        decode(json.dumps({**head, "schema_version": SCHEMA_VERSION + 1}).encode() + b"\nraw")
    assert isinstance(later.value, Temporary)
    assert not isinstance(later.value, Permanent)
    unfit: tuple[object, ...] = (SCHEMA_VERSION, -1, "x", None, [])
    for version in unfit:
        with pytest.raises(Malformed):
            decode(json.dumps({**head, "schema_version": version}).encode() + b"\nraw")


def test_an_older_reader_gets_what_it_needs_from_this_writer() -> None:
    # It knows neither the fields that were added since nor their defaults: those are left out, the required ones stay.
    head = {"id": "a", "received_at": "2026-11-27T06:00:00Z", "recipients": [], "size_bytes": 0, "sha256": ""}
    mail = Mail(Envelope.model_validate(head), b"")
    assert json.loads(encode(mail)) == {**head, "schema_version": SCHEMA_VERSION}


def test_the_reason_for_waiting_names_the_value_in_one_line() -> None:
    with pytest.raises(Temporary) as raised:
        understood("shred\nit", ("none", "tag"), "action")
    assert "action 'shred\\nit'" in raised.value.reason
    assert understood("tag", ("none", "tag"), "action") == "tag"


def test_the_fields_for_sieve_are_left_out_until_a_script_sets_them() -> None:
    recipients = [{"address": "a@b"}, {"address": "c@d", "folder": "Lists", "flags": ["\\Flagged"]}]
    head = {"id": "a", "received_at": "2026-11-27T06:00:00Z", "recipients": recipients, "size_bytes": 0, "sha256": ""}
    mail = Mail(Envelope.model_validate(head), b"")
    assert json.loads(encode(mail))["recipients"] == recipients
    assert mail.envelope.recipients[1].flags == ("\\Flagged",)
