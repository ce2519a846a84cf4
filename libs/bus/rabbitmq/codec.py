"""Encodes and decodes the few AMQP 0-9-1 frames that every message needs; pamqp does all others.

A frame is type (octet), channel (short), size (long), payload, 0xCE. Source: AMQP 0-9-1 2.3.5 and 4.2.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pamqp.frame
import pamqp.header
from pamqp.base import Frame

METHOD, HEADER, BODY = 1, 2, 3
FRAME_END = b"\xce"

# Class and method ids of the hot frames, as one number.
CONNECTION_BLOCKED, CONNECTION_UNBLOCKED, CONNECTION_CLOSE = 0x000A003C, 0x000A003D, 0x000A0032
CHANNEL_CLOSE = 0x00140028
DELIVER, RETURN, ACK, NACK, CANCEL = 0x003C003C, 0x003C0032, 0x003C0050, 0x003C0078, 0x003C001E
GET_OK = 0x003C0047

_FRAME = struct.Struct(">BHI")
_PUBLISH = struct.Struct(">IH")
_CONTENT = struct.Struct(">HHQH")
_ACK_FRAME = struct.Struct(">BHIIQBB")
_TIMESTAMP = struct.Struct(">Q")
_LONG = struct.Struct(">I")
_SHORT = struct.Struct(">H")

# Property flags, in the order of the list (AMQP 0-9-1 4.2.6.1): headers, delivery-mode, message-id and timestamp are
# written.
_HEADERS, _DELIVERY_MODE, _MESSAGE_ID, _TIME = 1 << 13, 1 << 12, 1 << 7, 1 << 6
_OURS = _HEADERS | _DELIVERY_MODE | _MESSAGE_ID | _TIME
_PERSISTENT = b"\x02"
_BASIC = 60

HeaderValue = str | int


@dataclass(frozen=True, slots=True)
class Properties:
    """The properties of a message. `timestamp` is in epoch seconds or 0, `message_id` may be empty."""

    headers: Mapping[str, Any]
    message_id: str
    timestamp: int


def method(channel: int, frame: Frame) -> bytes:
    """Encode any method frame with pamqp."""
    return pamqp.frame.marshal(frame, channel)


def unmarshal_method(payload: bytes) -> Any:
    """Decode any method with pamqp."""
    _, _, frame = pamqp.frame.unmarshal(_FRAME.pack(METHOD, 1, len(payload)) + payload + FRAME_END)
    return frame


@lru_cache(maxsize=1024)
def publish_method(channel: int, exchange: str, routing_key: str, mandatory: bool) -> bytes:
    """A Basic.Publish frame: without `mandatory` the broker confirms what it could not route."""
    payload = _PUBLISH.pack(0x003C0028, 0) + _short_text(exchange) + _short_text(routing_key) + bytes([mandatory])
    return _FRAME.pack(METHOD, channel, len(payload)) + payload + FRAME_END


def content(channel: int, properties: Properties, body: bytes, *, frame_size: int) -> list[bytes]:
    """The header frame and the body frames of a persistent message, in pieces to be written one after the other."""
    table = b"".join([_entry(name, value) for name, value in properties.headers.items()])
    payload = b"".join(
        (
            _CONTENT.pack(_BASIC, 0, len(body), _OURS),
            _LONG.pack(len(table)),
            table,
            _PERSISTENT,
            _short_text(properties.message_id),
            _TIMESTAMP.pack(properties.timestamp),
        )
    )
    pieces = [_FRAME.pack(HEADER, channel, len(payload)), payload, FRAME_END]
    room = frame_size - 8
    for at in range(0, len(body), room):
        piece = body if len(body) <= room else body[at : at + room]
        pieces += (_FRAME.pack(BODY, channel, len(piece)), piece, FRAME_END)
    return pieces


def ack(channel: int, tag: int) -> bytes:
    """A Basic.Ack frame of one delivery."""
    return _ACK_FRAME.pack(METHOD, channel, 13, ACK, tag, 0, 0xCE)


def requeue(channel: int, tag: int, *, multiple: bool = False) -> bytes:
    """A Basic.Nack frame that gives a delivery (`multiple`: and all before it) back."""
    return _ACK_FRAME.pack(METHOD, channel, 13, NACK, tag, 2 | multiple, 0xCE)


def delivery_tag(payload: bytes, start: int) -> int:
    """The tag in a Basic.Deliver whose arguments begin at `start`, behind the consumer tag."""
    (tag,) = _TIMESTAMP.unpack_from(payload, start + 1 + payload[start])
    return int(tag)


def confirmed(payload: bytes, start: int) -> tuple[int, bool]:
    """The tag of a Basic.Ack or Basic.Nack from the broker, and whether it stands for all before it too."""
    (tag,) = _TIMESTAMP.unpack_from(payload, start)
    return tag, bool(payload[start + 8] & 1)


def decode_properties(payload: bytes) -> Properties:
    """The property flags and list of a content header (the bytes behind the body size)."""
    (flags,) = _SHORT.unpack_from(payload)
    if flags != _OURS:
        return _decode_any(payload)
    (size,) = _LONG.unpack_from(payload, 2)
    at = 6 + size
    headers = _decode_texts(payload, 6, at)
    if headers is None:
        return _decode_any(payload)
    length = payload[at + 1]
    message_id = payload[at + 2 : at + 2 + length].decode()
    (timestamp,) = _TIMESTAMP.unpack_from(payload, at + 2 + length)
    return Properties(headers, message_id, timestamp)


def _decode_texts(payload: bytes, at: int, end: int) -> dict[str, Any] | None:
    """A table whose values are all texts (`S`); None if there is another kind of value in it."""
    headers: dict[str, Any] = {}
    while at < end:
        after_name = at + 1 + payload[at]
        name = payload[at + 1 : after_name].decode()
        if payload[after_name] != 0x53:
            return None
        (size,) = _LONG.unpack_from(payload, after_name + 1)
        at = after_name + 5 + size
        headers[name] = payload[after_name + 5 : at].decode()
    return headers


def _decode_any(payload: bytes) -> Properties:
    header = pamqp.header.ContentHeader()
    header.unmarshal(_CONTENT.pack(_BASIC, 0, 0, 0)[:12] + payload)
    found = header.properties
    timestamp = int(found.timestamp.timestamp()) if found.timestamp else 0
    return Properties(found.headers or {}, found.message_id or "", timestamp)


def _entry(name: str, value: HeaderValue) -> bytes:
    if isinstance(value, int):
        return _short_text(name) + b"l" + value.to_bytes(8, "big", signed=True)
    text = value.encode(errors="replace")
    return b"%b\x53%b%b" % (_short_text(name), _LONG.pack(len(text)), text)


def _short_text(text: str) -> bytes:
    encoded = text.encode(errors="replace")
    if len(encoded) > 255:
        raise ValueError(f"longer than the 255 bytes of an AMQP short string: {text[:40]!r}...")
    return b"%c%b" % (len(encoded), encoded)
