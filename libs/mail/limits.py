"""What a stranger may make us do with one message: every bound of the readers, in one place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MessageLimits:
    """Bounds of `parse` and `Headers`. What lies beyond one is reported as a Defect and left unread, never an error.

    The defaults are far above honest mail (RFC 5322 and MIME themselves set few bounds) and keep the worst
    message of 20 MB at a second or two of work and a small multiple of its size in memory: work for a thread.
    """

    header_count: int = 1_000  # fields of one header block
    header_bytes: int = 262_144  # octets of one header block
    line_octets: int = 998  # RFC 5322 2.1.1: longer header lines are a defect, though still read
    addresses: int = 10_000  # mailboxes read from one header name
    depth: int = 100  # containers inside each other, multipart and message/rfc822 alike
    parts: int = 1_000  # nodes of the MIME tree, containers included
    scanned_bytes: int = 256 * 1024 * 1024  # sum over the multiparts inside each other, each searched for its boundary
    boundary_octets: int = 256  # RFC 2046 5.1.1 says 70; some senders write more
    decoded_bytes: int = 64 * 1024 * 1024  # sum over the embedded messages that had to be decoded to be walked
    readings: int = 100  # ways in which readers may take one message
    reading_bytes: int = 256 * 1024 * 1024  # sum over those ways


DEFAULT_LIMITS = MessageLimits()
