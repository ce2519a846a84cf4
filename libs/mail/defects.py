"""Defects of a message. Parsers report them; policy decides on them."""

from collections.abc import Collection
from enum import StrEnum


class Defect(StrEnum):
    """One kind of damage. The value is stable: it appears in findings and logs."""

    # of a header block (RFC 5322 2.1, 2.2, 3.6)
    NO_HEADERS = "no-headers"
    NO_BLANK_LINE = "no-blank-line"  # nothing separates the fields from what follows
    MISSING_COLON = "missing-colon"  # a line that is no field ended the block, or was passed over
    BYTE_ORDER_MARK = "byte-order-mark"  # stood before the first field
    MBOX_LINE = "mbox-line"  # a "From " line of an mbox file stood first
    TOO_MANY_HEADERS = "too-many-headers"
    HEADERS_TOO_LARGE = "headers-too-large"
    LINE_TOO_LONG = "line-too-long"
    BARE_CR = "bare-cr"
    NUL = "nul"
    EIGHT_BIT_HEADER = "8-bit-header"  # lawful only as UTF-8 under SMTPUTF8 (RFC 6532 3)
    DUPLICATE_HEADER = "duplicate-header"  # of a field that RFC 5322 3.6 or MIME allow once

    # of the MIME structure (RFC 2045, 2046)
    TOO_DEEP = "too-deep"
    TOO_MANY_PARTS = "too-many-parts"
    DECODED_TOO_LARGE = "decoded-too-large"
    NO_BOUNDARY = "no-boundary"  # multipart without a usable boundary parameter
    BROKEN_BOUNDARY = "broken-boundary"  # no delimiter line, or more of them behind the closing one
    MISSING_END_BOUNDARY = "missing-end-boundary"
    TOO_MANY_READINGS = "too-many-readings"  # readers may take it in more ways than are looked at
    PARTIAL_MESSAGE = "partial-message"  # message/partial: a slice cannot be scanned (RFC 2046 5.2.2)
    ENCODED_CONTAINER = "encoded-container"  # base64 or quoted-printable on a message or multipart (RFC 2045 6.4)
    DUPLICATE_PARAMETER = "duplicate-parameter"  # two boundary or charset parameters: readers disagree which counts

    # of one leaf, known once its body was decoded
    BAD_BASE64 = "bad-base64"
    BAD_UUENCODE = "bad-uuencode"
    UNKNOWN_ENCODING = "unknown-encoding"


_ORDER = tuple(Defect)


def in_order(found: Collection[Defect]) -> tuple[Defect, ...]:
    """Each once, as the enumeration orders them."""
    return tuple(defect for defect in _ORDER if defect in found) if found else ()
