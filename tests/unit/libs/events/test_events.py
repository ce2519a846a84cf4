"""Events on the wire."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from libs import events
from libs.bus import Event
from libs.envelope import Permanent
from libs.events import Fact, MailboxUsageChanged

FACTS = sorted((kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Fact)), key=repr)
FACTS.remove(Fact)
VALUES = ("é@example.org", 3, 1.5, True, datetime(2026, 1, 1, tzinfo=UTC), ["é@example.org"])


def a_value(annotation: Any) -> Any:
    """Some value of the type of a field."""
    return TypeAdapter(annotation).validate_python(next(each for each in VALUES if _fits(annotation, each)))


def _fits(annotation: Any, value: Any) -> bool:
    try:
        TypeAdapter(annotation).validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


def a_fact(kind: type[Fact]) -> Fact:
    return kind(**{name: a_value(field.annotation) for name, field in kind.model_fields.items()})


@pytest.mark.parametrize("kind", FACTS)
def test_a_fact_comes_back_under_the_name_of_its_class(kind: type[Fact]) -> None:
    event = a_fact(kind).to_bus()
    assert event.name == kind.__name__
    assert kind.from_bus(event) == a_fact(kind)


@pytest.mark.parametrize("kind", FACTS)
def test_a_fact_is_in_the_past_tense_and_says_who_tells_it(kind: type[Fact]) -> None:
    # Subscribers name the classes, so a name is part of the wire.
    assert kind.__name__.endswith(("ed", "Found", "Gone"))
    teller, colon, _ = (kind.__doc__ or "").partition(":")
    services = {"ingress", "antivirus", "antispam", "router", "store", "relay", "quota"}
    assert colon
    assert set(teller.split(", ")) <= services


def test_a_field_of_a_newer_version_does_no_harm() -> None:
    payload = {"address": "a@example.org", "used_bytes": 1, "messages": 1, "version": 2, "folders": 5}
    heard = MailboxUsageChanged.from_bus(Event("MailboxUsageChanged", json.dumps(payload).encode()))
    assert heard.version == 2


@pytest.mark.parametrize("payload", [b"", b"[]", b'{"address": "a@example.org"}', b"\xff", b'{"version": Infinity}'])
def test_what_is_no_such_fact_is_refused_for_good_and_says_why(payload: bytes) -> None:
    with pytest.raises(Permanent, match=r"^MailboxUsageChanged is not readable: "):
        MailboxUsageChanged.from_bus(Event("MailboxUsageChanged", payload))


def test_a_fact_never_changes() -> None:
    for kind in FACTS:
        fact = a_fact(kind)
        with pytest.raises(ValidationError):
            setattr(fact, next(iter(kind.model_fields)), "other")
