"""A message: the one on the queue, one forwarded as a file, one in an archive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import sha256

from libs.mail.defects import Defect
from libs.mail.limits import DEFAULT_LIMITS
from libs.mail.message import Message, Part, parse
from libs.mail.readings import is_ambiguous, other_readings
from libs.mail.recognition import message_in
from libs.mail.transfer import ENCODINGS, uuencoded_files
from services.antivirus.domain.budget import ScanBudget
from services.antivirus.domain.content import Role, ScanContent
from services.antivirus.domain.detections import Detection, DetectionKind, detection

_MEANING: Mapping[Defect, DetectionKind] = {
    Defect.TOO_DEEP: DetectionKind.MIME_LIMIT,
    Defect.TOO_MANY_PARTS: DetectionKind.MIME_LIMIT,
    Defect.DECODED_TOO_LARGE: DetectionKind.MIME_LIMIT,
    Defect.TOO_MANY_HEADERS: DetectionKind.MIME_LIMIT,
    Defect.HEADERS_TOO_LARGE: DetectionKind.MIME_LIMIT,
    Defect.TOO_MANY_READINGS: DetectionKind.MIME_LIMIT,
    Defect.PARTIAL_MESSAGE: DetectionKind.PARTIAL,
    Defect.MISSING_COLON: DetectionKind.AMBIGUOUS_MIME,
    Defect.NO_BOUNDARY: DetectionKind.AMBIGUOUS_MIME,
    Defect.DUPLICATE_PARAMETER: DetectionKind.AMBIGUOUS_MIME,
    Defect.ENCODED_CONTAINER: DetectionKind.AMBIGUOUS_MIME,
    Defect.UNKNOWN_ENCODING: DetectionKind.AMBIGUOUS_MIME,
}
_LIMITS: Mapping[Defect, DetectionKind] = {
    defect: kind for defect, kind in _MEANING.items() if kind is not DetectionKind.AMBIGUOUS_MIME
}
# Readers disagree which of two counts, and one of them may be an attachment that the other does not see.
_ONCE = ("Content-Type", "Content-Transfer-Encoding", "Content-Disposition")


def open_mail(content: ScanContent, budget: ScanBudget) -> Iterator[ScanContent | Detection]:
    """Its leaves decoded, each with what its structure says, in every way in which readers may take the message."""
    message = content.message or parse(_octets_of(content))
    # Many texts look like a message, so the ambiguity of an embedded one is no detection.
    meaning = _MEANING if content.message is not None else _LIMITS
    count = 0
    for part in message.parts():
        budget.in_time()
        count += 1
        found = list(_contents_of(part))  # decoding finds defects too
        yield from _detections(part, meaning)
        yield from found
    if content.message is not None and _has_no_fields(message):
        yield detection(
            DetectionKind.AMBIGUOUS_MIME, Defect.NO_HEADERS
        )  # of the message: a part needs none (RFC 2046 5.1)
    if not message.root.is_leaf:  # also what stands between the parts, for readers that show it
        yield from (ScanContent(octets, name, role=Role.ALIKE) for name, octets in uuencoded_files(message.raw))
    # Where a limit was hit, that is told already; every other reading would hit it again, at the same price.
    if not any(defect in _LIMITS for defect in message.defects):
        yield from _seen_by_others(message, budget, meaning)
    if count >= DEFAULT_LIMITS.parts and Defect.TOO_MANY_PARTS in message.damage:
        yield detection(DetectionKind.MIME_LIMIT, Defect.TOO_MANY_PARTS)


def pieces(message: Message, budget: ScanBudget) -> Iterator[bytes]:
    """What readers find in a message on which they may differ, decoded; nothing of one that is clear.

    For engines that take messages apart themselves: theirs is one reading too.
    """
    if is_ambiguous(message):
        yield from (
            found.octets
            for found in open_mail(ScanContent(message.raw, message=message), budget)
            if isinstance(found, ScanContent) and found.octets
        )


def _octets_of(content: ScanContent) -> bytes:
    found = message_in(content.octets, name=content.name, declared_type=content.declared_type)
    return content.octets if found is None else found


def _has_no_fields(message: Message) -> bool:
    return not len(message.headers) and message.headers.body_start < len(message.raw)


def _detections(part: Part, meaning: Mapping[Defect, DetectionKind]) -> Iterator[Detection]:
    for defect in part.defects:
        if defect in meaning:
            yield detection(meaning[defect], defect)
        elif (
            meaning is _MEANING
            and defect is Defect.DUPLICATE_HEADER
            and any(part.headers.count(name) > 1 for name in _ONCE)
        ):
            yield detection(DetectionKind.AMBIGUOUS_MIME, "two fields where one may be")


def _seen_by_others(
    message: Message, budget: ScanBudget, meaning: Mapping[Defect, DetectionKind]
) -> Iterator[ScanContent | Detection]:
    """Yield parts that only other readers find; an attachment among them makes the message ambiguous."""
    known: set[tuple[bytes, str, bool]] = set()
    for reading in other_readings(message):
        budget.heavy()
        if budget.is_late:
            yield detection(DetectionKind.MIME_LIMIT, Defect.TOO_MANY_READINGS)
            return
        known = known or {_identity(content) for leaf in message.leaves() for content in _contents_of(leaf)}
        if reading.is_decoded:
            yield ScanContent(reading.raw, role=Role.BODY)  # what stands between its parts too
        for leaf in reading.leaves():
            budget.entry()
            for content in _contents_of(leaf):
                yield from _if_new(content, known, budget, is_told=meaning is _MEANING)
        yield from (detection(kind, defect) for defect, kind in _LIMITS.items() if defect in reading.defects)
    if Defect.TOO_MANY_READINGS in message.damage:
        yield detection(DetectionKind.MIME_LIMIT, Defect.TOO_MANY_READINGS)


def _if_new(
    content: ScanContent, known: set[tuple[bytes, str, bool]], budget: ScanBudget, *, is_told: bool
) -> Iterator[ScanContent | Detection]:
    """Add the part to `known`."""
    identity = digest, _, is_text = _identity(content)
    if identity in known:
        return
    seen_before = is_text or any(digest == other for other, _, _ in known)
    if is_told and content.octets and not seen_before and not content.declared_type.startswith("multipart/"):
        yield detection(DetectionKind.AMBIGUOUS_MIME, "an attachment that only some readers find")
    known.add(identity)
    budget.grown(len(content.octets), total=0, packed=0)
    yield content if is_text else replace(content, role=Role.ALIKE)


def _identity(content: ScanContent) -> tuple[bytes, str, bool]:
    return sha256(content.octets).digest(), content.name, content.role is Role.BODY


def _contents_of(part: Part) -> Iterator[ScanContent]:
    """A leaf, under each of its names; of an encoded message its fields too, which stand nowhere else in clear."""
    if not part.is_leaf:
        if part.is_embedded_message and part.encoding in ENCODINGS:
            yield ScanContent(part.body(), role=Role.BODY)
        return
    names, declared_type = part.file_names, part.content_type
    shown = not names and part.disposition != "attachment" and declared_type in ("text/plain", "text/html")
    octets = part.body()
    yield ScanContent(octets, names[0] if names else "", declared_type, Role.BODY if shown else Role.ATTACHMENT)
    for name in names[1:]:
        yield ScanContent(octets, name, declared_type, Role.ALIKE)
