"""The MIME tree in the order of the text: one loop with its own stack, so that no nesting can exhaust Python's."""

from collections.abc import Iterator
from itertools import islice

from libs.mail.defects import Defect
from libs.mail.limits import MessageLimits
from libs.mail.multipart import sections
from libs.mail.part import Part
from libs.mail.transfer import ENCODINGS, decode_body


def walk(root: Part, limits: MessageLimits, defects: set[Defect]) -> Iterator[Part]:
    """Yield the root and everything in it, containers before their contents, within the limits.

    A part that lies too deep is a leaf with a defect; parts beyond the limit are left out, with a defect in `defects`.
    With either a scanner must not call the message clean.
    """
    walker = _Walker(limits)
    levels: list[Iterator[Part]] = [iter((root,))]
    for _ in range(limits.parts):
        while levels and (part := next(levels[-1], None)) is None:
            levels.pop()
        if not levels:
            return
        assert part is not None
        children = walker.children(part, len(levels))
        part.is_leaf = not children
        yield part
        levels.append(iter(children))
    if any(next(level, None) for level in levels):
        defects.add(Defect.TOO_MANY_PARTS)


class _Walker:
    """Finds the children of a part, and keeps the account of what that took."""

    def __init__(self, limits: MessageLimits) -> None:
        self._limits = limits
        self._decoded_bytes = 0
        self._scanned_bytes = 0

    def children(self, part: Part, depth: int) -> list[Part]:
        """The parts directly inside, none for a leaf."""
        if part.content_type == "message/partial":  # RFC 2046 5.2.2: the rest of it is in other messages
            part.damage.add(Defect.PARTIAL_MESSAGE)
        if not (part.is_multipart or part.is_embedded_message):
            return []
        if depth > self._limits.depth:
            part.damage.add(Defect.TOO_DEEP)
            return []
        return self._sections(part) if part.is_multipart else self._embedded(part)

    def _sections(self, part: Part) -> list[Part]:
        boundary = part.boundary
        if not boundary:
            part.damage.add(Defect.NO_BOUNDARY)
            return []
        if "boundary" in part.parameters.repeated:
            part.damage.add(Defect.DUPLICATE_PARAMETER)
        raw, start, end = part.body_span
        self._scanned_bytes += end - start
        if self._scanned_bytes > self._limits.scanned_bytes:
            part.damage.add(Defect.TOO_DEEP)
            return []
        found = list(
            islice(
                sections(raw, start, end, boundary=boundary, defects=part.damage, near=part.near_delimiters),
                self._limits.parts + 1,
            )
        )
        if not found and part.encoding in ENCODINGS:
            part.damage.add(Defect.ENCODED_CONTAINER)
        # RFC 2046 5.1.5: in a digest a part without a type is a message
        default = "message/rfc822" if part.content_type == "multipart/digest" else "text/plain"
        return [Part(raw, start, end, limits=self._limits, default_type=default) for start, end in found]

    def _embedded(self, part: Part) -> list[Part]:
        """RFC 2045 6.4 forbids to encode a message, but clients do it and show it."""
        raw, start, end = part.body_span
        if part.encoding in ("base64", "quoted-printable"):
            part.damage.add(Defect.ENCODED_CONTAINER)
            self._decoded_bytes += end - start
            if self._decoded_bytes > self._limits.decoded_bytes:
                part.damage.add(Defect.DECODED_TOO_LARGE)
                return []
            raw = decode_body(part.encoding, raw[start:end])[0]
            start, end = 0, len(raw)
        return [Part(raw, start, end, limits=self._limits)]
