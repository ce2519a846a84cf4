"""Our few AMQP frames against pamqp, which knows the whole protocol."""

from __future__ import annotations

from datetime import UTC, datetime

import pamqp.frame
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from libs.bus.rabbitmq import codec
from libs.bus.rabbitmq.codec import Properties

names = st.text(min_size=1, max_size=60)
headers = st.dictionaries(names, st.text(max_size=300) | st.integers(-(2**63), 2**63 - 1), max_size=6)


def frames(data: bytes) -> list[object]:
    """All frames in `data`, as pamqp reads them."""
    found: list[object] = []
    while data:
        size, _, frame = pamqp.frame.unmarshal(data)
        found.append(frame)
        data = data[size:]
    return found


def encoded(header: ContentHeader) -> bytes:
    """The flags and properties behind the body size."""
    return bytes(header.marshal()[12:])


@given(headers, names, st.integers(1, 2**32 - 1), st.binary(max_size=3000), st.integers(100, 4096))
def test_what_we_encode_pamqp_reads(
    table: dict[str, str | int], message_id: str, timestamp: int, body: bytes, frame_size: int
) -> None:
    pieces = codec.content(7, Properties(table, message_id, timestamp), body, frame_size=frame_size)
    header, *bodies = frames(b"".join(pieces))
    assert isinstance(header, ContentHeader)
    assert header.body_size == len(body)
    assert header.properties.delivery_mode == 2
    assert header.properties.message_id == message_id
    assert header.properties.timestamp == datetime.fromtimestamp(timestamp, UTC)
    assert header.properties.headers == table
    assert b"".join(part.value for part in bodies if isinstance(part, ContentBody)) == body
    assert all(len(part.value) <= frame_size - 8 for part in bodies if isinstance(part, ContentBody))


@given(headers, names, st.integers(1, 2**32 - 1))
def test_what_we_encode_we_read(table: dict[str, str | int], message_id: str, timestamp: int) -> None:
    properties = Properties(table, message_id, timestamp)
    _, payload, *_ = codec.content(1, properties, b"", frame_size=4096)
    assert codec.decode_properties(payload[12:]) == properties


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        (commands.Basic.Properties(), Properties({}, "", 0)),
        (commands.Basic.Properties(content_type="text/plain", message_id="m"), Properties({}, "m", 0)),
        (
            commands.Basic.Properties(headers={"x-death": [{"reason": "expired"}], "a": "b"}, delivery_mode=2),
            Properties({"x-death": [{"reason": "expired"}], "a": "b"}, "", 0),
        ),
    ],
    ids=["nothing", "of_another_client", "of_the_broker"],
)
def test_properties_that_are_not_of_our_form_are_read_too(
    properties: commands.Basic.Properties, expected: Properties
) -> None:
    assert codec.decode_properties(encoded(ContentHeader(body_size=0, properties=properties))) == expected


@pytest.mark.parametrize("mandatory", [True, False])
def test_a_publish_frame_says_whether_it_is_mandatory(mandatory: bool) -> None:
    [frame] = frames(codec.publish_method(3, "events", "MailStored", mandatory))
    assert isinstance(frame, commands.Basic.Publish)
    assert (frame.exchange, frame.routing_key, frame.mandatory) == ("events", "MailStored", mandatory)


def test_acknowledgements_are_frames_of_the_protocol() -> None:
    ack, back, all_back = frames(codec.ack(3, 2**40) + codec.requeue(3, 7) + codec.requeue(3, 9, multiple=True))
    assert isinstance(ack, commands.Basic.Ack)
    assert (ack.delivery_tag, ack.multiple) == (2**40, False)
    assert isinstance(back, commands.Basic.Nack)
    assert (back.delivery_tag, back.multiple, back.requeue) == (7, False, True)
    assert isinstance(all_back, commands.Basic.Nack)
    assert (all_back.delivery_tag, all_back.multiple) == (9, True)


def test_the_tag_of_a_delivery_is_behind_the_consumer_tag() -> None:
    frame = commands.Basic.Deliver("a-consumer", 2**40, False, "", "q")
    assert codec.delivery_tag(frame.marshal(), 0) == 2**40


@pytest.mark.parametrize("multiple", [True, False])
def test_a_confirm_says_for_how_many_it_stands(multiple: bool) -> None:
    assert codec.confirmed(commands.Basic.Ack(12, multiple).marshal(), 0) == (12, multiple)


def test_a_text_with_lone_surrogates_is_sent_readable() -> None:
    _, payload, *_ = codec.content(1, Properties({"reason": "\udcff!"}, "m", 1), b"", frame_size=4096)
    assert codec.decode_properties(payload[12:]).headers == {"reason": "?!"}


def test_a_name_that_is_too_long_is_an_error() -> None:
    with pytest.raises(ValueError, match="255 bytes"):
        codec.publish_method(1, "", "q" * 256, True)
