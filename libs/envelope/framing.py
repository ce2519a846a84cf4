"""A message on the queue: one JSON line with the envelope, a newline, then the raw RFC 5322 bytes.

Above a size limit the bytes are in the blob store and `Envelope.blob` names them (claim check): the frame then ends at
the newline.
"""

from __future__ import annotations

from pydantic import ValidationError

from libs.envelope.model import Envelope, Mail
from libs.envelope.outcomes import Permanent


class Malformed(Permanent):
    """The frame is no envelope: a poison message, for the dead letters at once."""


def encode(mail: Mail) -> bytes:
    """The frame of `mail`. JSON escapes line ends, so the first newline always ends the envelope."""
    head = mail.envelope.model_dump_json(exclude_defaults=True).encode()
    if mail.envelope.blob is not None:
        return head + b"\n"
    return b"%b\n%b" % (head, mail.raw)


def decode(frame: bytes) -> Mail:
    """The mail in `frame`. Raises `Malformed`."""
    head, newline, raw = frame.partition(b"\n")
    if not newline:
        raise Malformed("no newline after the envelope")
    try:
        envelope = Envelope.model_validate_json(head)
    except ValidationError as error:
        raise Malformed(f"not an envelope: {error.error_count()} errors, first: {error.errors()[0]['msg']}") from error
    if envelope.blob is not None:
        return Mail(envelope, None)
    if len(raw) != envelope.size_bytes:
        raise Malformed(f"the envelope promises {envelope.size_bytes} bytes, {len(raw)} came")
    return Mail(envelope, raw)
