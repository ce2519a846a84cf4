"""A message on the queue: one JSON line with the envelope, a newline, then the raw RFC 5322 bytes.

Above a size limit the bytes are in the blob store and `Envelope.blob` names them (claim check): the frame then ends at
the newline.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from libs.envelope.model import SCHEMA_VERSION, Envelope, Mail
from libs.envelope.outcomes import Permanent, Temporary

# Always written, although a default: a newer reader has another one.
_VERSION = b'{"schema_version":%d,' % SCHEMA_VERSION


class _Versioned(BaseModel):
    schema_version: int = 0


class Malformed(Permanent):
    """The frame is no envelope: a poison message, for the dead letters at once."""


class Newer(Temporary):
    """A newer version wrote the frame in a shape that this one cannot read: it waits until the update is through."""


def encode(mail: Mail) -> bytes:
    """The frame of `mail`. JSON escapes line ends, so the first newline always ends the envelope."""
    try:
        head = mail.envelope.model_dump_json(exclude_defaults=True).encode()
    except PydanticSerializationError:
        head = _without_surrogates(mail.envelope).model_dump_json(exclude_defaults=True).encode()
    if mail.envelope.schema_version == SCHEMA_VERSION:
        head = _VERSION + head[1:]
    if mail.envelope.blob is not None:
        return head + b"\n"
    return b"%b\n%b" % (head, mail.raw)


def decode(frame: bytes) -> Mail:
    """Return the mail in `frame`. Raises `Malformed`, and `Newer` for a frame of a later schema version."""
    head, newline, raw = frame.partition(b"\n")
    if not newline:
        raise Malformed("no newline after the envelope")
    try:
        envelope = Envelope.model_validate_json(head)
    except ValidationError as error:
        if (version := _version(head)) > SCHEMA_VERSION:
            raise Newer(f"schema version {version}, this one reads {SCHEMA_VERSION}: {_first(error)}") from error
        raise Malformed(f"not an envelope: {_first(error)}") from error
    promised = envelope.size_bytes if envelope.blob is None else 0
    if len(raw) != promised:
        raise Malformed(f"the envelope promises {promised} bytes, {len(raw)} came")
    return Mail(envelope, raw if envelope.blob is None else None)


def _without_surrogates(envelope: Envelope) -> Envelope:
    """Octets of outside that were no UTF-8 become U+FFFD: a message is not lost for the name of an attachment."""
    return Envelope.model_validate(_readable(envelope.model_dump(exclude_defaults=True)))


def _readable(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case dict():
            return {_readable(name): _readable(each) for name, each in value.items()}
        case list() | tuple():
            return [_readable(each) for each in value]
        case _:
            return value


def _version(head: bytes) -> int:
    """What the frame says of its schema; 0 when it says nothing that can be read."""
    try:
        return _Versioned.model_validate_json(head).schema_version
    except ValidationError:
        return 0


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{error.error_count()} errors, first: {'.'.join(map(str, first['loc']))} {first['msg']}"
